"""`cems queue move`: jobs before, or behind, all others."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli.commands.queue.rows import change
from cems_tui.errors import UsageError


def move(
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Ids, or their beginnings.")],
    first: Annotated[bool, typer.Option("--first", help="Before all others.")] = False,
    last: Annotated[bool, typer.Option("--last", help="Behind all others.")] = False,
    quiet: o.Quiet = False,
) -> None:
    """Put jobs before, or behind, all others that wait."""
    if first == last:
        raise UsageError("where to is not said", "Give --first or --last.")
    change(ids, False, (), "moved", lambda q, rows: q.move(rows, first=first), quiet=quiet)
