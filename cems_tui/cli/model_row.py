"""A model as `cems ls --json` and `cems show --json` print it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cems_tui.catalog.survey import Holding
from cems_tui.domain.capabilities import Wanted, obstacle
from cems_tui.domain.function import Catalog, Expected, GenerationFunction, Model
from cems_tui.errors import UnknownName, UsageError
from cems_tui.services.planner import Planner
from cems_tui.store.statistics import Use


def named_model(catalog: Catalog, name: str) -> Model:
    """The model of that name, function or repository.

    Raises:
        UnknownName: nothing is called that.
        UsageError: a repository that holds several models.
    """
    models = catalog.models()
    if name in models:
        return models[name]
    if name in catalog:
        return catalog[name].model
    same = [model for model in models.values() if model.source == name]
    if len(same) > 1:
        names = ", ".join(model.name for model in same)
        raise UsageError(f"{name} holds several models: {names}", "Name the one that is meant.")
    if same:
        return same[0]
    raise UnknownName.of("model", name, [*models, *catalog])


def model_row(model: Model, planner: Planner, *, details: bool = False) -> dict[str, Any]:
    """A model as `ls --json` (and, with `details`, `show --json`) prints it."""
    functions = planner.catalog.of_model(model.name)
    row: dict[str, Any] = {
        "model": model.name,
        "installed": model.installed,
        "family": model.family,
        "role": model.role or None,
        "licence": model.licence,
        "gated": model.gated,
        "noncommercial": model.noncommercial,
        "source": model.source,
        "summary": model.summary,
        "path": None if model.path is None else str(model.path),
        "bytes": None if model.path is None else _bytes(model.path),
        "digest": model.digest,
        "footprint": asdict(model.footprint),
    }
    if details:
        row["functions"] = [_function_row(function, planner) for function in functions]
    else:
        row["functions"] = [function.name for function in functions]
    return row


def _function_row(function: GenerationFunction, planner: Planner) -> dict[str, Any]:
    expected: Expected = planner.expected(function, function.width, function.height)
    cost = planner.pricing.of(expected)
    return {
        "function": function.name,
        "steps": function.steps,
        "guidance": function.guidance,
        "size": f"{function.width}x{function.height}",
        "scheduler": function.scheduler,
        "clip_skip": function.clip_skip,
        "follows": follows(function),
        "seconds": expected.seconds,
        "memory_bytes": expected.memory_bytes,
        "load_seconds": expected.load_seconds,
        "cost_usd": cost.usd,
        "cost_source": cost.source,
        "cost_interval": None if cost.interval is None else list(cost.interval),
        "provenance": expected.provenance if says_something(expected) else None,
        "figures_from": expected.source or None,
        "catalog": asdict(function.expected) if says_something(function.expected) else None,
    }


def follows(function: GenerationFunction) -> dict[str, Any]:
    """What a function can follow of a request; null is unknown, or without a limit."""
    able = function.capabilities
    asked = Wanted(function.width, function.height, function.guidance, negative=True)
    stands = obstacle(able, asked)
    return {
        "negative": stands is None or stands.kind not in ("negative", "pipeline"),
        "guidance": able.guidance,
        "size_multiple": able.size_multiple,
        "longest_side": able.longest_side,
        "taught_size": f"{function.width}x{function.height}",
        "prompt_tokens": able.prompt_tokens,
    }


def says_something(expected: Expected) -> bool:
    """Whether it tells seconds or memory."""
    return expected.seconds is not None or expected.memory_bytes is not None


def uses(model: Model, planner: Planner, by_function: Mapping[str, Use]) -> dict[str, Any]:
    """How many pictures a model drew here and when the last, as keys of `ls --json`; null of one
    that draws nothing itself."""
    if model.family == "support":
        return {"uses": None, "last_used": None}
    names = [function.name for function in planner.catalog.of_model(model.name)]
    found = [by_function[name] for name in names if name in by_function]
    return {
        "uses": sum(one.pictures for one in found),
        "last_used": max((one.last for one in found), default=None),
    }


def keys(holding: Holding | None) -> dict[str, Any]:
    """What this machine makes of a model, as keys of `ls --json`."""
    gain = None if holding is None else holding.gain
    return {
        "verdict": "unknown" if holding is None else holding.verdict,
        "verdict_reason": None if holding is None else holding.reason,
        "fits_now": None if holding is None else holding.fits_now,
        "download_bytes": None if holding is None else holding.download_bytes,
        "adds": None if gain is None else gain.cell,
        "gain": None
        if gain is None
        else {
            "metric": gain.metric,
            "alone": gain.alone,
            "beside": list(gain.beside),
            "best_single": gain.single,
            "routed_at_most": gain.routed,
            "wins": gain.wins,
            "sentence": gain.sentence,
        },
        "recommended": None if holding is None else holding.recommended,
    }


def _bytes(folder: Path) -> int:
    """Bytes of a model's files, also of those it only links to."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
