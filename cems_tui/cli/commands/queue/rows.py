"""Which jobs a command of the queue is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from cems_tui.cli import output
from cems_tui.domain.job import JobState
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.store.queue import Queue
from cems_tui.text import counted

Jobs = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Ids, or their beginnings.")]
All = Annotated[bool, typer.Option("--all", help="All that it can be done with.")]


def change(
    ids: Sequence[str] | None,
    every: bool,
    states: Sequence[JobState],
    done: str,
    do: Callable[[Queue, list[int]], int],
    *,
    quiet: bool,
) -> None:
    """Do it with the named jobs, or with all in those states, and say with how many.

    Raises:
        UsageError: no job was named and not all were meant, or both; or none could be.
        UnknownName: there is no such job.
        StorageError: the rows cannot be written.
    """
    if bool(ids) == every:
        raise UsageError("which jobs is not said", "Give their ids, or --all.")
    with Profile.current().records() as store:
        queue = store.queue
        numbers = [queue.find(one).number for one in ids or ()]
        if every:
            numbers = queue.numbers(states)
        changed = do(queue, numbers)
    if ids and not changed:
        raise UsageError(
            f"{counted(len(numbers), 'job')} can no longer be {done}",
            "`cems queue ls --all` shows how they stand.",
        )
    if not quiet:
        output.line(f"{counted(changed, 'job')} {done}")
