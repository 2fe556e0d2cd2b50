"""What waits for the device, one job of the queue, and how it stands; how a training goes on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from cems_tui.domain.request import Request

JobKind = Literal["picture", "benchmark", "training", "pull"]
JobState = Literal["waiting", "running", "paused", "done", "failed", "cancelled"]
Priority = Literal["interactive", "batch", "shadow"]
"""One prompt that a person waits for, many that were handed in, work for idle time."""

PRIORITIES: tuple[Priority, ...] = ("interactive", "batch", "shadow")
"""Earlier ones go first."""

UNFINISHED: tuple[JobState, ...] = ("waiting", "running", "paused")
FINISHED: tuple[JobState, ...] = ("done", "failed", "cancelled")

PausedBy = Literal["user", "interruption"]
"""`interruption`: the process that worked on it, or was going to, ended before it was done."""

Wish = Literal["cancel", "pause"]
"""What is asked of a job that runs: it ends at its next step."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a job is expected to take here. None is unknown, never 0."""

    function: str | None = None
    """The function that would draw it."""

    model: str | None = None
    """Whose weights that needs."""

    seconds: float | None = None
    """Without loading."""

    cost_usd: float | None = None
    load_seconds: float | None = None
    """Of bringing the model to an empty device."""

    load_cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """One row of the queue."""

    id: str
    """A ULID; of a picture the id that it will have."""

    submission: str
    """The jobs that were handed in together have one."""

    title: str
    """The prompt, or of other kinds the command in words."""

    kind: JobKind = "picture"
    priority: Priority = "batch"
    request: Request | None = None
    """Of a picture; of any other kind None."""

    arguments: tuple[str, ...] = ()
    """Of what is no picture: the arguments of the `cems` command that does it."""

    budget_usd: float | None = None
    """US dollars its session may cost with it; None is no limit."""

    state: JobState = "waiting"
    reason: str = ""
    """Why it is paused, failed or cancelled."""

    hint: str = ""
    exit_code: int | None = None
    paused_by: PausedBy | None = None
    wish: Wish | None = None
    owner: str | None = None
    """The process that works on it or is going to; None of one that anybody may take."""

    number: int = 0
    """In the order of adding, whatever the clock says; 0 before it is added."""

    tier: int = 0
    """Where the user moved it: lower ones go first."""

    created: str = ""
    """UTC, ISO 8601; told, never ordered by."""

    foreseen: Foreseen = Foreseen()


_EPOCH = re.compile(
    r"(?:network (?P<network>\d+) of (?P<networks>\d+), )?epoch (?P<number>\d+) of (?P<of>\d+): "
    r"loss (?P<loss>\S+), (?P<measure>validation [\w ]+) (?P<held_out>\S+)"
)


@dataclass(frozen=True, slots=True)
class Epoch:
    """How a network stands after it went over its prompts once more, as a training tells it."""

    number: int
    of: int
    loss: float
    """On the prompts it learns from."""

    measure: str
    """What was read on prompts that are held out: `validation error`."""

    held_out: float
    network: int = 1
    networks: int = 1
    """A training may teach one for each fold, and one for all prompts."""

    @property
    def share(self) -> float:
        """Of the whole training, what is done; a network may end before its last epoch."""
        return (self.network - 1 + self.number / self.of) / self.networks

    def words(self) -> str:
        """The line that tells it; `read` reads it."""
        which = f"network {self.network} of {self.networks}, " if self.networks > 1 else ""
        return (
            f"{which}epoch {self.number} of {self.of}: loss {self.loss:.4f}, "
            f"{self.measure} {self.held_out:.4f}"
        )

    @classmethod
    def read(cls, line: str) -> Epoch | None:
        """The epoch that a line tells; None of any other line."""
        found = _EPOCH.fullmatch(line.strip())
        if found is None:
            return None
        try:
            return cls(
                int(found["number"]),
                int(found["of"]),
                float(found["loss"]),
                found["measure"],
                float(found["held_out"]),
                int(found["network"] or 1),
                int(found["networks"] or 1),
            )
        except ValueError:
            return None
