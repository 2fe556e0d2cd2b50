"""Messages that more than one part of the app handles."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from cems_tui.domain.request import Event, Request, Step
from cems_tui.models.queue import QueueUpdate
from cems_tui.services.library import Library


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
class Submitted(Message):
    """The user asked for a picture."""

    request: Request


@dataclass
class CancelAsked(Message):
    """The user wants this request to end."""

    request: str


@dataclass
class FreshEngineAsked(Message):
    """The user wants a new engine in the place of a lost or stuck one."""

    requests: tuple[Request, ...]
    """What the fresh engine is to work on, oldest first."""


@dataclass
class PlaceAsked(Message):
    """The user wants to see another screen."""

    place: str


@dataclass
class PullsTold(Message):
    """The queue of pulls changed, or its running pull went on."""

    told: QueueUpdate

    def can_replace(self, message: Message) -> bool:
        """A newer one says all that this one does, unless a model came with this one."""
        return isinstance(message, PullsTold) and self.told.installed is None


@dataclass
class LibraryRead(Message):
    """The models were read, or could not be."""

    library: Library | None
    error: tuple[str, str] | None = None


@dataclass
class PullAsked(Message):
    """The user wants these models, and has agreed to their licences or not."""

    models: tuple[str, ...]
    agreed: bool


@dataclass
class PauseAsked(Message):
    """The user wants this pull to stand still."""

    model: str


@dataclass
class UnqueueAsked(Message):
    """The user no longer wants this pull."""

    model: str


@dataclass
class ModelsChanged(Message):
    """What is installed is another: whoever showed it before asks again."""
