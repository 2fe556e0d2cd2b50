"""The benchmarks: what there is, what runs, what each says, and a new one with its bill."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

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
from screens.messages import PlaceEntered
from screens.services.defaults import Services
from screens.services.engine import EngineState
from screens.services.long_run import LongJob, Promise
from screens.widgets.columns import Column
from screens.widgets.desk_screen import DeskScreen
from screens.widgets.dial_curve import CurvePlot, WalksCurve
from screens.widgets.facts import Fact
from screens.widgets.job_line import JobLine
from screens.widgets.keys import KeyLine
from screens.widgets.paged_list import PagedList
from screens.widgets.status import StatusLine
from screens.widgets.thumbnails import half_cells
from screens.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from cems_tui.bench.desk.bench_desk import BenchDesk, BenchFacts
    from cems_tui.store.benches import BenchSummary

VIEWS = ("matrix", "strategies", "curve")
FIRST_READ_SECONDS = 3.0
"""Between two looks at a benchmark that runs, at least."""

READING_SHARE = 5
"""A look may take one part in so many of the time."""

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


class BenchScreen(DeskScreen["BenchDesk"], WalksCurve):
    """Composes the list, the matrix, the strategies and the curve."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(BENCH)
    JUMPS: ClassVar[dict[str, str]] = {"l": "benches", "x": "matrix", "c": "curve"}
    AUTO_FOCUS = "#benches"

    def __init__(self, services: Services) -> None:
        assert services.desks.benches is not None
        assert services.long_run is not None
        super().__init__(services.desks.benches)
        self._services = services
        self._run = services.long_run
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
                yield CurvePlot("no prices and scores to draw yet", self._money)
        yield JobLine(self._money)
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
            self.query_one(CurvePlot).dial = dial
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
        running = self._bench_job
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
        facts, matrix, plot = self._facts, self.query_one(Matrix), self.query_one(CurvePlot)
        found = None if facts is None else facts.metric(self._metric)
        lines = self.query_one("#strategy-lines", Static)
        if facts is None:
            matrix.show((), 0)
            matrix.border_title = "Matrix"
            plot.show("", None)
            lines.update("")
            self.refresh_bindings()
            return
        plot.show(facts.router, facts.curve(self._metric))
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

    def _job_told(self, job: LongJob | None) -> None:
        """The figures of the benchmark that runs are read again now and then."""
        if job is None or job.kind != "bench":
            return
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
                self._start(asked.name, asked.words(), asked.promise)

        def opened(names: str) -> None:
            if self.is_current:
                form = NewBench(Asked("mine", "starter", names, "1"), self._tell_bill)
                self.app.push_screen(form, started)

        self.ask(lambda desk: ",".join(desk.installed()), opened)

    def _tell_bill(self, asked: Asked, form: NewBench) -> None:
        def follow(told: dict[str, Any]) -> None:
            promise = Promise(told["seconds"], told["cost_usd"])
            form.tell_bill(asked, bench_rows.bill(told, self._money), promise)

        def fail(error: CemsError) -> None:
            facts = [
                Fact("", visible(str(error)), "$error"),
                Fact("", visible(error.hint), "$muted"),
            ]
            form.tell_bill(asked, facts, None)

        words = ["--name", asked.name, *asked.words()]
        self.ask(lambda desk: desk.bill(words), follow, fail)

    def _start(self, name: str, words: Sequence[str], promise: Promise | None = None) -> None:
        running = self._run.running
        if running is not None:
            hint = "One runs at a time: x stops it, and what is done is kept."
            title = f"The {visible(running.called)} runs"
            self.notify(hint, title=title, severity="warning", markup=False)
            return
        self._run.start("bench", name, words, promise)
        self._read()

    def action_pause(self) -> None:
        """Stops the one that runs; goes on with the one under the cursor."""
        if self._bench_job is not None:
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
            return self._bench_job is not None or (here and not self._imported)
        if action in ("failures", "retry"):
            return facts is not None and bool(facts.failures)
        if action == "metric":
            return facts is not None and facts.report is not None
        if action in ("walk", "set_dial"):
            curve = self.query_one(CurvePlot).curve
            return curve is not None and bool(curve.router)
        if action == "view":
            return not self.has_class("-wide")
        if action == "copy_command":
            return self._list.row is not None
        return True

    @property
    def _bench_job(self) -> LongJob | None:
        """The benchmark that runs now."""
        job = self._run.running
        return job if job is not None and job.kind == "bench" else None

    @property
    def _imported(self) -> bool:
        row = self._list.row
        return row is not None and row.summary.status == "imported"

    @property
    def _list(self) -> PagedList[BenchRow]:
        return self.query_one("#benches", PagedList)
