"""What a session is asked and what it reports: plain frozen data, safe to pickle.

A `Request` goes in; `Event`s come out while it is worked on, the last of them `Generated`
or `Failed`. Every event names the request it belongs to.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from cems_tui.domain.decision import Policy, RoutingDecision
from cems_tui.domain.generation import Generation
from cems_tui.domain.note import Note

MAX_SEED = 2**64 - 1
MAX_DRAWN_SEED = 2**32 - 1
"""Of the seeds nobody chose: short enough for every tool to take."""

ANY_SEED = -1
"""What other tools write for a seed that is to be drawn."""


@dataclass(frozen=True, slots=True)
class Request:
    """One picture to make."""

    id: str
    """The ULID the picture will have."""

    prompt: str
    policy: Policy
    """`Policy.pinned(name)` when the user named the function."""

    pool: tuple[str, ...] | None = None
    """The functions that may be chosen; None is every installed one."""

    router: str | None = None
    """The checkpoint to ask; None lets the contract's default rule choose."""

    policy_is_explicit: bool = False
    """Whether the policy was given for this request rather than read from the configuration."""

    load_cost: bool = False
    """Whether load time counts in the price the policy looks at."""

    load_pictures: int = 1
    """Pictures that one load serves: each bears its share of the load price."""

    seed: int | None = None
    """None draws one; the picture's row tells which."""

    width: int | None = None
    height: int | None = None
    negative: str = ""
    score: bool = True
    out_dir: Path | None = None
    """Where the PNG goes; None is the pictures folder of CEMS_HOME."""

    deadline_seconds: float | None = None
    """Seconds the whole request may take; None is for ever."""

    session: str | None = None
    """The session it belongs to; None is that of the engine."""


@dataclass(frozen=True, slots=True)
class Event:
    request: str
    """The id of the request this is about."""


@dataclass(frozen=True, slots=True)
class Routed(Event):
    """The decision is made; nothing is loaded yet."""

    decision: RoutingDecision


@dataclass(frozen=True, slots=True)
class Starting(Event):
    """The process that draws is being made ready: what it draws with is imported, once."""


@dataclass(frozen=True, slots=True)
class Loading(Event):
    """A pipeline that was not resident is being loaded."""

    function: str
    expected_seconds: float | None


@dataclass(frozen=True, slots=True)
class Step(Event):
    """A denoising step is done."""

    function: str
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class Scoring(Event):
    """The picture exists in memory and is being scored."""

    function: str


@dataclass(frozen=True, slots=True)
class Noted(Event):
    """Something the user should know that only the work has shown; it goes on."""

    note: Note


@dataclass(frozen=True, slots=True)
class Generated(Event):
    """The picture is on disk and its row is committed."""

    generation: Generation


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The request ended without a picture."""

    message: str
    hint: str = ""
    exit_code: int = 1
    details: dict[str, str] = field(default_factory=dict)


# ULIDs: 26 characters, unique, and sorted by the time they were made.

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A fresh ULID; within one process later ids sort after earlier ones."""
    global _last
    with _lock:
        value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
        if value <= _last:
            value = _last + 1
        _last = value
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -5, -5))
