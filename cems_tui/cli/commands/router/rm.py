"""`cems router rm`: a router of one's own removed."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import output
from cems_tui.cli.options import Yes, agreed
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.services.routers import remove


def rm(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The router.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, remove nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Remove a router of one's own; the shipped ones stay."""
    routers = Profile.current().routers
    own = routers.own_files(name)
    if dry_run:
        output.line(f"would remove {', '.join(str(file) for file in own)}; nothing was removed")
        return
    if name == routers.in_use() and not routers.is_shipped(name):
        raise UsageError(
            f"router {name} is in use", "`cems router rollback`, or use another one, first."
        )
    if not agreed(f"Remove the router {name}?", yes=yes):
        output.note("nothing was removed")
        return
    remove(own)
    output.note(f"removed the router {name}")
