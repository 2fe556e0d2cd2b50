"""`cems ps` and `cems stop`: what is on the device, in whichever process, and freeing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cems_tui.cli import options as o
from cems_tui.cli.commands.ls import named_model

if TYPE_CHECKING:
    from cems_tui.domain.function import Catalog
    from cems_tui.generation.device_status import Presence, Present
    from cems_tui.services.device import DeviceAccess

ANSWER_SECONDS = 10.0
"""How long an idle engine may take to free a model: it looks twice a second, if it gets a core."""

POLL_SECONDS = 0.05


def register(app: typer.Typer) -> None:
    app.command("ps")(ps)
    app.command("stop")(stop)


def ps(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """List the models on the device: bytes, components, until when, in which process."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile

    profile = Profile.current()
    there = profile.device.presence()
    rows = (
        [] if there is None else [_row(model, there, profile.catalog()) for model in there.models]
    )
    if json:
        output.json_document(rows)
    elif quiet:
        for row in rows:
            output.line(row["model"])
    elif there is None:
        output.line("nothing is on the device")
    else:
        _print_table(rows, there)


def stop(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, function or ORG/REPO.")],
    json: o.Json = False,
) -> None:
    """Free a model's memory in the process that holds it; after its picture if it is in use."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile

    profile = Profile.current()
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
    from time import monotonic, sleep

    end = monotonic() + ANSWER_SECONDS
    while (there := device.presence()) is not None and _find(model, there):
        if any(one.in_use for one in there.models) or monotonic() > end:
            return False
        sleep(POLL_SECONDS)
    return True


def _told(row: dict[str, Any]) -> str:
    from cems_tui.text import byte_count

    model = row["model"]
    if not row["resident"]:
        return f"{model} is not on the device"
    size = byte_count(row["bytes"])
    if row["freed"]:
        return f"{model} is freed in process {row['pid']}: {size}"
    what = "after its picture" if row["in_use"] else "when its current work ends"
    return f"process {row['pid']} frees {model}, {size}, {what}"


def _row(model: Present, there: Presence, catalog: Catalog) -> dict[str, Any]:
    """A model as `ps --json` prints it."""
    until = there.until(model)
    return {
        "model": model.model,
        "functions": [function.name for function in catalog.of_model(model.model)],
        "device": there.device,
        "bytes": sum(model.weights.values()),
        "components": [
            {
                "name": model.names.get(key, key),
                "bytes": size,
                "shared_by": list(there.sharing(key, model)),
            }
            for key, size in model.weights.items()
        ],
        "pid": there.pid,
        "command": there.command,
        "since": _utc(model.since),
        "last_used": _utc(model.last_used),
        "until": None if until is None else _utc(until),
        "in_use": model.in_use,
    }


def _utc(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _print_table(rows: list[dict[str, Any]], there: Presence) -> None:
    from rich.table import Table

    from cems_tui.cli import output
    from cems_tui.text import byte_count

    table = Table(box=None, pad_edge=False)
    for name in ("model", "size", "components", "until"):
        table.add_column(name, justify="right" if name == "size" else "left")
    for row in rows:
        parts = ", ".join(_part(part) for part in row["components"])
        table.add_row(row["model"], byte_count(row["bytes"]), parts, _until(row))
    console = output.console()
    console.print(table)
    console.print(
        f"{byte_count(there.total_bytes)} on {there.device}, in process {there.pid} "
        f"({there.command})"
    )


def _part(part: dict[str, Any]) -> str:
    from cems_tui.text import byte_count

    shared = f" (also {', '.join(part['shared_by'])})" if part["shared_by"] else ""
    return f"{part['name']} {byte_count(part['bytes'])}{shared}"


def _until(row: dict[str, Any]) -> str:
    from datetime import datetime

    if row["in_use"]:
        return "in use"
    if row["until"] is None:
        return "needed, or the end"
    return datetime.fromisoformat(row["until"]).astimezone().strftime("%H:%M:%S")
