"""Messages that more than one part of the app handles."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from cems_tui.events import Event, Request, Step


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
