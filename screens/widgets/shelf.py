"""The list of models: a cursor, groups, and as many rows as there is room for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.library import Library, ModelFacts
from cems_tui.models.pulls import Pulls
from screens.shelf import LEGENDS, Line, lines, matching, window

READING = "reading what is installed and what this machine can hold …"


class ModelShelf(Widget, can_focus=True):
    """Every model of the catalog and of the user, group by group."""

    HELP = (
        "One line a model: ● is on the device, ○ is installed, ⇣ can be pulled. Sizes are decimal "
        "gigabytes, ~ is estimated; ◇G is gated (accept its conditions on the Hub first), NC is "
        "noncommercial. `adds` is the most it would add to what is here by the CEMS scores, or its "
        "own score where nothing scored is here. "
        "enter pulls what is not here and shows what is."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "move(-8)", "Page up", show=False),
        Binding("pagedown", "move(8)", "Page down", show=False),
        Binding("g,home", "move(-100000)", "First", show=False),
        Binding("G,end", "move(100000)", "Last", show=False),
    ]

    @dataclass
    class Pointed(Message):
        """The cursor is on another model; None when there is none."""

        model: str | None

    library: reactive[Library | None] = reactive(None)
    pulls: reactive[Pulls] = reactive(Pulls())
    resident: reactive[frozenset[str]] = reactive(frozenset())
    words: reactive[str] = reactive("")
    """What is searched for."""

    model: reactive[str | None] = reactive(None)
    """The one under the cursor."""

    error: reactive[tuple[str, str] | None] = reactive(None)

    def __init__(self) -> None:
        super().__init__(id="shelf")
        self._top = 0
        self.border_title = "Models"

    @property
    def shown(self) -> tuple[ModelFacts, ...]:
        """The models that match what is searched for, in the order of the list."""
        return matching(self.library.models, self.words) if self.library is not None else ()

    def on_resize(self) -> None:
        width = self.content_size.width - 2
        self.border_subtitle = next((text for text in LEGENDS if len(text) <= width), None)

    def watch_library(self) -> None:
        self._settle()

    def watch_words(self) -> None:
        self._settle()

    def watch_model(self, model: str | None) -> None:
        self.post_message(self.Pointed(model))

    def action_move(self, rows: int) -> None:
        """Moves the cursor over the models, not past the ends."""
        names = [facts.name for facts in self.shown]
        if names:
            at = names.index(self.model) if self.model in names else 0
            self.model = names[max(0, min(len(names) - 1, at + rows))]

    def on_click(self, event: events.Click) -> None:
        at = event.y - 2 + self._top  # the border and the header
        found = self._lines()[1]
        if event.y >= 2 and at < len(found) and found[at].model is not None:
            self.model = found[at].model

    def render(self) -> Content:
        width, height = self.content_size
        if self.error is not None:
            message, hint = self.error
            what = Content.assemble(("✗ ", "bold $error"), (message, "bold"))
            return Content("\n").join([*what.wrap(width), *Content(hint).wrap(width)])
        if self.library is None:
            return Content.styled(READING, "$muted")
        header, found = self._lines()
        if not found:
            return Content.styled(f"nothing here matches “{self.words}” · esc shows all", "$muted")
        at = next((n for n, line in enumerate(found) if line.model == self.model), 1)
        self._top = window(self._top, at, max(1, height - 1), len(found))
        rows = [self._drawn(line, width) for line in found[self._top : self._top + height - 1]]
        return Content("\n").join([header.truncate(width), *rows])

    def _drawn(self, line: Line, width: int) -> Content:
        if line.model is None or line.model != self.model:
            return line.text.truncate(width, ellipsis=True)
        marked = Content.styled("›", "bold") + line.text[1:]
        marked = marked.truncate(width, ellipsis=True)
        padded = marked.pad_right(max(0, width - marked.cell_length))
        return padded.stylize("on $panel") if self.has_focus else padded

    def _lines(self) -> tuple[Content, list[Line]]:
        shown = self.shown
        if not shown:
            return Content(""), []
        return lines(shown, self.pulls, self.resident, self.content_size.width)

    def _settle(self) -> None:
        """The cursor stays on its model where it can; the title counts what is shown."""
        names = [facts.name for facts in self.shown]
        if self.model not in names:
            self.model = names[0] if names else None
        if self.library is not None:
            counted = f"{len(names)} of {len(self.library.models)}" if self.words else ""
            self.border_title = " · ".join(part for part in ("Models", counted) if part)
