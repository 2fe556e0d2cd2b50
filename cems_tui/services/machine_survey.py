"""What this machine can hold, from its device, its disk, its settings and what is installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cems_tui.catalog.fit import Room, footprint_on, of_picture
from cems_tui.catalog.recommend import Evidence
from cems_tui.catalog.survey import Survey
from cems_tui.catalog.survey import survey as survey_of
from cems_tui.domain.function import Expected, Footprint, Model
from cems_tui.files import free_bytes
from cems_tui.generation import device as devices
from cems_tui.generation.admission import Resident
from cems_tui.generation.device import weight_cap_bytes
from cems_tui.generation.device_status import Presence
from cems_tui.generation.families.offload import OFFLOADING_DEVICES
from cems_tui.generation.precision import as_precision
from cems_tui.services.planner import Planner
from cems_tui.settings import Settings


def survey(
    planner: Planner, evidence: Evidence, settings: Settings, present: Presence | None, models: Path
) -> Survey:
    """This machine, every model of the planner's catalog, and what is worth pulling.

    Args:
        evidence: what scores say of sets of functions.
        settings: what the user configured.
        present: what is on the device, which leaves when another model needs the room.
        models: the folder that models are pulled into.

    Raises:
        ConfigError: a setting of the device cannot be followed.
    """
    room = room_here(settings, present)
    return survey_of(
        planner.catalog,
        lambda model: footprint_here(model, planner, room),
        evidence,
        room,
        free_bytes(models),
    )


def room_here(settings: Settings, present: Presence | None) -> Room:
    """What this machine's device offers a model, as the user configured it."""
    chosen = settings.device
    device = devices.probe(settings.generation.chosen_device)
    ours = present.total_bytes if present is not None and present.device == device.kind else 0
    device = replace(device, free_bytes=min(device.total_bytes, device.free_bytes + ours))
    return Room(
        kind=device.kind,
        name=device.name,
        total_bytes=device.total_bytes,
        free_bytes=device.free_bytes,
        cap_bytes=weight_cap_bytes(device, chosen.budget_mb, chosen.leave_bytes),
        run_bytes=max(0, device.free_bytes - chosen.leave_bytes),
        precision=as_precision(settings.generation.precision),
        offloads=device.kind in OFFLOADING_DEVICES,
        residents=_residents(present) if ours else (),
        leave_bytes=chosen.leave_bytes,
    )


def _residents(present: Presence | None) -> tuple[Resident, ...]:
    """What is on the device, least recently used first; what is in use will not be by then."""
    there = () if present is None else present.models
    return tuple(Resident(one.model, one.weights, False, one.kind) for one in reversed(there))


def footprint_here(model: Model, planner: Planner, room: Room) -> Footprint:
    """What a model takes of the device, at its functions' own sizes.

    What is foreseen of the dearest of its functions: the weights by the headers of its files,
    where they are here; the catalog's figures, in the precision of the device, for the rest.
    """
    told = footprint_on(model, room)
    functions = planner.catalog.of_model(model.name)
    foreseen = [planner.expected(one, one.width, one.height) for one in functions]
    known = [one for one in foreseen if one.memory_bytes is not None or one.held_bytes is not None]
    if not known:
        return told
    dearest = max(known, key=_peak)
    drawn = of_picture(dearest, told, area=1.0, least_bytes=None)
    measured = told.weights_bytes is None or dearest.provenance == "measured"
    return replace(
        told,
        weights_bytes=drawn.weights_bytes,
        largest_bytes=told.largest_bytes if drawn.weights_bytes == told.weights_bytes else None,
        activation_bytes=drawn.activation_bytes,
        activation_reach=drawn.activation_reach,
        provenance=dearest.provenance if measured else told.provenance,
        source=dearest.source if measured else told.source,
    )


def _peak(expected: Expected) -> int:
    return max(expected.memory_bytes or 0, expected.held_bytes or 0)
