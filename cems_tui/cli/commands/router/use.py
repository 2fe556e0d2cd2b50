"""`cems router use`: which router is asked."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.profile import Profile
from cems_tui.services.routers import Change


def use(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The router to ask from now on.")],
    force: Annotated[
        bool, typer.Option("--force", help="Though it did not beat the best single function.")
    ] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Ask this router from now on, if it beat the best single function."""
    tell_change(Profile.current().routers.use(name, force=force), json=json, quiet=quiet)


def tell_change(change: Change, *, json: bool, quiet: bool) -> None:
    if json:
        output.json_document({"router": change.after, "before": change.before})
    elif quiet:
        output.line(change.after or "")
    else:
        before = change.before or "the rule's choice"
        after = change.after or "the router that knows most of the installed functions"
        output.line(f"in use: {after} (before: {before})")
