"""The routers: what each is worth, which is asked, how one is trained, and its curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.errors import CemsError, UsageError
from cems_tui.text import visible
from cems_tui.views.bill import supply_words
from cems_tui.views.plot import drawn_line
from screens.commands import bindings, key_of
from screens.dialogs import TextDialog, TextQuestion
from screens.messages import PlaceEntered
from screens.router import figures_sheet, router_rows
from screens.router.commands import ROUTERS, USE
from screens.router.dialogs import (
    OWN_BENCH,
    Ordered,
    PairsDialog,
    Supplied,
    TrainForm,
    bill_fact,
    fresh_name,
    own_bench,
    prospect_facts,
)
from screens.services.defaults import Services
from screens.services.engine import EngineState
from screens.services.long_run import LongJob, Promise, RunKind
from screens.widgets.desk_screen import DeskScreen
from screens.widgets.dial_curve import CurvePlot, WalksCurve
from screens.widgets.facts import Fact, FactSheet
from screens.widgets.job_line import JobLine
from screens.widgets.keys import KeyLine
from screens.widgets.paged_list import PagedList
from screens.widgets.status import StatusLine
from screens.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from cems_tui.services.app.router_desk import RouterDesk, RouterFacts
    from cems_tui.services.routers import Change

OF_A_ROUTER = frozenset(
    {"use", "walk", "set_dial", "evaluate", "differ", "retrain", "calibrate", "copy_command"}
)
"""What is done with the router under the cursor."""

LOW = 16
"""Lines below which the two plots of a training stand side by side."""

NO_CURVE = "its card has no curve: no prices were known"
EMPTY = "no router can be read: `cems router train` makes one, `cems starter verify` checks"


class LossPlot(Widget, can_focus=True):
    """The training that runs: its loss, and what is read on prompts that are held out."""

    HELP = (
        "A network that learns, epoch by epoch: first its loss on the prompts it learns from, then "
        "what is read on prompts that are held out, by which the epoch is chosen. Where the "
        "second no longer gets better, more epochs only learn by heart. x stops it."
    )
    job: reactive[LongJob | None] = reactive(None)

    def __init__(self) -> None:
        super().__init__(id="loss")
        self.border_title = "Training"

    def watch_job(self) -> None:
        if self.job is not None and self.job.epochs:
            last = self.job.epochs[-1]
            which = f", network {last.network} of {last.networks}" if last.networks > 1 else ""
            epoch = f", epoch {last.number} of {last.of}"
            self.border_title = Content(f"The {visible(self.job.called)}{which}{epoch}")

    def render(self) -> Content:
        if self.job is None or not self.job.epochs:
            return Content.styled("no epoch is done yet", "$muted")
        last = self.job.epochs[-1]
        own = [one for one in self.job.epochs if one.network == last.network]
        width, height = self.content_size
        beside = height < LOW
        size = (width // 2 - 1, height - 1) if beside else (width, height // 2 - 1)
        plots = [
            [
                f"{name} {values[-1]:.4f}",
                *drawn_line(values, size),
            ]
            for name, values in (
                ("loss", [one.loss for one in own]),
                (last.measure, [one.held_out for one in own]),
            )
        ]
        if not beside:
            return Content("\n".join(line for plot in plots for line in plot))
        rows = zip_longest(*plots, fillvalue="")
        return Content("\n".join(f"{left:<{size[0] + 2}}{right}" for left, right in rows))


class RouterTable(PagedList["RouterFacts"]):
    """The routers at hand."""

    HELP = (
        "One row a router; ▸ is the one that is asked. `gain, of what can be had`: of what one who "
        "knew every score beforehand gains over mixing functions at random, the share it gets, "
        "with its 95 % interval. `worth`: beside always the best function; ✓ better pictures, less "
        "money, or both; ≈ no gain shown; ✗ worse. enter opens the card, T retrains it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "card", show=True)]


class RouterScreen(DeskScreen["RouterDesk"], WalksCurve):
    """Composes the list, the curve and the card; disks are read in threads."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(ROUTERS)
    JUMPS: ClassVar[dict[str, str]] = {"l": "routers", "c": "curve", "d": "card"}
    AUTO_FOCUS = "#routers"

    def __init__(self, services: Services) -> None:
        assert services.desks.routers is not None
        super().__init__(services.desks.routers)
        self._services = services
        self._run = services.long_run
        self._money = services.defaults.money
        self._refused: str | None = None
        self._asked: str | None = None
        """The router that is asked now."""

        self._names: tuple[str, ...] = ()
        self._ended: LongJob | None = None
        """The training whose end was told last."""

    def compose(self) -> ComposeResult:
        yield StatusLine("router", self._money)
        with Container(id="body"):
            yield RouterTable(router_rows.line, header=router_rows.header, id="routers")
            with Container(id="below"):
                yield CurvePlot(NO_CURVE, self._money)
                yield LossPlot()
                with VerticalScroll(id="card"):
                    yield FactSheet(())
        yield JobLine(self._money)
        yield KeyLine()
        yield TooSmall()

    def on_mount(self) -> None:
        self._list.border_title = "Routers"
        self.query_one("#card").border_title = "Card"
        self._services.engine.changed.subscribe(self, self._tell_totals)
        self._tell_totals(self._services.engine.state)
        dial = self._services.defaults.tradeoff
        if dial is not None:
            self.query_one(CurvePlot).dial = dial
        if self._run is not None:
            self._ended = self._run.state
            self._run.changed.subscribe(self, self._run_told)
            self._run_told(self._run.state)
        self._read()

    def _tell_totals(self, state: EngineState) -> None:
        self.query_one(StatusLine).totals = state.totals

    @on(PlaceEntered)
    def _read(self) -> None:
        """Others may have trained or chosen meanwhile."""
        self.ask(lambda desk: desk.facts(), self._show, self._list.fail)

    def _show(self, found: tuple[RouterFacts, ...]) -> None:
        first = self._list.row is None
        self._list.show_rows(found, empty=EMPTY)
        asked = next((n for n, one in enumerate(found) if one.asked), None)
        if first and asked is not None:
            self._list.point(asked)
        self._asked = next((one.key for one in found if one.asked), None)
        self._names = tuple(one.key for one in found)
        self._list.border_subtitle = Content(f"▸ asked now: {visible(self._asked or 'none')}")

    @on(PagedList.Pointed, "#routers")
    def _pointed(self, message: PagedList.Pointed) -> None:
        facts: RouterFacts | None = message.row
        self._refused = None
        plot = self.query_one(CurvePlot)
        if facts is None:
            plot.show("", None)
        else:
            plot.show(facts.key, facts.curve, facts.best_single)
        sheet = self.query_one("#card FactSheet", FactSheet)
        sheet.facts = () if facts is None else tuple(router_rows.card_facts(facts))
        self.refresh_bindings()

    @on(PagedList.Chosen, "#routers")
    def _open(self, message: PagedList.Chosen) -> None:
        facts: RouterFacts = message.row
        sheet = router_rows.card_facts(facts)
        self.app.push_screen(TextDialog(visible(facts.key), sheet))

    # --- what the user does ------------------------------------------------------------------

    def action_use(self) -> None:
        """Asks this router from now on; what was refused once is forced the second time."""
        facts = self._list.row
        if facts is None:
            return
        force = self._refused == facts.key

        def used(change: Change) -> None:
            self._refused = None
            self._changed(change)

        def refused(error: CemsError) -> None:
            if isinstance(error, UsageError):
                self._refused = facts.key
                hint = f"{key_of(USE, self.app)} again uses it nevertheless."
                error = UsageError(str(error), hint)
            self.warn(error)

        self.ask(lambda desk: desk.use(facts.key, force=force), used, refused)

    def action_rollback(self) -> None:
        self.ask(lambda desk: desk.rollback(), self._changed)

    def _changed(self, change: Change) -> None:
        title = f"{visible(change.after or 'the router that knows most')} is asked from now on"
        beside = "" if change.against is None else f"it {visible(change.against.told)}"
        self.notify(beside or f"before: {visible(change.before or 'the rule chose')}", title=title)
        self._read()

    def action_train(self) -> None:
        """A form first, then it learns."""

        def started(ordered: Ordered | None) -> None:
            if ordered is not None:
                self._start("train", ordered.name, ordered.words())

        def opened(benches: Sequence[str]) -> None:
            if not benches:
                self._without_benches()
            elif self.is_current:
                name = fresh_name("mine", self._names)
                first = Ordered(benches[0], name, "ensemble", "", "")
                self.app.push_screen(TrainForm(first, benches, self._names), started)

        self.ask(lambda desk: desk.benches(), opened)

    def action_retrain(self) -> None:
        """What there is to learn from and what is missing; then it learns, or draws that."""
        facts = self._list.row
        if facts is None:
            return
        key = facts.key

        def opened(told: Mapping[str, Any]) -> None:
            if self.is_current:
                rows = prospect_facts(told, self._money)
                offered: list[Supplied] = ["learn"] if told["enough"] else []
                if told["pairs"] or told["singles"]:
                    offered.append("shadow")
                self._offer_pairs(f"Retrain {visible(key)}", rows, offered, told["supply"], key)

        self.notify("How many prompts several functions drew is counted.", title="Looking …")
        self.ask(lambda desk: desk.prospect(key), opened)

    def _offer_pairs(
        self,
        title: str,
        facts: Sequence[Fact],
        offered: Sequence[Supplied],
        supply: Mapping[str, Any] | None,
        key: str,
    ) -> None:
        """The facts, with the keys that draw what is missing, once their bill is known.

        Args:
            supply: what is missing, as the command tells it; None is nothing.
        """
        drawn = supply is not None and supply["bill"] is not None
        dialog = PairsDialog(title, facts, [one for one in offered if drawn or one == "learn"])
        name, words, promise = OWN_BENCH, list[str](), Promise()

        def taken(answer: Supplied | None) -> None:
            if answer == "learn":
                self._start("retrain", key)
            elif answer == "bench":
                self._start("bench", name, words, promise)
            elif answer == "shadow" and supply is not None:
                self._start("shadow", str(supply["prompts"]))

        def billed(found: tuple[str, list[str], Mapping[str, Any]]) -> None:
            nonlocal name, words, promise
            name, words, told = found
            promise = Promise(told["seconds"], told["cost_usd"])
            dialog.tell_bill(bill_fact(told, self._money), fine=bool(told["pictures"]))

        def unbilled(error: CemsError) -> None:
            dialog.tell_bill(Fact("n", f"cannot be: {visible(str(error))}", "$muted"), fine=False)

        def bill(desk: RouterDesk) -> tuple[str, list[str], Mapping[str, Any]]:
            assert supply is not None
            name, words = own_bench(supply["functions"], desk.benches())
            return name, words, desk.bench_bill(["--name", name, *words])

        self.app.push_screen(dialog, taken)
        if drawn:
            self.ask(bill, billed, unbilled)

    def _start(
        self, kind: RunKind, name: str, words: Sequence[str] = (), promise: Promise | None = None
    ) -> None:
        if self._run is None:
            self.notify("This app was opened without benchmarks.", severity="warning")
            return
        if (running := self._run.running) is not None:
            title = f"The {visible(running.called)} runs"
            hint = "One runs at a time: x stops it, and what is done is kept."
            self.notify(hint, title=title, severity="warning", markup=False)
            return
        self._run.start(kind, name, words, promise)

    def _run_told(self, job: LongJob | None) -> None:
        """The loss of what is learned is shown; what came of it is told at its end."""
        shown = job is not None and job.runs and bool(job.epochs)
        self.set_class(shown, "-learning")
        if shown:
            self.query_one(LossPlot).job = job
        if job is None or job.runs or job is self._ended:
            return
        self._ended = job
        if job.kind in ("train", "retrain"):
            self._read()
            if job.document is not None and self.is_current:
                self._tell_outcome(job.document)

    def _tell_outcome(self, document: Mapping[str, Any]) -> None:
        """The router that was made, how it fares, and the keys that draw what would settle it."""
        name = str(document["router"])

        def told(rows: list[Fact]) -> None:
            supply = document.get("supply")
            if supply is not None:
                rows.append(Fact("missing", supply_words(supply, self._money)))
            self._offer_pairs(f"{visible(name)} was made", rows, ("shadow",), supply, name)

        def read(desk: RouterDesk) -> list[Fact]:
            found = next(one for one in desk.facts() if one.key == name)
            return router_rows.card_facts(found)

        self.ask(read, told)

    def _without_benches(self) -> None:
        hint = "n in Bench draws one; `cems bench import` takes one in."
        self.notify(hint, title="There is no benchmark yet", markup=False)

    def action_evaluate(self) -> None:
        """Judges it on a benchmark that one names."""
        if (facts := self._list.row) is not None:
            key = facts.key
            self._on_a_bench(
                f"Evaluate {visible(key)}",
                lambda desk, bench: desk.evaluate(key, bench),
                lambda told: figures_sheet.evaluation(told, self._money),
            )

    def action_differ(self) -> None:
        """What it would do otherwise than the router that is asked."""
        facts, asked = self._list.row, self._asked
        if facts is None or asked is None or facts.key == asked:
            title = "This is the router that is asked" if asked else "No router is asked"
            self.notify("Point at another one: it is compared with that.", title=title)
            return
        key = facts.key
        self._on_a_bench(
            f"{visible(key)} beside {visible(asked)}",
            lambda desk, bench: desk.difference(asked, key, bench),
            lambda told: figures_sheet.difference(told, self._money),
        )

    def action_calibrate(self) -> None:
        """A router of its picks on the scale of one's own scorer."""
        facts = self._list.row
        if facts is None:
            return

        def made(told: Mapping[str, Any]) -> None:
            words = f"asked in the place of {told['of']}" if told["in_use"] else "not asked yet"
            self.notify(visible(words), title=f"{visible(told['router'])} was made", markup=False)
            self._read()

        self.ask(lambda desk: desk.calibrate(facts.key), made)

    def _on_a_bench(
        self,
        title: str,
        question: Callable[[RouterDesk, str], Mapping[str, Any]],
        told: Callable[[Mapping[str, Any]], list[Fact]],
    ) -> None:
        """Asks for a benchmark, then the desk, and shows what it tells."""

        def show(bench: str, found: Mapping[str, Any]) -> None:
            self.app.push_screen(TextDialog(f"{title} on {visible(bench)}", told(found)))

        def choose(benches: Sequence[str]) -> None:
            if not benches:
                self._without_benches()
                return

            def check(text: str) -> None:
                if text not in benches:
                    raise ValueError(f"there is no benchmark {visible(text)!r}")

            def taken(bench: str | None) -> None:
                if bench is not None:
                    self.ask(lambda desk: question(desk, bench), partial(show, bench))

            hint = f"on a benchmark: {', '.join(map(visible, benches))}"
            self.app.push_screen(TextQuestion(title, hint, benches[0], check), taken)

        self.ask(lambda desk: desk.benches(), choose)

    def action_copy_command(self) -> None:
        if (facts := self._list.row) is not None:
            self.copy(f"cems router show {visible(facts.key)}")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer offers what has a meaning now."""
        if action in OF_A_ROUTER:
            return self._list.row is not None
        return True

    # --- helpers -----------------------------------------------------------------------------

    @property
    def _list(self) -> PagedList[RouterFacts]:
        return self.query_one("#routers", PagedList)
