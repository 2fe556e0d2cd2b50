"""`cems queue pause`: jobs that do not start until they are resumed."""

from __future__ import annotations

from cems_tui.cli import options as o
from cems_tui.cli.commands.queue.rows import All, Jobs, change


def pause(ids: Jobs = None, every: All = False, quiet: o.Quiet = False) -> None:
    """Keep jobs from starting; one that is named and runs ends at its next step."""
    change(ids, every, ("waiting",), "paused", lambda q, rows: q.pause(rows), quiet=quiet)
