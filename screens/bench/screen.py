"""The benchmarks: what there is, what runs, what each says, and a new one with its bill."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from cems_tui.errors import CemsError
from cems_tui.text import visible
from cems_tui.views.curve_plot import drawn_curve
from cems_tui.views.figures import DOLLARS, Money
from screens import figures
from screens.bench import bench_rows
from screens.bench.bench_rows import BenchRow
from screens.bench.commands import BENCH
from screens.bench.dialogs import (
    THUMB_COLUMNS,
    THUMB_LINES,
    Asked,
    CellDialog,
    NewBench,
    ShownPicture,
)
from screens.commands import bindings
from screens.dialogs import TextDialog
from screens.messages import DialAsked, PlaceEntered
from screens.services.bench_run import BenchJob
from screens.services.defaults import Services
from screens.services.engine import EngineState
from screens.widgets.columns import Column
from screens.widgets.desk_screen import DeskScreen
from screens.widgets.facts import Fact
from screens.widgets.keys import KeyLine
from screens.widgets.paged_list import PagedList
from screens.widgets.status import StatusLine
from screens.widgets.thumbnails import half_cells
from screens.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from cems_tui.bench.desk.bench_desk import BenchCurve, BenchDesk, BenchFacts
    from cems_tui.store.benches import BenchSummary

STEP = 0.05
VIEWS = ("matrix", "strategies", "curve")
FIRST_READ_SECONDS = 3.0
"""Between two looks at a benchmark that runs, at least."""

READING_SHARE = 5
"""A look may take one part in so many of the time."""

BAR_CELLS = 16
MOST_THUMBNAILS = 40
EMPTY = (
    "no benchmark yet\nn makes one: prompts × functions × seeds;\nits pictures, minutes, money "
    "and disk are told first"
)


class BenchList(PagedList[BenchRow]):
    """The benchmarks there are."""

    HELP = (
        "One row a benchmark: ● runs now; its pictures, and how many failed. What it says stands "
        "beside: n makes a new one, p stops it or goes on with it."
    )


class Matrix(Widget, can_focus=True):
    """Groups of prompts down, functions across, with a cursor on a cell."""

    HELP = (
        "Mean scores, groups of prompts down, functions across: ▒ 31/60 is under way, ··· to come, "
        "✗ 2 failed; below, the share of prompts each function wins, and its price. enter shows "
        "the pictures of the cell under the cursor, the worst first."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1, 0)", "Up", show=False),
        Binding("down,j", "move(1, 0)", "Down", show=False),
        Binding("left,h", "move(0, -1)", "Left", show=False),
        Binding("right,l", "move(0, 1)", "Right", show=False),
        Binding("enter", "open", "pictures", show=True),
    ]

    class Opened(Message):
        """The cell under the cursor is to be seen."""

    columns: reactive[tuple[Column, ...]] = reactive(())
    groups: reactive[int] = reactive(0)
    """Rows that have cells; those below are sums."""

    cursor: reactive[tuple[int, int]] = reactive((0, 0))
    """Group and function."""

    def __init__(self) -> None:
        super().__init__(id="matrix")
        self._starts: list[tuple[int, int]] = []

    def show(self, columns: Sequence[Column], groups: int) -> None:
        """Other cells; the cursor stays as far as it can."""
        self.groups, self.columns = groups, tuple(columns)
        row, column = self.cursor
        self.cursor = (
            max(0, min(row, groups - 1)),
            max(0, min(column, len(columns) - 2)),
        )

    def action_move(self, rows: int, columns: int) -> None:
        row, column = self.cursor
        self.cursor = (
            max(0, min(self.groups - 1, row + rows)),
            max(0, min(len(self.columns) - 2, column + columns)),
        )

    def action_open(self) -> None:
        if self.groups and len(self.columns) > 1:
            self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or not 1 <= offset.y <= self.groups:
            return
        for column, (start, end) in enumerate(self._starts):
            if start <= offset.x < end:
                again = self.cursor == (offset.y - 1, column)
                self.cursor = (offset.y - 1, column)
                if event.chain == 2 and again:
                    self.action_open()

    def render(self) -> Content:
        if not self.columns:
            return Content.styled("nothing to show", "$muted")
        names, *functions = self.columns
        first = self._first(functions)
        self._starts = [(-1, -1)] * len(functions)
        parts = [[names.at(row)] for row in (None, *range(len(names.cells)))]
        at = names.width
        for number in range(first, len(functions)):
            column = functions[number]
            if at + 2 + column.width > self.content_size.width and number > first:
                break
            self._starts[number] = (at + 2, at + 2 + column.width)
            for row, line in zip((None, *range(len(names.cells))), parts, strict=True):
                cell = column.at(row)
                if row is not None and self.cursor == (row, number):
                    cell = cell.stylize("reverse" if self.has_focus else "underline")
                line += [Content("  "), cell]
            at += 2 + column.width
        return Content("\n").join(Content("").join(line) for line in parts)

    def _first(self, functions: Sequence[Column]) -> int:
        """The first function that is shown, so that the one under the cursor is."""
        first, names = 0, self.columns[0].width
        while first < self.cursor[1]:
            width = names + sum(one.width + 2 for one in functions[first : self.cursor[1] + 1])
            if width <= self.content_size.width:
                break
            first += 1
        return first


class BenchPlot(Widget, can_focus=True):
    """Quality over cost on the benchmark's prompts, with the place where one stands."""

    HELP = (
        "Mean quality over what a thousand pictures cost, on a logarithmic scale: ● is a function "
        "always, · mixing two at random, ○ an oracle that knows every score, ⠤ what a router "
        "would have come to, ◆ where the dial stands: ← and → walk, s sets the studio's dial."
    )
    curve: reactive[BenchCurve | None] = reactive(None)
    dial: reactive[float] = reactive(0.5)
    router: reactive[str] = reactive("")

    def __init__(self, money: Money = DOLLARS) -> None:
        super().__init__(id="plot")
        self._money = money

    def watch_curve(self) -> None:
        self._entitle()

    def watch_dial(self) -> None:
        self._entitle()

    def _entitle(self) -> None:
        self.border_title = Content(f"Curve of {visible(self.router)}" if self.router else "Curve")
        place = None if self.curve is None else self.curve.at(self.dial)
        if place is not None:
            told = f"dial {self.dial:.2f} → {place[1]:.3f} for {self._money.per_thousand(place[0])}"
            self.border_subtitle = Content(f"← → {told}")
        elif self.curve is not None:
            self.border_subtitle = "no router knows these functions on this metric"

    def render(self) -> Content:
        curve = self.curve
        if curve is None or not curve.singles:
            return Content.styled("no prices and scores to draw yet", "$muted")
        each = self._money.thousand(1.0) or 1000.0
        place, oracle = curve.at(self.dial), curve.oracle
        lines = drawn_curve(
            [(cost * each, quality) for cost, quality in curve.router],
            {name: (cost * each, quality) for name, (cost, quality) in curve.singles.items()},
            None if oracle is None else (oracle[0] * each, oracle[1]),
            None if place is None else (place[0] * each, place[1]),
            (self.content_size.width, self.content_size.height),
        )
        return Content("\n".join(lines))


class BenchScreen(DeskScreen["BenchDesk"]):
    """Composes the list, the matrix, the strategies and the curve."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(BENCH)
    JUMPS: ClassVar[dict[str, str]] = {"l": "benches", "x": "matrix", "c": "plot"}
    AUTO_FOCUS = "#benches"

    def __init__(self, services: Services) -> None:
        assert services.desks.benches is not None
        assert services.bench_run is not None
        super().__init__(services.desks.benches)
        self._services = services
        self._run = services.bench_run
        self._money = services.defaults.money
        self._facts: BenchFacts | None = None
        self._metric = "mixed"
        self._view = 0
        self._reading = False
        self._read_at = 0.0
        self._took = 0.0

    def compose(self) -> ComposeResult:
        yield StatusLine("bench", self._money)
        with Container(id="body"):
            with Container(id="top"):
                yield BenchList(bench_rows.line, empty=EMPTY, id="benches")
                yield Matrix()
            with Container(id="below"):
                with VerticalScroll(id="strategies"):
                    yield Static("", id="strategy-lines", markup=False)
                yield BenchPlot(self._money)
        yield Static("", id="job", markup=False)
        yield KeyLine()
        yield TooSmall()

    def on_mount(self) -> None:
        self._list.border_title = "Benchmarks"
        self._services.engine.changed.subscribe(self, self._tell_totals)
        self._tell_totals(self._services.engine.state)
        self._run.changed.subscribe(self, self._job_told)
        self._job_told(self._run.state)
        dial = self._services.defaults.tradeoff
        if dial is not None:
            self.query_one(BenchPlot).dial = dial
        self._turn()
        self._read()

    def _tell_totals(self, state: EngineState) -> None:
        self.query_one(StatusLine).totals = state.totals

    # --- reading -----------------------------------------------------------------------------

    @on(PlaceEntered)
    def _read(self) -> None:
        """Commands may have run or imported some meanwhile."""
        self.ask(lambda desk: desk.summaries(), self._show, self._list.fail)

    def _show(self, found: tuple[BenchSummary, ...]) -> None:
        running = self._run.running
        name = None if running is None else running.name
        self._list.show_rows([BenchRow(one, runs=one.name == name) for one in found], empty=EMPTY)
        self._list.redraw()
        if not found:
            self._facts = None
            self._draw()
        elif self._list.row is not None:
            self._read_facts()

    @on(PagedList.Pointed, "#benches")
    def _pointed(self, message: PagedList.Pointed) -> None:
        row: BenchRow | None = message.row
        if row is not None and (self._facts is None or self._facts.key != row.key):
            self._facts = None
            self._draw()
            self._read_facts()

    def _read_facts(self) -> None:
        row, metric = self._list.row, self._metric
        if row is None or self._reading:
            return
        self._reading, began = True, time.monotonic()

        def follow(found: BenchFacts) -> None:
            self._reading, self._took = False, time.monotonic() - began
            self._read_at = time.monotonic()
            pointed = self._list.row
            if pointed is not None and pointed.key != found.key:
                self._read_facts()
                return
            self._facts = found
            self._draw()

        def fail(error: CemsError) -> None:
            self._reading = False
            self.warn(error)

        self.ask(lambda desk: desk.facts(row.key, metric), follow, fail)

    def _draw(self) -> None:
        """What is known of the benchmark under the cursor."""
        facts, matrix, plot = self._facts, self.query_one(Matrix), self.query_one(BenchPlot)
        found = None if facts is None else facts.metric(self._metric)
        lines = self.query_one("#strategy-lines", Static)
        if facts is None:
            matrix.show((), 0)
            matrix.border_title, plot.curve = "Matrix", None
            lines.update("")
            self.refresh_bindings()
            return
        plot.router = facts.router
        plot.curve = facts.curve(self._metric)
        matrix.show(bench_rows.matrix_columns(facts, found, self._money), len(facts.groups))
        called = "" if found is None else f" · {found.metric}"
        lower = "" if found is None or found.higher_is_better else ", lower is better"
        matrix.border_title = Content(f"{visible(facts.key)}{called}{lower}")
        width = max(20, self.query_one("#strategies").content_size.width - 1)
        told = bench_rows.strategies(found, self._money, width)
        lines.update(Content("\n").join(told))
        self.query_one("#strategies").border_title = "Strategies (CEMS, table 2)"
        self.refresh_bindings()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def _job_told(self, job: BenchJob | None) -> None:
        """The line of the job; the figures are read again now and then."""
        line = self.query_one("#job", Static)
        line.set_class(job is not None, "told")
        if job is None:
            return
        line.update(job_line(job, self._money))
        pause = max(FIRST_READ_SECONDS, READING_SHARE * self._took)
        if not job.runs or (
            job.number and time.monotonic() - self._read_at > pause and self.is_current
        ):
            self._read()
        self.refresh_bindings()

    # --- what the user does ------------------------------------------------------------------

    def action_new(self) -> None:
        """A form first, its bill, then it starts."""

        def started(asked: Asked | None) -> None:
            if asked is not None:
                self._start(asked.name, asked.words())

        def opened(names: str) -> None:
            if self.is_current:
                form = NewBench(Asked("mine", "starter", names, "1"), self._tell_bill)
                self.app.push_screen(form, started)

        self.ask(lambda desk: ",".join(desk.installed()), opened)

    def _tell_bill(self, asked: Asked, form: NewBench) -> None:
        def follow(told: dict[str, object]) -> None:
            form.tell_bill(asked, bench_rows.bill(told, self._money), fine=True)

        def fail(error: CemsError) -> None:
            facts = [
                Fact("", visible(str(error)), "$error"),
                Fact("", visible(error.hint), "$muted"),
            ]
            form.tell_bill(asked, facts, fine=False)

        words = ["--name", asked.name, *asked.words()]
        self.ask(lambda desk: desk.bill(words), follow, fail)

    def _start(self, name: str, words: Sequence[str]) -> None:
        running = self._run.running
        if running is not None:
            hint = "One runs at a time: p stops it, and what is done is kept."
            title = f"{visible(running.name)} runs"
            self.notify(hint, title=title, severity="warning", markup=False)
            return
        self._run.start(name, words)
        self._read()

    def action_pause(self) -> None:
        """Stops the one that runs; goes on with the one under the cursor."""
        if self._run.running is not None:
            self._run.stop()
        elif (row := self._list.row) is not None:
            self._start(row.key, [])

    def action_retry(self) -> None:
        if (row := self._list.row) is not None:
            self._start(row.key, ["--retry-failed"])

    def action_failures(self) -> None:
        if self._facts is not None:
            title = f"{len(self._facts.failures)} failed of {visible(self._facts.key)}"
            self.app.push_screen(TextDialog(title, bench_rows.failures(self._facts)))

    def action_metric(self) -> None:
        facts = self._facts
        found = None if facts is None else facts.metric(self._metric)
        if facts is None or facts.report is None or found is None:
            return
        names = [one.metric for one in facts.report.metrics]
        self._metric = names[(names.index(found.metric) + 1) % len(names)]
        self._draw()
        self._read_facts()

    def action_view(self) -> None:
        self._view = (self._view + 1) % len(VIEWS)
        self._turn()

    def _turn(self) -> None:
        for number, name in enumerate(VIEWS):
            self.set_class(number == self._view, f"-{name}")
        self.call_after_refresh(self._draw)

    def action_walk(self, steps: int) -> None:
        plot = self.query_one(BenchPlot)
        plot.dial = round(min(1.0, max(0.0, plot.dial + steps * STEP)), 2)

    def action_set_dial(self) -> None:
        self.post_message(DialAsked(self.query_one(BenchPlot).dial))

    def action_copy_command(self) -> None:
        if (row := self._list.row) is not None:
            self.copy(f"cems bench report {visible(row.key)}")

    @on(Matrix.Opened)
    def _open_cell(self) -> None:
        """The pictures of the cell, worst first, with thumbnails made in the thread."""
        facts = self._facts
        found = None if facts is None else facts.metric(self._metric)
        if facts is None or found is None:
            return
        row, column = self.query_one(Matrix).cursor
        group, function = facts.groups[row], facts.functions[column]
        name, metric = facts.key, found.metric

        def read(desk: BenchDesk) -> list[ShownPicture]:
            shown = []
            for number, one in enumerate(desk.cell(name, metric, group, function)):
                thumb: Sequence[Content] = ()
                if one.image is not None and one.image.is_file() and number < MOST_THUMBNAILS:
                    thumb = half_cells(one.image, THUMB_COLUMNS, THUMB_LINES - 1)
                shown.append(ShownPicture(one, thumb))
            return shown

        where = "all prompts" if group is None else group
        title = visible(f"{where} × {function}, worst first")
        self.ask(read, lambda shown: self.app.push_screen(CellDialog(title, metric, shown)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer offers what has a meaning now."""
        facts = self._facts
        if action == "pause":
            here = self._list.row is not None
            return self._run.running is not None or (here and not self._imported)
        if action in ("failures", "retry"):
            return facts is not None and bool(facts.failures)
        if action == "metric":
            return facts is not None and facts.report is not None
        if action in ("walk", "set_dial"):
            curve = self.query_one(BenchPlot).curve
            return curve is not None and bool(curve.router)
        if action == "view":
            return not self.has_class("-wide")
        if action == "copy_command":
            return self._list.row is not None
        return True

    @property
    def _imported(self) -> bool:
        row = self._list.row
        return row is not None and row.summary.status == "imported"

    @property
    def _list(self) -> PagedList[BenchRow]:
        return self.query_one("#benches", PagedList)


def job_line(job: BenchJob, money: Money) -> Content:
    """`job ● bench mine ━━━━╸──── 24 % 0:07 left · $0.0009 · 2 failed`."""
    name = visible(job.name)
    if not job.runs:
        if job.ended == 0:
            return Content.assemble((" ✓ ", "$quality"), f"benchmark {name} is done")
        text, hint = job.problem or (f"it ended with {job.ended}", "")
        if job.stopping:
            return Content(f" ■ benchmark {name} was stopped; p goes on with it")
        return Content.assemble((" ✗ ", "$error"), f"{visible(text)} {visible(hint)}")
    if not job.total:
        return Content(f" ● bench {name}: {visible(job.said) or 'starting …'}")
    share = job.number / job.total
    filled = round(BAR_CELLS * share)
    left = job.seconds_left
    spent = "" if not job.spent_usd else f" · {money.total(job.spent_usd)}"
    failed = f" · ✗ {job.failed}" if job.failed else ""
    told = f" {figures.percent(share)} of {job.total:,}"
    told += "" if left is None else f" · {figures.clock(left)} left"
    ending = " · stopping after this picture" if job.stopping else ""
    return Content.assemble(
        (" ● ", "$quality"),
        f"bench {name}  ",
        ("━" * filled, "$quality"),
        ("─" * (BAR_CELLS - filled), "$muted"),
        f"{told}{spent}{failed}{ending}",
    )
