"""What the app and the engine's child process say to each other, besides requests and events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

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

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class EngineReady(Event):
    """The child can work, or has just finished something; `request` is empty the first time."""

    resident: frozenset[str]
    """The names of the models on the device, which need no loading."""


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
