"""`cems stop`: a model off the device."""

from __future__ import annotations

from time import monotonic, sleep
from typing import Annotated, Any

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.model_row import named_model
from cems_tui.domain.function import Catalog
from cems_tui.generation.device_status import Presence, Present
from cems_tui.profile import Profile
from cems_tui.services.device_access import DeviceAccess
from cems_tui.text import byte_count

ANSWER_SECONDS = 10.0
"""How long an idle engine may take to free a model: it looks twice a second, if it gets a core."""

POLL_SECONDS = 0.05


def stop(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A model, function or ORG/REPO.")
    ] = None,
    json: o.Json = False,
) -> None:
    """Free a model's memory in the process that holds it; after its picture if it is in use.

    Without a name: end the resident engine, after the pictures it draws.
    """
    profile = Profile.current()
    if name is None:
        _end_engine(profile, json=json)
        return
    there = profile.device.presence()
    model = _named(name, profile.catalog(), there)
    found = _find(model, there)
    freed = False
    if found is not None:
        profile.device.ask_to_free(model)
        freed = _left(model, profile.device)
    row = {
        "model": model,
        "resident": found is not None,
        "freed": freed,
        "in_use": found is not None and found.in_use,
        "bytes": None if found is None else sum(found.weights.values()),
        "pid": None if there is None or found is None else there.pid,
    }
    if json:
        output.json_document(row)
    else:
        output.line(_told(row))


def _end_engine(profile: Profile, *, json: bool) -> None:
    """End the resident engine; one that draws for a command goes on to the end of it."""
    there = profile.device.presence()
    ended = profile.make_way()
    asked = ended or profile.make_way(patient=True)
    if json:
        output.json_document(
            {
                "model": None,
                "resident": asked,
                "freed": ended,
                "in_use": asked and not ended,
                "bytes": there.total_bytes if asked and there is not None else None,
                "pid": there.pid if asked and there is not None else None,
            }
        )
    elif ended:
        output.line("the resident engine has ended")
    elif asked:
        output.line("the resident engine ends after the command it draws for")
    else:
        output.line("there is no resident engine")


def _named(name: str, catalog: Catalog, there: Presence | None) -> str:
    """The model of that name, function or repository; what is resident need not be listed.

    Raises:
        UnknownName: nothing is called that.
        UsageError: a repository that holds several models.
    """
    if there is not None and name in {model.model for model in there.models}:
        return name
    return named_model(catalog, name).name


def _find(model: str, there: Presence | None) -> Present | None:
    if there is None:
        return None
    return next((one for one in there.models if one.model == model), None)


def _left(model: str, device: DeviceAccess) -> bool:
    """Whether the model leaves now; False when its process draws a picture, or is busy else."""
    end = monotonic() + ANSWER_SECONDS
    while (there := device.presence()) is not None and _find(model, there):
        if any(one.in_use for one in there.models) or monotonic() > end:
            return False
        sleep(POLL_SECONDS)
    return True


def _told(row: dict[str, Any]) -> str:
    model = row["model"]
    if not row["resident"]:
        return f"{model} is not on the device"
    size = byte_count(row["bytes"])
    if row["freed"]:
        return f"{model} is freed in process {row['pid']}: {size}"
    what = "after its picture" if row["in_use"] else "when its current work ends"
    return f"process {row['pid']} frees {model}, {size}, {what}"
