"""What the shipped catalog says to whoever pulls a model."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from cems_tui.models.ledger import is_repo
from cems_tui.models.target import Known


def known_models() -> dict[str, Known]:
    """Every model of catalog.toml by name, with the repository it comes from."""
    table = tomllib.loads(files("cems_tui.catalog").joinpath("catalog.toml").read_text("utf-8"))
    return {
        row["name"]: Known(
            name=row["name"],
            repo=row["source"] if is_repo(row["source"]) else None,
            licence=row["licence"],
            in_pack="pack" in row,
            parts=tuple(row.get("parts", {}).items()),
            revision=row.get("revision"),
            functions=tuple(
                function.get("name", f"{row['name']}@{function['steps']}")
                for function in row["function"]
            ),
        )
        for row in table["model"]
    }
