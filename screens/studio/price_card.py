"""The live price card as lines of text: which columns fit, and what stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.domain.decision import Candidate, RoutingDecision
from cems_tui.text import counted, one_line
from cems_tui.views.figures import DOLLARS, Money
from cems_tui.views.price_card import (
    LEGEND,
    blocked_lines,
    difference_columns,
    state_sign,
    swap_lines,
    tells_differences,
)
from screens import figures
from screens.widgets.columns import Column, family_of, short_name

SIGN_CELLS = 4
"""At the left of a row, border included: a click there pins the function."""

LEAST_CELLS = 20
"""Nothing narrower is laid out; a screen that is so narrow shows other words."""

BAR_CELLS = (8, 21)
"""The narrowest and the widest drawing of an interval."""


def card(
    decision: RoutingDecision, width: int, money: Money = DOLLARS
) -> tuple[Content, list[Content]]:
    """The header and one line a candidate, at most `width` cells wide."""
    columns = _fitting(decision, width, money)
    gap = "  " if _width(columns) <= width else " "
    rows = [_row(decision, columns, index, gap) for index in range(len(decision.candidates))]
    header = Content("    ") + Content(gap).join([column.at(None) for column in columns])
    return header, rows


def reason(decision: RoutingDecision) -> str:
    """Why the choice is the choice, or why there is none and what can be done about it."""
    way_out = ""
    if decision.choice is None and not nothing_installed(decision):
        pinned = decision.policy.kind == "pinned"
        way_out = " · space on it frees it" if pinned else " · space pins a function"
    return one_line(decision.reason, 1000) + way_out


def nothing_installed(decision: RoutingDecision) -> bool:
    return not any(candidate.installed for candidate in decision.candidates)


STYLES = {
    "quality": "$quality",
    "interval": "$quality",
    "price": "$cost",
    "verdict": "$muted",
    "memory": "$muted",
    "load": "$muted",
}
LEAST_NEEDED = ("memory", "load", "interval")
"""The columns that leave where there is no room for all, in that order."""


def _fitting(decision: RoutingDecision, width: int, money: Money) -> list[Column]:
    """All columns if they fit; else without the least needed ones, and the family named once."""
    least, most = BAR_CELLS
    columns = {
        name: Column(column.title, column.cells, STYLES.get(name, ""), column.left)
        for name, column in difference_columns(decision, money).items()
    }
    columns["quality"] = replace(columns["quality"], title="quality")
    names = tuple(short_name(candidate.function) for candidate in decision.candidates)
    columns["function"] = replace(columns["function"], cells=names)
    columns["interval"] = _interval(decision.candidates, columns["interval"], least)
    spare = width - _width(list(columns.values()))
    for name in LEAST_NEEDED:
        if spare < 0:
            spare += columns.pop(name).width + 2
    if spare < 0 and (family := family_of(names)):
        short = tuple(name.removeprefix(family) for name in names)
        columns["function"] = Column(f"{family}…", short, left=True)
        spare = width - _width(list(columns.values()))
    if "interval" in columns:
        cells = max(least, min(most, least + spare))
        columns["interval"] = _interval(decision.candidates, columns["interval"], cells)
    return list(columns.values())


def _width(columns: Sequence[Column]) -> int:
    return 4 + sum(column.width for column in columns) + 2 * (len(columns) - 1)


def _interval(candidates: Sequence[Candidate], column: Column, cells: int) -> Column:
    differences = tells_differences(candidates)
    shown = [_shown(candidate, differences) for candidate in candidates]
    ends = [ends for _, ends in shown if ends is not None]
    scale = figures.shared_scale([*ends, (0.0, 0.0)] if differences else ends)
    bars = [
        figures.interval_bar(middle, ends, scale, cells, 0.0 if differences else None)
        for middle, ends in shown
    ]
    return replace(column, cells=tuple(bars))


def _shown(
    candidate: Candidate, differences: bool
) -> tuple[float | None, tuple[float, float] | None]:
    """What its bar shows: the difference to the pick, the pick itself being 0, or its quality."""
    if not differences:
        return candidate.quality, candidate.interval
    if candidate.difference is not None:
        return candidate.difference.quality, candidate.difference.interval
    return None, None


def _row(decision: RoutingDecision, columns: Sequence[Column], index: int, gap: str) -> Content:
    candidate = decision.candidates[index]
    chosen = candidate.function == decision.choice
    line = (
        Content.styled("▸" if chosen else " ", "bold $quality")
        + Content.styled(f" {state_sign(candidate)} ", "$quality" if candidate.resident else "")
        + Content(gap).join([column.at(index) for column in columns])
    )
    if chosen:
        return line.stylize("bold")
    return line if candidate.allowed else line.stylize("$muted")


# The live price card: every candidate, what it would cost and what it promises.

TITLE = "What draws it"
EMPTY = (
    "Describe a picture above. Every way to draw it is priced here as you type, against the one "
    "that would draw it (▸).",
    "The dial says how much quality is worth how much money; space pins a way, - leaves it out.",
)
NOTHING = (
    "A starter pack comes with cems and needs no download: `cems starter verify` checks it, "
    "`cems ls` lists what is here."
)


class CandidatesTable(Widget, can_focus=True):
    """The decision as a table with a cursor; shows as many rows as it has room for."""

    HELP = (
        "One line a generation function: ▸ is what ctrl+g would use now, with its expected "
        "quality, its seconds and the price of a thousand pictures. The others are told as "
        "differences to it: Δ quality with its 90 % interval, and how many times its seconds and "
        "price; loading is in them where it counts. ≈ is too alike to tell apart. ↑ ↓ move, space "
        "pins a function (again: frees it), - leaves it out (again: lets it in), enter shows the "
        "exact figures, w says why it is picked."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("g,home", "move(-1000)", "First", show=False),
        Binding("G,end", "move(1000)", "Last", show=False),
        Binding("space", "pin", "pin", show=True),
        Binding("minus", "forbid", "leave out", show=True),
        Binding("enter", "open", "figures", show=True),
    ]

    @dataclass
    class Pinned(Message):
        """The user wants this function, or, again, leaves the choice to the policy."""

        function: str

    @dataclass
    class Forbidden(Message):
        """The user leaves this function out, or, again, lets it in."""

        function: str

    @dataclass
    class Opened(Message):
        """The user wants the exact figures."""

        decision: RoutingDecision

    decision: reactive[RoutingDecision | None] = reactive(None, layout=True)
    error: reactive[tuple[str, str] | None] = reactive(None, layout=True)
    """What went wrong and what to do, in the card's place."""

    cursor = reactive(0)

    def __init__(self, money: Money = DOLLARS) -> None:
        """`money` is what prices are told in."""
        super().__init__(id="candidates")
        self._money = money
        self.border_title = TITLE

    def watch_decision(self, before: RoutingDecision | None, now: RoutingDecision | None) -> None:
        """The cursor stays on its function, wherever that stands now."""
        names = [candidate.function for candidate in now.candidates] if now else []
        at = before.candidates[self.cursor].function if before and before.candidates else None
        self.cursor = names.index(at) if at in names and self.has_focus else 0
        self._caption()

    def watch_cursor(self) -> None:
        self._caption()

    def watch_error(self) -> None:
        self._caption()

    def action_move(self, rows: int) -> None:
        """Moves the cursor, not past the ends."""
        if self.decision is not None and self.decision.candidates:
            self.cursor = max(0, min(len(self.decision.candidates) - 1, self.cursor + rows))

    def action_pin(self) -> None:
        if self.decision is not None and self.decision.candidates:
            self.post_message(self.Pinned(self.decision.candidates[self.cursor].function))

    def action_forbid(self) -> None:
        if self.decision is not None and self.decision.candidates:
            self.post_message(self.Forbidden(self.decision.candidates[self.cursor].function))

    def action_open(self) -> None:
        if self.decision is not None:
            self.post_message(self.Opened(self.decision))

    def on_click(self, event: events.Click) -> None:
        row = event.y - 2  # the border and the header
        rows = len(self.decision.candidates) if self.decision is not None else 0
        row += self._window(rows, self.content_size.height)[0]
        if event.y >= 2 and row < rows:
            again = row == self.cursor and event.chain == 2
            self.cursor = row
            if event.x <= SIGN_CELLS or again:
                self.action_pin()

    def on_mouse_scroll_down(self) -> None:
        self.action_move(1)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-1)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Every row and the reason, if the layout leaves the height to us."""
        return len(self._lines(width, 1000))

    def on_resize(self) -> None:
        self._caption()

    def _caption(self) -> None:
        """The legend under a card with room for its reason; else the reason."""
        decision, height = self.decision, self.content_size.height
        self.border_title = _title(decision, self.size.width)
        self.border_subtitle = None
        if decision is None or self.error is not None or nothing_installed(decision):
            return
        rows, width = len(decision.candidates), self.content_size.width
        first, shown = self._window(rows, height)
        if self._whole(decision, width, height) is not None:
            words = Content(LEGEND if len(LEGEND) <= width else "≈ too alike to tell apart")
        else:
            more = f"{first + 1}–{first + shown} of {rows}" if shown < rows else ""
            words = _noted(decision) + Content(more)
        self.border_subtitle = words if words.plain else None

    def render(self) -> Content:
        return Content("\n").join(self._lines(*self.content_size))

    def _lines(self, width: int, height: int) -> list[Content]:
        """What fits into that many cells and lines."""
        width = max(LEAST_CELLS, width)
        if self.error is not None:
            message, hint = self.error
            what = Content.assemble(("✗ ", "bold $error"), (one_line(message, 500), "bold"))
            return [*what.wrap(width), *Content(one_line(hint, 500)).wrap(width)]
        if self.decision is None:
            return [part for line in EMPTY for part in Content.styled(line, "$muted").wrap(width)]
        return self._table(self.decision, width, height)

    def _window(self, rows: int, height: int) -> tuple[int, int]:
        """The first row shown and how many, under the header, with the cursor among them."""
        shown = max(1, min(rows, height - 1 - (height >= 5)))
        return max(0, min(self.cursor - shown + 1, rows - shown)), shown

    def _whole(self, decision: RoutingDecision, width: int, height: int) -> list[Content] | None:
        """What stands below the rows where all of them and all that is to be said have room."""
        width = max(LEAST_CELLS, width)
        told = (
            *swap_lines(decision),
            *blocked_lines(decision),
            *(note.text for note in decision.notes),
        )
        notes = [Content.styled(one_line(text, 1000), "$muted") for text in told]
        below = [part for line in (_sentence(decision), *notes) for part in line.wrap(width)]
        room = height - 1 - len(decision.candidates) - len(below)
        return None if room < 0 else [Content(""), *below] if room else below

    def _table(self, decision: RoutingDecision, width: int, height: int) -> list[Content]:
        if not decision.candidates:
            return _nothing(decision, width)
        header, rows = card(decision, width, self._money)
        if self.has_focus:
            row = Content.styled("›", "bold") + rows[self.cursor][1:]
            row = row.pad_right(max(0, width - row.cell_length))
            rows[self.cursor] = row.stylize("on $panel")
        if nothing_installed(decision):
            return [*_nothing(decision, width), Content(""), header, *rows][:height]
        if (below := self._whole(decision, width, height)) is not None:
            return [header, *rows, *below]
        first, shown = self._window(len(rows), height)
        last = [_sentence(decision).truncate(width, ellipsis=True)] if height >= 5 else []
        return [header, *rows[first : first + shown], *last]


def _title(decision: RoutingDecision | None, cells: int) -> Content:
    """What the card is, and a warning where its router has not earned its place."""
    if decision is None:
        return Content(TITLE)
    if decision.provisional:
        return Content.assemble(TITLE, (" · from the letters so far", "$muted"))
    if decision.refusal is None:
        loading = " · loading in ×" if decision.load_share else ""
        return Content.assemble(TITLE, (loading, "$muted"))
    room = max(16, min(58, cells - len(TITLE) - len(" · ! ") - 6))
    short = one_line(decision.refusal.split(":")[0].split(" on ")[0], room)
    return Content.assemble(TITLE, " · ", (f"! {short}", "$warning"))


def _noted(decision: RoutingDecision) -> Content:
    """That there are notes, where there is no room for them; `enter` shows them."""
    if not decision.notes:
        return Content("")
    return Content.styled(f"! {counted(len(decision.notes), 'note')}, enter  ", "$warning")


def _sentence(decision: RoutingDecision) -> Content:
    """The reason, marked if it is why there is no choice."""
    if decision.choice is None:
        return Content.assemble(("! ", "bold $warning"), (reason(decision), "$warning"))
    return Content.styled(reason(decision), "$muted")


def _nothing(decision: RoutingDecision, width: int) -> list[Content]:
    """There is nothing to choose from: why, and what to do."""
    what = Content.assemble(("! ", "bold $warning"), (reason(decision), "bold"))
    return [*what.wrap(width), *Content.styled(NOTHING, "$muted").wrap(width)]
