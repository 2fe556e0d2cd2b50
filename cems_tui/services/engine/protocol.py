"""What an engine and those it draws for say to each other, besides requests and events.

The app speaks with its child process through a pipe, commands with the resident engine through a
socket; what only the latter say stands at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from cems_tui.cancel import Stop
from cems_tui.domain.request import Event, Request


class Session(Protocol):
    """What the child runs: one request after the other."""

    def run(self, request: Request, emit: Callable[[Event], None], stop: Stop) -> object:
        """Works on the request until it ends, reporting to `emit`, asking `stop` at each step."""
        ...

    def resident(self) -> frozenset[str]:
        """The names of the models on the device now."""
        ...

    def tend(self) -> bool:
        """Called while there is nothing to do; whether what is resident changed."""
        ...

    def idle(self, stop: Stop) -> bool:
        """Called while nobody asks for anything: work for idle time, until `stop`; whether what is
        resident may have changed."""
        ...

    def close(self) -> None: ...


class PreparedSession(Session, Protocol):
    """One that makes itself ready while nobody has asked for anything."""

    def prepare(self) -> None:
        """Called once it is open: what a first picture needs, done before one is asked for."""
        ...


class Channel(Protocol):
    """One end of a line of messages, which other threads may send on."""

    def send(self, message: Any, /) -> None:
        """Raises OSError when nobody listens any more."""
        ...

    def recv(self) -> Any:
        """The next message, waiting for it; raises EOFError at the end of the line."""
        ...


@dataclass(frozen=True, slots=True)
class EngineReady(Event):
    """The child can work, or has just finished something; `request` is empty the first time."""

    resident: frozenset[str]
    """The names of the models on the device, which need no loading."""


@dataclass(frozen=True, slots=True)
class Submitted(Event):
    """A request that waited in the queue, handed in by another process or run, is the next."""

    asked: Request


@dataclass(frozen=True, slots=True)
class Started(Event):
    """The child took this request off its queue."""


@dataclass(frozen=True, slots=True)
class EngineLost(Event):
    """The child is gone and was not asked to go; `request` is what it worked on, or empty."""

    waiting: tuple[str, ...]
    """The ids of the requests it had not begun, oldest first."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class OpenFailed(Event):
    """The session could not be opened; the child ends after saying so."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Down the pipe: stop this request at its next step, or forget it if it waits."""

    request: str


@dataclass(frozen=True, slots=True)
class Open:
    """Down the pipe: open the session now, if that has not begun."""


@dataclass(frozen=True, slots=True)
class Close:
    """Down the pipe: stop everything and end."""


# Between a command and the resident engine.


@dataclass(frozen=True, slots=True)
class Hello:
    """A command's first words: it wants the engine's turn."""

    key: str
    """What it was started from, digested: code, settings, environment."""

    command: str
    keep_alive_seconds: float | None
    """How long the engine stays after this turn; None leaves that as it is."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The turn is the command's until it closes the line."""

    pid: int
    resident: frozenset[str]


@dataclass(frozen=True, slots=True)
class Taken:
    """Another command has the turn."""

    pid: int
    command: str
    leaving: bool
    """Whether it is gone, and only its last step is still being ended."""


@dataclass(frozen=True, slots=True)
class Retire:
    """Give the device to others and end."""

    patient: bool
    """Whether the engine is to do so after the turn that somebody has; else it refuses then."""


@dataclass(frozen=True, slots=True)
class Retiring:
    """The engine ends: the line closes when it has."""
