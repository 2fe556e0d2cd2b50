"""Models and generation functions as data: catalog.toml joined with what is installed."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from cems_tui import paths
from cems_tui.catalog.known import known_models as known_models
from cems_tui.catalog.pack import StarterPack as StarterPack
from cems_tui.catalog.user import with_user_models
from cems_tui.generation.function import Catalog, Expected, GenerationFunction, Model
from cems_tui.models.ledger import Ledger


def builtin(pack: Path | None = None) -> Catalog:
    """The catalog shipped with the program.

    Args:
        pack: the starter pack's folder; None is the one shipped with the program.
    """
    table = tomllib.loads(files("cems_tui.catalog").joinpath("catalog.toml").read_text("utf-8"))
    starter = StarterPack.at(pack)
    return Catalog(function for row in table["model"] for function in _functions_of(row, starter))


def current() -> Catalog:
    """The shipped catalog, and what the user pulled and imported.

    Raises:
        StorageError: something is recorded by a newer cems.
    """
    return with_user_models(builtin(), Ledger.read(paths.current().models))


def _functions_of(row: dict[str, Any], starter: StarterPack) -> list[GenerationFunction]:
    name = row["name"]
    in_pack = row.get("pack") == "starter"
    model = Model(
        name=name,
        family=row["family"],
        licence=row["licence"],
        source=row["source"],
        path=starter.pipeline(name) if in_pack else None,
        digest=starter.digest(name) if in_pack else None,
        summary=row.get("summary", ""),
    )
    return [
        GenerationFunction(
            name=function.get("name", f"{name}@{function['steps']}"),
            model=model,
            steps=function["steps"],
            guidance=float(function["guidance"]),
            width=function["width"],
            height=function["height"],
            scheduler=function.get("scheduler"),
            expected=Expected(**function.get("expected", {})),
        )
        for function in row["function"]
    ]
