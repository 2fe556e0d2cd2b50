"""A screen whose rows and answers come from disks: what is asked is asked in threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from textual import on, work
from textual.message import Message
from textual.screen import Screen

from cems_tui.errors import CemsError, GenerationError
from cems_tui.text import visible
from screens.failures import log_traceback
from screens.messages import GenerateAsked, PlaceAsked

D = TypeVar("D")


class DeskScreen(Screen[None], Generic[D]):
    """Asks a desk, which is opened by the first question, and follows its answers.

    A question that fails is told and changes nothing else.
    """

    home = "studio"
    """The place that `esc` leads to."""

    @dataclass
    class Answered(Message):
        """A thread has what it was asked for, or why not."""

        follow: Callable[[Any], None]
        answer: Any

    def __init__(self, open_desk: Callable[[], D]) -> None:
        """`open_desk` is called in a thread."""
        super().__init__()
        self._open_desk = open_desk
        self._desk: D | None = None

    @work(thread=True, group="desk", exit_on_error=False)
    def ask(
        self,
        question: Callable[[D], Any],
        follow: Callable[[Any], None],
        refused: Callable[[CemsError], None] | None = None,
    ) -> None:
        """Asks in a thread; `follow` gets the answer in this one, `refused` why there is none."""
        try:
            if self._desk is None:
                self._desk = self._open_desk()
            answer = self.Answered(follow, question(self._desk))
        except CemsError as error:
            answer = self.Answered(refused or self.warn, error)
        except Exception as error:
            # the app goes on whatever a disk holds
            told = GenerationError(
                f"it failed: {type(error).__name__}: {error}", log_traceback(error)
            )
            answer = self.Answered(refused or self.warn, told)
        self.post_message(answer)

    @on(Answered)
    def _answered(self, message: Answered) -> None:
        message.stop()
        message.follow(message.answer)

    def warn(self, error: CemsError) -> None:
        """Tells what cannot be done, and what to do."""
        self.notify(
            visible(error.hint),
            title=visible(str(error)),
            severity="warning",
            markup=False,
            timeout=12,
        )

    def copy(self, text: str) -> None:
        """Into the clipboard of the terminal, and says so."""
        self.app.copy_to_clipboard(text)
        self.notify(visible(text), title="Copied", markup=False)

    def action_back(self) -> None:
        self.post_message(PlaceAsked(self.home))

    def action_generate(self) -> None:
        """Back to the prompt, and draw it."""
        self.post_message(GenerateAsked())
