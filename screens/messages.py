"""Messages to the app: what its threads found out, and where the user wants to go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

from cems_tui.domain.request import Event, Step

if TYPE_CHECKING:
    from cems_tui.domain.generation import Generation
    from cems_tui.models.queue import QueueUpdate
    from cems_tui.services.library import Library, Resident
    from cems_tui.services.queue.outlook import Outlook


@dataclass
class EngineEvent(Message):
    """The engine reported something."""

    event: Event

    def can_replace(self, message: Message) -> bool:
        """A step still waiting to be drawn makes an older one of the same request pointless."""
        return (
            isinstance(message, EngineEvent)
            and isinstance(self.event, Step)
            and isinstance(message.event, Step)
            and self.event.request == message.event.request
        )


@dataclass
class PullsTold(Message):
    """The queue of pulls changed, or its running pull went on."""

    told: QueueUpdate

    def can_replace(self, message: Message) -> bool:
        """A newer one says all that this one does, unless a model came with this one."""
        return isinstance(message, PullsTold) and self.told.installed is None


@dataclass
class QueueTold(Message):
    """The queue stands another way."""

    told: Outlook

    def can_replace(self, message: Message) -> bool:
        """A newer one says all that an older one does."""
        return isinstance(message, QueueTold)


@dataclass
class QueueRefused(Message):
    """What was asked of the queue cannot be done."""

    text: str
    hint: str


@dataclass
class RunTold(Message):
    """The long work that runs told something, or has ended."""

    line: dict[str, Any] | None = None
    """Of its `--json`, one of a picture."""

    said: str = ""
    """A line of what it narrates."""

    ended: int | None = None
    """Its exit code."""

    problem: tuple[str, str] | None = None
    """Why it ended early, and what to do about it."""

    document: Mapping[str, Any] | None = None
    """What a training told of the router it made."""


@dataclass
class LibraryRead(Message):
    """The models were read, or could not be."""

    library: Library | None
    problem: tuple[str, str] | None = None


@dataclass
class ResidentRead(Message):
    """What is on the device was read."""

    resident: Resident


@dataclass
class PlaceAsked(Message):
    """The user wants to see another screen."""

    place: str


@dataclass
class PlaceEntered(Message):
    """To a screen: the user has come to it from another one."""


@dataclass
class RemixAsked(Message):
    """The user wants a picture's prompt and settings in the studio."""

    generation: Generation


@dataclass
class Remixed(Message):
    """To the studio: this picture's prompt and settings are to be taken."""

    generation: Generation


@dataclass
class DialAsked(Message):
    """The user wants the studio's dial there, 0 the cheapest … 1 the best."""

    dial: float


@dataclass
class DialSet(Message):
    """To the studio: the dial is to stand there; None is balanced."""

    dial: float | None


@dataclass
class GenerateAsked(Message):
    """The user wants the prompt drawn, wherever they are."""
