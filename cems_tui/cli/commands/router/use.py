"""`cems router use`: which router is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.profile import Profile
from cems_tui.services.routers import Change


def use(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The router to ask from now on.")],
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Though it beat no single function, or is worse than the one in use."
        ),
    ] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Ask this router from now on, if it beat the best single function and is not worse."""
    change = Profile.current().routers.use(name, force=force)
    beside = None if change.against is None else change.against.to_json()
    tell_change(change, json=json, quiet=quiet, more={"against": beside})


def tell_change(
    change: Change, *, json: bool, quiet: bool, more: Mapping[str, Any] | None = None
) -> None:
    """Which router is asked now, on stdout; `more` joins the JSON."""
    if json:
        output.json_document({"router": change.after, "before": change.before, **(more or {})})
    elif quiet:
        output.line(change.after or "")
    else:
        before = change.before or "the rule's choice"
        after = change.after or "the router that knows most of the installed functions"
        output.line(f"in use: {after} (before: {before})")
        if change.against is not None:
            output.line(f"{after} {change.against.told}")
