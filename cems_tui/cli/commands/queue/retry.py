"""`cems queue retry`: failed jobs once more."""

from __future__ import annotations

from cems_tui.cli import options as o
from cems_tui.cli.commands.queue.rows import All, Jobs, change


def retry(ids: Jobs = None, every: All = False, quiet: o.Quiet = False) -> None:
    """Have failed jobs, or cancelled ones that are named, wait for their turn again."""
    change(ids, every, ("failed",), "waiting", lambda q, rows: q.retry(rows), quiet=quiet)
