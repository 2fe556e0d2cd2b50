"""The live price card: every candidate, what it would cost and what it promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.routing.decision import RoutingDecision
from cems_tui.text import one_line
from screens.card import LEGEND, card, reason

EMPTY = "Type a prompt: every generation function is priced here as you type."
NOTHING = (
    "Nothing to choose from is installed. The starter pack comes with cems and needs no download "
    "(`cems starter verify`); `cems pull sd-turbo` fetches a model, `cems ls` shows what there is."
)


class CandidatesTable(Widget, can_focus=True):
    """The decision as a table with a cursor; shows as many rows as it has room for."""

    HELP = (
        "One line a generation function: ▸ is what ctrl+g would use now. Prices are for a "
        "thousand pictures; the bar is the 90 % interval of the quality on a scale shared by all "
        "rows. ↑ ↓ move, space pins a function (again: frees it), enter shows the exact figures."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("g,home", "move(-1000)", "First", show=False),
        Binding("G,end", "move(1000)", "Last", show=False),
        Binding("space", "pin", "pin", show=True),
        Binding("enter", "open", "figures", show=True),
    ]

    @dataclass
    class Pinned(Message):
        """The user wants this function, or, again, leaves the choice to the policy."""

        function: str

    @dataclass
    class Opened(Message):
        """The user wants the exact figures."""

        decision: RoutingDecision

    decision: reactive[RoutingDecision | None] = reactive(None)
    error: reactive[tuple[str, str] | None] = reactive(None)
    """What went wrong and what to do, in the card's place."""

    cursor = reactive(0)

    def __init__(self) -> None:
        super().__init__(id="candidates")
        self.border_title = "Candidates"

    def watch_decision(self, decision: RoutingDecision | None) -> None:
        last = len(decision.candidates) - 1 if decision else 0
        self.cursor = max(0, min(self.cursor, last))

    def action_move(self, rows: int) -> None:
        """Moves the cursor, not past the ends."""
        if self.decision is not None and self.decision.candidates:
            self.cursor = max(0, min(len(self.decision.candidates) - 1, self.cursor + rows))

    def action_pin(self) -> None:
        if self.decision is not None and self.decision.candidates:
            self.post_message(self.Pinned(self.decision.candidates[self.cursor].function))

    def action_open(self) -> None:
        if self.decision is not None:
            self.post_message(self.Opened(self.decision))

    def on_click(self, event: events.Click) -> None:
        row = event.y - 2  # the border and the header
        if self.decision is not None and 0 <= row < len(self.decision.candidates):
            self.cursor = row

    def render(self) -> Content:
        self.border_subtitle = None
        if self.error is not None:
            message, hint = self.error
            return Content.assemble(
                ("✗ ", "bold $error"), (one_line(message, 500), "bold"), "\n", one_line(hint, 500)
            )
        if self.decision is None:
            return Content.styled(EMPTY, "$text-muted")
        if not self.decision.candidates:
            return Content(f"{reason(self.decision)}\n{NOTHING}")
        return self._table(self.decision)

    def _table(self, decision: RoutingDecision) -> Content:
        width, height = self.content_size
        header, rows = card(decision, width)
        if self.has_focus:
            rows[self.cursor] = rows[self.cursor].pad_right(
                max(0, width - rows[self.cursor].cell_length)
            )
            rows[self.cursor] = rows[self.cursor].stylize("reverse")
        sentence = Content.styled(reason(decision), "$text-muted")
        if decision.choice is None:
            sentence = Content.assemble(
                ("! ", "bold $warning"), reason(decision), "\n", (NOTHING, "$text-muted")
            )
        below = len(sentence.wrap(width))
        if 1 + len(rows) + 1 + below <= height:
            self.border_subtitle = Content(LEGEND)
            return Content("\n").join([header, *rows, "", sentence])
        shown = max(1, height - 1)
        first = max(0, min(self.cursor - shown + 1, len(rows) - shown))
        more = f"{first + 1}–{first + shown} of {len(rows)} · " if shown < len(rows) else ""
        self.border_subtitle = Content(f"{more}{reason(decision)}")
        lines = [header, *rows[first : first + shown]]
        return Content("\n").join(line.truncate(width) for line in lines)
