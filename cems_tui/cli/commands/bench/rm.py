"""`cems bench rm`: a benchmark and its scores forgotten."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import output
from cems_tui.cli.options import Yes, agreed
from cems_tui.profile import Profile
from cems_tui.text import counted


def rm(
    name: Annotated[str, typer.Argument(metavar="B", help="The benchmark.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, remove nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Forget a benchmark with all its scores."""
    profile = Profile.current()
    with profile.history() as store:
        one = store.benches.summary(name)
    what = f"the benchmark {name} with {counted(one.cells + one.failed, 'cell')}"
    if dry_run:
        output.line(f"would remove {what}; nothing was removed")
        return
    if not agreed(f"Remove {what}?", yes=yes):
        output.note("nothing was removed")
        return
    with profile.records() as store:
        store.benches.remove(name)
    output.note(f"removed {what}")
