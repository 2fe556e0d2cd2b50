"""The picture, with its bill under it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from cems_tui.domain.generation import Generation
from cems_tui.views.figures import DOLLARS, Money
from screens.commands import GENERATE, key_of
from screens.services.defaults import ImageFactory
from screens.widgets import receipt
from screens.widgets.thumbnails import prepare_widgets, shown, thumbnail

if TYPE_CHECKING:
    from PIL.Image import Image

WIDE = 52
"""Columns from which on all is told under it."""

EMPTY = "draws the prompt with the function marked ▸"


class PicturePane(Vertical, can_focus=True):
    """The last picture, or the one looked at."""

    HELP = (
        "The picture, its time, memory and price, and what the instruments read. enter shows the "
        "whole receipt, y copies the command that draws it again, r takes its prompt back into "
        "the box."
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "open", "receipt", show=True)]

    @dataclass
    class Opened(Message):
        """The user wants the receipt."""

        generation: Generation

    @dataclass
    class Decoded(Message):
        """A thumbnail is ready, or could not be made."""

        path: Path
        image: Image | None
        problem: str = ""

    generation: reactive[Generation | None] = reactive(None, init=False)
    holds: reactive[str] = reactive("", init=False)
    """A second line where there is no picture yet."""

    def __init__(
        self, new_image: ImageFactory, money: Money = DOLLARS, id: str = "picture"
    ) -> None:
        """`money` is what prices are told in."""
        super().__init__(id=id)
        self._new_image = new_image
        self._money = money
        self.border_title = "Picture"

    def compose(self) -> ComposeResult:
        yield Static(self._empty(), id="picture-empty", markup=False)
        yield Vertical(id="picture-frame")
        yield Static("", id="picture-facts", markup=False)

    def _empty(self) -> str:
        words = f"{key_of(GENERATE, self.app)} {EMPTY}"
        return f"{words}\n{self.holds}" if self.holds else words

    def watch_holds(self) -> None:
        if self.generation is None:
            self.query_one("#picture-empty", Static).update(self._empty())

    def watch_generation(self, generation: Generation | None) -> None:
        if generation is None:
            return
        self.border_title = Content(receipt.title(generation))
        self._tell()
        self._decode(generation.image)

    def on_resize(self) -> None:
        self._tell()

    def _tell(self) -> None:
        """What it cost and what it is worth, in the room there is."""
        generation = self.generation
        if generation is None:
            return
        narrow = self.size.width < WIDE
        bill = receipt.short_bill if narrow else receipt.bill
        self.border_subtitle = Content(bill(generation, self._money))
        told = receipt.short_scores(generation) if narrow else receipt.scores(generation)
        self.query_one("#picture-facts", Static).update(Content.styled(told, "$quality"))

    def action_open(self) -> None:
        if self.generation is not None:
            self.post_message(self.Opened(self.generation))

    @work(thread=True, group="thumbnail", exclusive=True, exit_on_error=False)
    def _decode(self, path: Path) -> None:
        try:
            prepare_widgets(self._new_image)
            self.post_message(self.Decoded(path, thumbnail(path)))
        except OSError as error:
            problem = f"cannot show {path.name}: {error.strerror or error}"
            self.post_message(self.Decoded(path, None, problem))

    @on(Decoded)
    async def _show(self, message: Decoded) -> None:
        message.stop()
        if self.generation is None or message.path != self.generation.image:
            return
        self.set_class(message.image is not None, "shown")
        if message.image is None:
            self.query_one("#picture-empty", Static).update(message.problem)
            return
        frame = self.query_one("#picture-frame")
        if frame.children:
            shown(frame.children[0], message.image)
        elif frame.is_attached:  # else the app is leaving
            await frame.mount(shown(self._new_image(), message.image))
