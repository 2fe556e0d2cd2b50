"""What is drawn, what waits and what came of it, a row a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from cems_tui.domain.generation import Generation
from cems_tui.domain.request import Request
from cems_tui.services.queue.outlook import Expectation, Outlook
from cems_tui.text import one_line
from cems_tui.views.figures import DOLLARS, Money
from screens import figures
from screens.services.engine import EngineState
from screens.totals import SessionTotals
from screens.widgets.columns import short_name
from screens.widgets.paged_list import Look, PagedList
from screens.work import Job

State = Literal["drawing", "waiting", "paused", "failed", "made"]
SIGNS: dict[State, tuple[str, str]] = {
    "drawing": ("●", "bold $quality"),
    "waiting": ("○", "$muted"),
    "paused": ("‖", "$cost"),
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


def queue_rows(
    state: EngineState, outlook: Outlook | None = None, money: Money = DOLLARS
) -> list[QueueRow]:
    """What is drawn and what waits, in turn; what is paused and what failed; the pictures made.

    Args:
        outlook: the rows of the queue; None where the app has an engine alone.
    """
    queued = () if outlook is None else outlook.jobs
    known = {one.job.id for one in queued}
    rows = [_queued(one, state.work.job(one.job.id)) for one in queued]
    rows[:0] = [_asked(job) for job in state.work.jobs if job.request.id not in known]
    failure = state.work.failure
    if failure is not None and failure.request is not None and failure.request.id not in known:
        asked, words = failure.request, "stopped" if failure.cancelled else "failed"
        rows.append(QueueRow(asked.id, "failed", "", asked.prompt, words, asked))
    made = {picture.id for picture in state.made}
    return [
        *(row for row in rows if row.key not in made),
        *(_made(picture, money) for picture in state.made),
    ]


def _asked(job: Job) -> QueueRow:
    """What the engine was asked for."""
    waits = job.phase == "waiting"
    return QueueRow(
        job.request.id, "waiting" if waits else "drawing", _named(job.request, job),
        job.request.prompt, "" if waits else job.phase, job.request,
    )  # fmt: skip


def _queued(one: Expectation, job: Job | None) -> QueueRow:
    """A row of the queue, whoever handed it in."""
    row, state = one.job, _STATES.get(one.job.state, "waiting")
    figure = row.reason
    if state == "drawing":
        figure = "drawing" if job is None or job.phase == "waiting" else job.phase
    elif state == "waiting":
        starts = one.starts_in_seconds
        figure = "" if starts is None else f"in ~{figures.clock(starts)}"
    return QueueRow(
        row.id, state, _named(row.request, job), row.title,
        one_line(figure or state, FIGURE_CELLS), row.request,
    )  # fmt: skip


def _named(request: Request | None, job: Job | None) -> str:
    """What draws it, as far as that is decided."""
    if job is not None and job.function:
        return job.function
    pinned = request is not None and request.policy.kind == "pinned"
    return str(request.policy.value) if request is not None and pinned else ""


def _made(picture: Generation, money: Money) -> QueueRow:
    guess = picture.cost_source != "measured"
    price = money.per_thousand(picture.cost_usd, estimated=guess) if picture.priced else "unpriced"
    return QueueRow(picture.id, "made", picture.executed, picture.prompt, price, None, picture)


_STATES: dict[str, State] = {
    "running": "drawing",
    "waiting": "waiting",
    "paused": "paused",
    "failed": "failed",
}
FIGURE_CELLS = 18
"""Of why a row is as it is."""


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
        "What was asked for: ● is drawn now, ○ waits, ‖ is paused, ✗ failed or was stopped, ✓ is "
        "there. ↑ ↓ move, enter shows a picture, x stops or forgets the row's, X all, R draws it "
        "again, p pauses a row or lets it go on, K puts it before all others, J behind them."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "show", show=True),
        Binding("K", "put(True)", "first", show=False),
        Binding("J", "put(False)", "last", show=False),
        Binding("p", "pause", "pause", show=True),
    ]

    @dataclass
    class Put(Message):
        """The user wants a row before, or behind, all others."""

        row: QueueRow
        first: bool

    @dataclass
    class Paused(Message):
        """The user wants a row kept from starting, or to go on."""

        row: QueueRow

    def __init__(self, money: Money = DOLLARS) -> None:
        super().__init__(draw_row, empty="Pictures are listed here.", id="queue")
        self._money = money
        self._rows: list[QueueRow] = []
        self.border_title = "Session"

    def action_put(self, first: bool) -> None:
        if self.row is not None and self.row.state in ("waiting", "paused"):
            self.post_message(self.Put(self.row, first))

    def action_pause(self) -> None:
        if self.row is not None and self.row.state not in ("made", "failed"):
            self.post_message(self.Paused(self.row))

    def tell(self, state: EngineState, outlook: Outlook | None) -> None:
        """How things stand now."""
        rows = queue_rows(state, outlook, self._money)
        if rows != self._rows:
            self._rows = rows
            self.show_rows(rows)
        self.border_title = Content(" · ".join(["Session", *_counts(rows, state)]))
        self.border_subtitle = Content(versus_words(state.totals)) if state.made else None


def _counts(rows: Sequence[QueueRow], state: EngineState) -> list[str]:
    told = []
    for kind in ("waiting", "paused"):
        count = sum(row.state == kind for row in rows)
        told += [f"{count} {kind}"] if count else []
    pictures = state.totals.pictures
    return told + ([f"{pictures} picture{'' if pictures == 1 else 's'}"] if pictures else [])


def versus_words(totals: SessionTotals) -> str:
    """`59 % less than always starter-base@50, −0.02 ±0.03 mixed`."""
    if totals.saved is None:
        return "none of them routed" if totals.pinned == totals.pictures else ""
    share = abs(totals.saved)
    paid = f"~{figures.percent(share)} {'less' if totals.saved >= 0 else 'more'}"
    return f"{paid} than {totals.versus().removeprefix('vs ')}"
