"""What this machine can hold, from its device, its disk, its settings and what is installed."""

from __future__ import annotations

from dataclasses import replace

from cems_tui import paths
from cems_tui.catalog.fit import Room, scaled
from cems_tui.catalog.recommend import Evidence, read_evidence
from cems_tui.catalog.survey import Holding, Survey
from cems_tui.catalog.survey import survey as survey_of
from cems_tui.domain.function import Expected, Footprint, Model
from cems_tui.files import free_bytes
from cems_tui.services import device as resident_wiring
from cems_tui.services.planner import Planner
from cems_tui.settings import Settings

_HALF_PRECISION = ("cuda", "xpu")
"""Devices on which 16-bit weights stay so; elsewhere most families are held in 32."""


def holding(planner: Planner) -> list[Holding]:
    """Every model of the planner's catalog, as this machine sees it, in catalog order."""
    return list(survey(planner).holdings)


def survey(planner: Planner) -> Survey:
    """This machine, every model of the planner's catalog, and what is worth pulling.

    Raises:
        ConfigError: a setting of the device cannot be followed.
        WeightsError: the shipped evidence is missing or damaged.
    """
    room = room_here(planner.settings)
    return survey_of(
        planner.catalog,
        lambda model: footprint_here(model, planner, room.kind),
        shipped_evidence(),
        room,
        free_bytes(paths.current().models),
    )


def shipped_evidence() -> Evidence:
    """What the scores behind the shipped CEMS routers say of sets of functions."""
    return read_evidence(paths.checkpoints() / "evidence" / "cems.json")


def room_here(chosen: Settings) -> Room:
    """What this machine's device offers a model, as the user configured it."""
    from cems_tui.generation.device import probe, weight_budget_bytes

    device = probe()
    there = resident_wiring.read_resident()
    ours = there.total_bytes if there is not None and there.device == device.kind else 0
    device = replace(device, free_bytes=min(device.total_bytes, device.free_bytes + ours))
    leave = int(float(chosen["device.leave_gb"]) * 1e9)
    return Room(
        kind=device.kind,
        name=device.name,
        total_bytes=device.total_bytes,
        free_bytes=device.free_bytes,
        weight_bytes=weight_budget_bytes(device, float(chosen["device.budget_mb"]), leave),
        run_bytes=max(0, device.free_bytes - leave),
    )


def footprint_here(model: Model, planner: Planner, kind: str) -> Footprint:
    """What a model takes of a device of that kind.

    The catalog's figures, in the precision of the device; where there are none, those of the
    model's functions as they ran here or were published.
    """
    from cems_tui.generation.families.table import FAMILIES

    said = model.footprint
    if said.weights_bytes is None:
        return _from_runs(model, planner)
    layout = FAMILIES.get(model.family)
    widened = layout is not None and layout.precision == "float16" and kind not in _HALF_PRECISION
    return scaled(said, 2) if widened else said


def _from_runs(model: Model, planner: Planner) -> Footprint:
    """What the dearest of its functions takes. A peak alone stands in for the weights."""
    expected = [
        planner.expected(function, function.width, function.height)
        for function in planner.catalog.of_model(model.name)
    ]
    known = [one for one in expected if one.memory_bytes is not None or one.load_bytes is not None]
    if not known:
        return model.footprint
    dearest = max(known, key=_peak)
    weights = dearest.load_bytes if dearest.load_bytes is not None else dearest.memory_bytes
    beside = None if dearest.memory_bytes is None else max(0, dearest.memory_bytes - (weights or 0))
    return replace(
        model.footprint,
        weights_bytes=weights,
        activation_bytes=beside,
        provenance=dearest.provenance,
        source=dearest.source,
    )


def _peak(expected: Expected) -> int:
    return max(expected.memory_bytes or 0, expected.load_bytes or 0)
