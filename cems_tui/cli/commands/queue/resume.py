"""`cems queue resume`: paused jobs wait for their turn again."""

from __future__ import annotations

from cems_tui.cli import options as o
from cems_tui.cli.commands.queue.rows import All, Jobs, change


def resume(ids: Jobs = None, every: All = False, quiet: o.Quiet = False) -> None:
    """Have paused jobs wait for their turn again; `cems queue run` or the app does them."""
    change(ids, every, ("paused",), "waiting", lambda q, rows: q.resume(rows), quiet=quiet)
