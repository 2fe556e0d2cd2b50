"""Joins the shipped catalog with what the user pulled and imported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cems_tui.generation.function import Catalog, Footprint, GenerationFunction, Model
from cems_tui.models.ledger import Entry, Ledger
from cems_tui.models.target import is_noncommercial

_NO_LICENCE = "not stated"
_SUPPORT = "support"
"""The family of models that draw nothing themselves."""

_UNKNOWN = "unknown"
_SIDE = 512
_GUIDANCE = 5.0


def with_user_models(shipped: Catalog, ledger: Ledger) -> Catalog:
    """The shipped catalog with its pulled models installed, then the user's own models."""
    models = shipped.models()
    functions: list[GenerationFunction] = []
    others: list[Model] = []
    for name, shipped_model in models.items():
        model = _pulled(shipped_model, ledger.entries.get(name), ledger)
        drawing = _shipped(shipped, model, ledger.entries.get(name))
        functions += drawing
        if not drawing:
            others.append(model)
    for entry in ledger.entries.values():
        if entry.name in models or (entry.removed and ledger.present(entry) is None):
            continue
        model = _model(entry, ledger.present(entry))
        functions += [_function(entry, model, steps) for steps in entry.steps]
        if not entry.steps:
            others.append(model)
    return Catalog(functions, others)


def _pulled(model: Model, entry: Entry | None, ledger: Ledger) -> Model:
    """A shipped model, where the user pulled it: installed, and fetched in so many bytes."""
    if entry is None or model.installed:
        return model
    footprint = model.footprint
    if entry.published:
        fetched = sum(file.bytes for file in entry.published)
        footprint = replace(footprint, download_bytes=fetched)
    return replace(model, path=ledger.present(entry), digest=entry.digest, footprint=footprint)


def _shipped(shipped: Catalog, model: Model, entry: Entry | None) -> list[GenerationFunction]:
    """A shipped model's functions, and those for more steps that the user asked for."""
    functions = [replace(function, model=model) for function in shipped.of_model(model.name)]
    if entry is None or not functions:
        return functions
    there = {function.steps for function in functions}
    first = functions[0]
    return functions + [
        _function(entry, model, steps, first) for steps in entry.steps if steps not in there
    ]


def _function(
    entry: Entry, model: Model, steps: int, like: GenerationFunction | None = None
) -> GenerationFunction:
    guidance = entry.guidance if entry.guidance is not None else like.guidance if like else None
    return GenerationFunction(
        name=f"{entry.name}@{steps}",
        model=model,
        steps=steps,
        guidance=_GUIDANCE if guidance is None else guidance,
        width=entry.width or (like.width if like else _SIDE),
        height=entry.height or (like.height if like else _SIDE),
        scheduler=like.scheduler if like else None,
        clip_skip=like.clip_skip if like else None,
    )


def _model(entry: Entry, path: Path | None) -> Model:
    drawing = entry.pipeline is not None
    return Model(
        name=entry.name,
        family=entry.family or (_UNKNOWN if drawing else _SUPPORT),
        licence=entry.licence or _NO_LICENCE,
        source=entry.source,
        path=path,
        digest=entry.digest,
        summary="" if drawing else "a support model: it draws nothing itself",
        footprint=_footprint(entry),
        noncommercial=is_noncommercial(entry.licence),
    )


def _footprint(entry: Entry) -> Footprint:
    """What its own files say; what a device holds of them depends on the device."""
    if not entry.files:
        return Footprint()
    return Footprint(
        download_bytes=entry.total_bytes, provenance="measured", source="the sizes of its files"
    )
