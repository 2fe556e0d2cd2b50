"""`cems queue rm`: jobs forgotten."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli.commands.queue.rows import Jobs, change
from cems_tui.domain.job import FINISHED


def rm(
    ids: Jobs = None,
    finished: Annotated[
        bool, typer.Option("--finished", help="All that are done, failed or cancelled.")
    ] = False,
    quiet: o.Quiet = False,
) -> None:
    """Forget jobs that do not run; pictures that they made stay."""
    change(ids, finished, FINISHED, "forgotten", lambda q, rows: q.remove(rows), quiet=quiet)
