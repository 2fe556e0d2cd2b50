"""`cems queue add-command`: a benchmark, a training or a pull, to be done when somebody says so."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.domain.generation import now
from cems_tui.domain.job import JobKind, Priority, QueuedJob
from cems_tui.domain.request import new_id
from cems_tui.errors import UsageError
from cems_tui.profile import Profile

KINDS: dict[tuple[str, ...], JobKind] = {
    ("bench", "run"): "benchmark",
    ("router", "train"): "training",
    ("router", "retrain"): "training",
    ("pull",): "pull",
}
"""The commands that can wait, by their first words."""


def add_command(
    arguments: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND…", help="As after `cems`, behind `--`."),
    ],
    priority: Annotated[Priority, typer.Option(help="Who goes first among what waits.")] = "batch",
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Put another command into the queue: a benchmark, a training or a pull."""
    kind = kind_of(arguments)
    if kind is None:
        raise UsageError(
            f"`cems {' '.join(arguments[:2])}` cannot wait in the queue",
            "These can: bench run, router train, router retrain, pull.",
        )
    name = new_id()
    job = QueuedJob(
        id=name,
        submission=name,
        title=shlex.join(["cems", *arguments]),
        kind=kind,
        priority=priority,
        arguments=tuple(arguments),
        created=now(),
    )
    with Profile.current().records() as store:
        store.queue.add([job])
    if json:
        output.json_document([{"id": name, "kind": kind, "arguments": arguments}])
    elif quiet:
        output.line(name)
    else:
        output.line(f"{job.title} in the queue; `cems queue run` does it")


def kind_of(arguments: Sequence[str]) -> JobKind | None:
    """What a command line does that can wait; None of any other."""
    for words, kind in KINDS.items():
        if tuple(arguments[: len(words)]) == words:
            return kind
    return None
