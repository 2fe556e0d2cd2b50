"""What is drawn, what waits and what came of it, a row a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.content import Content

from cems_tui.domain.generation import Generation
from cems_tui.domain.request import Request
from cems_tui.text import one_line
from cems_tui.views.figures import DOLLARS, Money
from screens import figures
from screens.services.engine import EngineState
from screens.studio.price_card import short_name
from screens.totals import SessionTotals
from screens.widgets.paged_list import Look, PagedList

State = Literal["drawing", "waiting", "failed", "made"]
SIGNS: dict[State, tuple[str, str]] = {
    "drawing": ("●", "bold $quality"),
    "waiting": ("○", "$muted"),
    "failed": ("✗", "bold $error"),
    "made": ("✓", "$quality"),
}
FUNCTION_CELLS = 17
WIDE = 64
"""Columns from which on names are whole."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One picture that was asked for."""

    key: str
    """Its id."""

    state: State
    function: str
    prompt: str
    figure: str = ""
    """What it cost, or why there is none."""

    request: Request | None = None
    """What would be asked for again."""

    made: Generation | None = None


def queue_rows(state: EngineState, money: Money = DOLLARS) -> list[QueueRow]:
    """What is drawn and what waits, in turn; what failed last; the pictures, newest first."""
    rows = []
    for job in state.work.jobs:
        waits = job.phase == "waiting"
        pinned = job.request.policy.value if job.request.policy.kind == "pinned" else ""
        function = job.function or str(pinned)
        rows.append(QueueRow(
            job.request.id, "waiting" if waits else "drawing", function, job.request.prompt,
            "" if waits else job.phase, job.request,
        ))  # fmt: skip
    failure = state.work.failure
    if failure is not None and failure.request is not None:
        asked = failure.request
        words = "stopped" if failure.cancelled else "failed"
        rows.append(QueueRow(asked.id, "failed", "", asked.prompt, words, asked))
    for made in state.made:
        guess = made.cost_source != "measured"
        price = money.per_thousand(made.cost_usd, estimated=guess) if made.priced else "unpriced"
        rows.append(QueueRow(made.id, "made", made.executed, made.prompt, price, None, made))
    return rows


def draw_row(row: QueueRow, look: Look[QueueRow]) -> Content:
    """`✓ starter-base@20  a cat to the left…  $0.0345/k`."""
    sign, style = SIGNS[row.state]
    name, cells = row.function or "…", FUNCTION_CELLS
    if look.width < WIDE:  # the model's last word and the steps tell it from the others of a list
        name, cells = name.rpartition("-")[2], 10
    head = f"{short_name(name, cells):<{cells}} "
    seconds = ""
    if row.made is not None and look.width >= WIDE:
        seconds = f"{figures.seconds(row.made.seconds.total):>8} "
    room = look.width - 2 - len(head) - len(seconds) - len(row.figure) - 1
    return Content.assemble(
        (f"{sign} ", style),
        (head, "bold" if row.state == "drawing" else ""),
        (f"{one_line(row.prompt, room):<{room}} " if room >= 4 else "", "$muted"),
        (seconds, "$muted"),
        (row.figure, "$cost" if row.made is not None else "$muted"),
    )


class QueuePane(PagedList[QueueRow]):
    """The session: a row a picture."""

    HELP = (
        "The pictures of this session: ● is drawn now, ○ waits, ✗ failed or was stopped, ✓ is "
        "there. ↑ ↓ move, enter shows a picture, x stops or forgets the row's, X all, R draws it "
        "again with a new seed."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "show", show=True),
    ]

    def __init__(self, money: Money = DOLLARS) -> None:
        super().__init__(draw_row, empty="Pictures are listed here.", id="queue")
        self._money = money
        self._rows: list[QueueRow] = []
        self.border_title = "Session"

    def tell(self, state: EngineState) -> None:
        """How things stand now."""
        rows = queue_rows(state, self._money)
        if rows != self._rows:
            self._rows = rows
            self.show_rows(rows)
        self.border_title = Content(" · ".join(["Session", *_counts(state)]))
        self.border_subtitle = Content(versus_words(state.totals)) if state.made else None


def _counts(state: EngineState) -> list[str]:
    waiting = len(state.work.waiting)
    told = [f"{waiting} waiting"] if waiting else []
    pictures = state.totals.pictures
    return told + ([f"{pictures} picture{'' if pictures == 1 else 's'}"] if pictures else [])


def versus_words(totals: SessionTotals) -> str:
    """`59 % less than always starter-base@50, −0.02 ±0.03 mixed`."""
    if totals.saved is None:
        return "none of them routed" if totals.pinned == totals.pictures else ""
    share = abs(totals.saved)
    paid = f"~{figures.percent(share)} {'less' if totals.saved >= 0 else 'more'}"
    return f"{paid} than {totals.versus().removeprefix('vs ')}"
