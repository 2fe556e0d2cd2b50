"""`cems bench rm`: a benchmark forgotten, or its pictures."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.bench.gallery import delete, lock_of
from cems_tui.cli import output
from cems_tui.cli.options import Yes, agreed
from cems_tui.profile import Profile
from cems_tui.text import byte_count, counted


def rm(
    name: Annotated[str, typer.Argument(metavar="B", help="The benchmark.")],
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Its pictures only: scores and figures stay.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, remove nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Forget a benchmark with its scores and pictures, or these alone."""
    profile = Profile.current()
    with profile.history() as store:
        one = store.benches.summary(name)
    held = f"its pictures, {byte_count(one.picture_bytes)}"
    if pictures:
        what = f"the pictures of the benchmark {name}, {byte_count(one.picture_bytes)}"
    else:
        what = f"the benchmark {name} with {counted(one.cells + one.failed, 'cell')}"
        what += f" and {held}" if one.picture_bytes else ""
    if dry_run:
        output.line(f"would remove {what}; nothing was removed")
        return
    if not agreed(f"Remove {what}?", yes=yes):
        output.note("nothing was removed")
        return
    with lock_of(name, profile.paths), profile.records() as store:
        benches = store.benches
        # rows first: a file without a row is written over, a row without a file would lie
        freed = delete(benches.forget_pictures(name) if pictures else benches.remove(name))
    output.note(f"removed {what}{f'; {byte_count(freed)} freed' if freed else ''}")
