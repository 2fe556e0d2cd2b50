"""`cems ps`: what is on the device, in whichever process."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.text_layout import Column
from cems_tui.domain.function import Catalog
from cems_tui.generation.device_status import Presence, Present
from cems_tui.profile import Profile
from cems_tui.text import byte_count


def ps(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """List what is on the device: bytes, components, until when, in which process."""
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


def _row(model: Present, there: Presence, catalog: Catalog) -> dict[str, Any]:
    """A model as `ps --json` prints it."""
    until = there.until(model)
    return {
        "model": model.model,
        "kind": model.kind,
        "state": _state(model),
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


def _state(model: Present) -> str:
    """`loading`, `leaving`, `in use` or `idle`."""
    if model.loading:
        return "loading"
    if model.leaving:
        return "leaving"
    return "in use" if model.in_use else "idle"


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _print_table(rows: list[dict[str, Any]], there: Presence) -> None:
    output.table(
        (
            Column("model"),
            Column("size", right=True),
            Column("until"),
            Column("components", words="fold"),
        ),
        [
            (
                row["model"],
                byte_count(row["bytes"]),
                _until(row),
                ", ".join(_part(part) for part in row["components"]),
            )
            for row in rows
        ],
    )
    output.line(
        f"{byte_count(there.total_bytes)} on {there.device}, in process {there.pid} "
        f"({there.command})"
    )


def _part(part: dict[str, Any]) -> str:
    shared = f" (also {', '.join(part['shared_by'])})" if part["shared_by"] else ""
    return f"{part['name']} {byte_count(part['bytes'])}{shared}"


def _until(row: dict[str, Any]) -> str:
    if row["state"] != "idle":
        return str(row["state"])
    if row["until"] is None:
        return "needed, or the end"
    return datetime.fromisoformat(row["until"]).astimezone().strftime("%H:%M:%S")
