"""`cems queue cancel`: jobs that are not wanted any more."""

from __future__ import annotations

from cems_tui.cli import options as o
from cems_tui.cli.commands.queue.rows import All, Jobs, change
from cems_tui.domain.job import UNFINISHED


def cancel(ids: Jobs = None, every: All = False, quiet: o.Quiet = False) -> None:
    """Take jobs out of the queue; one that runs ends at its next step."""
    change(ids, every, UNFINISHED, "cancelled", lambda q, rows: q.cancel(rows), quiet=quiet)
