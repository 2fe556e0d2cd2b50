"""What the shipped catalog says to whoever pulls a model."""

from __future__ import annotations

from cems_tui.catalog.tables import function_names, rows
from cems_tui.models.ledger import is_repo
from cems_tui.models.target import Known


def known_models() -> dict[str, Known]:
    """Every model of the shipped tables by name, with the repository it comes from."""
    return {
        row["name"]: Known(
            name=row["name"],
            repo=row["source"] if is_repo(row["source"]) else None,
            licence=row["licence"],
            in_pack="pack" in row,
            parts=tuple(row.get("parts", {}).items()),
            revision=row.get("revision"),
            functions=function_names(row),
            noncommercial=row.get("noncommercial", False),
            files=tuple(row.get("files", ())),
            convert=row.get("convert", False),
        )
        for row in rows()
    }
