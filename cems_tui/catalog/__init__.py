"""Models and generation functions as data: the shipped tables joined with what is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cems_tui import paths
from cems_tui.catalog.known import known_models as known_models
from cems_tui.catalog.pack import StarterPack as StarterPack
from cems_tui.catalog.tables import function_names, rows
from cems_tui.catalog.user import with_user_models
from cems_tui.generation.function import (
    Catalog,
    Expected,
    Footprint,
    GenerationFunction,
    Model,
)
from cems_tui.models.ledger import Ledger


def builtin(pack: Path | None = None) -> Catalog:
    """The catalog shipped with the program.

    Args:
        pack: the starter pack's folder; None is the one shipped with the program.
    """
    starter = StarterPack.at(pack)
    models = [(row, _model_of(row, starter)) for row in rows()]
    return Catalog(
        (function for row, model in models for function in _functions_of(row, model)),
        (model for row, model in models if not row.get("function")),
    )


def current() -> Catalog:
    """The shipped catalog, and what the user pulled and imported.

    Raises:
        StorageError: something is recorded by a newer cems.
    """
    return with_user_models(builtin(), Ledger.read(paths.current().models))


def _model_of(row: dict[str, Any], starter: StarterPack) -> Model:
    name = row["name"]
    in_pack = row.get("pack") == "starter"
    return Model(
        name=name,
        family=row["family"],
        licence=row["licence"],
        source=row["source"],
        path=starter.pipeline(name) if in_pack else None,
        digest=starter.digest(name) if in_pack else None,
        summary=row.get("summary", ""),
        footprint=Footprint(**row.get("footprint", {})),
        gated=row.get("gated", False),
        noncommercial=row.get("noncommercial", False),
        role=row.get("role", ""),
    )


def _functions_of(row: dict[str, Any], model: Model) -> list[GenerationFunction]:
    return [
        GenerationFunction(
            name=name,
            model=model,
            steps=function["steps"],
            guidance=float(function["guidance"]),
            width=function["width"],
            height=function["height"],
            scheduler=function.get("scheduler"),
            clip_skip=function.get("clip_skip"),
            expected=Expected(**function.get("expected", {})),
        )
        for name, function in zip(function_names(row), row.get("function", ()), strict=True)
    ]
