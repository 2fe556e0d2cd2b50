"""The routers: what each is worth, which is asked, and where the dial stands on its curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget

from cems_tui.errors import CemsError, GenerationError
from cems_tui.text import visible
from cems_tui.views.curve_plot import LEGEND, drawn_curve
from cems_tui.views.figures import DOLLARS, Money
from screens.commands import bindings, key_of
from screens.dialogs import TextDialog, TextQuestion
from screens.failures import log_traceback
from screens.messages import DialAsked, GenerateAsked, PlaceAsked, PlaceEntered
from screens.places import HOME
from screens.router import figures_sheet, router_rows
from screens.router.commands import ROUTERS, USE
from screens.services.defaults import Services
from screens.services.engine import EngineState
from screens.widgets.facts import Fact, FactSheet
from screens.widgets.keys import KeyLine
from screens.widgets.paged_list import PagedList
from screens.widgets.status import StatusLine
from screens.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from cems_tui.services.app.router_desk import RouterDesk, RouterFacts
    from cems_tui.services.routers import Change

STEP = 0.05
OF_A_ROUTER = frozenset(
    {"use", "walk", "set_dial", "evaluate", "differ", "retrain", "calibrate", "copy_command"}
)
"""What is done with the router under the cursor."""

EMPTY = "no router can be read: `cems router train` makes one, `cems starter verify` checks"


class CurvePlot(Widget, can_focus=True):
    """Quality over cost on held-out prompts, with the place where one stands."""

    HELP = (
        "What the router reaches on prompts it had not seen: mean quality over what a thousand "
        "pictures cost, on a logarithmic scale. ● is a function always, · mixing two at random, "
        "○ an oracle that knows every score, ◆ where one stands: ← and → walk."
    )
    facts: reactive[RouterFacts | None] = reactive(None)
    dial: reactive[float] = reactive(0.5)

    def __init__(self, money: Money = DOLLARS) -> None:
        super().__init__(id="curve")
        self._money = money
        self.border_subtitle = LEGEND

    def watch_facts(self) -> None:
        self._entitle()

    def watch_dial(self) -> None:
        self._entitle()

    def _entitle(self) -> None:
        if self.facts is not None:
            title = f"{visible(self.facts.key)} · "
            title += router_rows.place_words(self.facts, self.dial, self._money)
            self.border_title = Content(title)

    def render(self) -> Content:
        facts = self.facts
        if facts is None:
            return Content("")
        each = self._money.thousand(1.0) or 1000.0
        place = facts.at(self.dial)
        if place is None:
            return Content.styled("its card has no curve: no prices were known", "$muted")
        lines = drawn_curve(
            [(cost * each, quality) for cost, quality in facts.curve],
            {name: (cost * each, quality) for name, (cost, quality) in facts.singles.items()},
            None if facts.oracle is None else (facts.oracle[0] * each, facts.oracle[1]),
            (place[0] * each, place[1]),
            (self.content_size.width, self.content_size.height),
        )
        return Content("\n".join(lines))


class RouterTable(PagedList["RouterFacts"]):
    """The routers at hand."""

    HELP = (
        "One row a router; ▸ is the one that is asked. `of the gain there is`: the share of what "
        "an oracle gains over mixing functions at random, with its 95 % interval. The verdict is "
        "against the best single function: ✓, ≈ ties, ✗ worse. enter opens the card."
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "card", show=True)]


class RouterScreen(Screen[None]):
    """Composes the list, the curve and the card; disks are read in threads."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(ROUTERS)
    JUMPS: ClassVar[dict[str, str]] = {"l": "routers", "c": "curve", "d": "card"}
    AUTO_FOCUS = "#routers"

    @dataclass
    class Answered(Message):
        """A thread has what it was asked for, or why not."""

        follow: Callable[[Any], None]
        answer: Any
        error: CemsError | None = None

    def __init__(self, services: Services) -> None:
        super().__init__()
        self._services = services
        self._money = services.defaults.money
        self._desk: RouterDesk | None = None
        self._refused: str | None = None
        self._asked: str | None = None
        """The router that is asked now."""

        self._learning = False

    def compose(self) -> ComposeResult:
        yield StatusLine("router", self._money)
        with Container(id="body"):
            yield RouterTable(router_rows.line, header=router_rows.header, id="routers")
            with Container(id="below"):
                yield CurvePlot(self._money)
                with VerticalScroll(id="card"):
                    yield FactSheet(())
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
        self._read()

    def _tell_totals(self, state: EngineState) -> None:
        self.query_one(StatusLine).totals = state.totals

    @on(PlaceEntered)
    def _read(self) -> None:
        """Others may have trained or chosen meanwhile."""
        self._ask(lambda desk: desk.facts(), self._show)

    def _show(self, found: tuple[RouterFacts, ...]) -> None:
        first = self._list.row is None
        self._list.show_rows(found, empty=EMPTY)
        asked = next((n for n, one in enumerate(found) if one.asked), None)
        if first and asked is not None:
            self._list.point(asked)
        self._asked = next((one.key for one in found if one.asked), None)
        self._list.border_subtitle = Content(f"▸ asked now: {visible(self._asked or 'none')}")

    @on(PagedList.Pointed, "#routers")
    def _pointed(self, message: PagedList.Pointed) -> None:
        facts: RouterFacts | None = message.row
        self._refused = None
        self.query_one(CurvePlot).facts = facts
        sheet = self.query_one("#card FactSheet", FactSheet)
        sheet.facts = () if facts is None else tuple(router_rows.card_facts(facts))
        self.refresh_bindings()

    @on(PagedList.Chosen, "#routers")
    def _open(self, message: PagedList.Chosen) -> None:
        facts: RouterFacts = message.row
        sheet = router_rows.card_facts(facts)
        self.app.push_screen(TextDialog(visible(facts.key), sheet))

    # --- what the user does ------------------------------------------------------------------

    def action_walk(self, steps: int) -> None:
        plot = self.query_one(CurvePlot)
        plot.dial = round(min(1.0, max(0.0, plot.dial + steps * STEP)), 2)

    def action_set_dial(self) -> None:
        self.post_message(DialAsked(self.query_one(CurvePlot).dial))

    def action_use(self) -> None:
        """Asks this router from now on; what was refused once is forced the second time."""
        facts = self._list.row
        if facts is None:
            return
        force = self._refused == facts.key

        def used(change: Change) -> None:
            self._refused = None
            self._changed(change)

        self._ask(lambda desk: desk.use(facts.key, force=force), used, refused=facts.key)

    def action_rollback(self) -> None:
        self._ask(lambda desk: desk.rollback(), self._changed)

    def _changed(self, change: Change) -> None:
        title = f"{visible(change.after or 'the router that knows most')} is asked from now on"
        beside = "" if change.against is None else f"it {visible(change.against.told)}"
        self.notify(beside or f"before: {visible(change.before or 'the rule chose')}", title=title)
        self._read()

    def action_retrain(self) -> None:
        """Learns from one's own pairs, or says how many there are and are needed."""
        facts = self._list.row
        if facts is None or self._learning:
            return
        self._learning = True
        self.notify("It goes on while you do something else.", title=f"Retraining {facts.key} …")

        def learned(summary: str) -> None:
            self._learning = False
            self.notify(visible(summary), title="A new router was made", timeout=20, markup=False)
            self._read()

        self._ask(lambda desk: desk.retrain(facts.key), learned, learns=True)

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

        self._ask(lambda desk: desk.calibrate(facts.key), made)

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
                hint = "`cems bench run` draws one, `cems bench import` takes one in."
                self.notify(hint, title="There is no benchmark yet", markup=False)
                return

            def check(text: str) -> None:
                if text not in benches:
                    raise ValueError(f"there is no benchmark {visible(text)!r}")

            def taken(bench: str | None) -> None:
                if bench is not None:
                    self._ask(lambda desk: question(desk, bench), partial(show, bench))

            hint = f"on a benchmark: {', '.join(map(visible, benches))}"
            self.app.push_screen(TextQuestion(title, hint, benches[0], check), taken)

        self._ask(lambda desk: desk.benches(), choose)

    def action_copy_command(self) -> None:
        if (facts := self._list.row) is not None:
            text = f"cems router show {visible(facts.key)}"
            self.app.copy_to_clipboard(text)
            self.notify(text, title="Copied", markup=False)

    def action_back(self) -> None:
        self.post_message(PlaceAsked(HOME.id))

    def action_generate(self) -> None:
        """Back to the prompt, and draw it."""
        self.post_message(GenerateAsked())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer offers what has a meaning now."""
        if action in OF_A_ROUTER:
            return self._list.row is not None
        return True

    # --- helpers -----------------------------------------------------------------------------

    @property
    def _list(self) -> PagedList[RouterFacts]:
        return self.query_one("#routers", PagedList)

    @work(thread=True, group="routers", exit_on_error=False)
    def _ask(
        self,
        question: Callable[[RouterDesk], Any],
        follow: Callable[[Any], None],
        *,
        refused: str = "",
        learns: bool = False,
    ) -> None:
        """Asks the desk in a thread.

        Args:
            refused: the router that a refusal is about; the next time it is forced.
            learns: whether it is the training that ends.
        """
        try:
            if self._desk is None:
                assert self._services.routers_factory is not None
                self._desk = self._services.routers_factory()
            answer = self.Answered(follow, question(self._desk))
        except CemsError as error:
            answer = self.Answered(lambda found: self._warn(found, refused, learns), error)
        except Exception as error:
            text = f"it failed: {type(error).__name__}: {error}"
            told = GenerationError(text, log_traceback(error))
            answer = self.Answered(lambda found: self._warn(found, "", learns), told)
        self.post_message(answer)

    @on(Answered)
    def _answered(self, message: Answered) -> None:
        message.stop()
        message.follow(message.answer)

    def _warn(self, error: CemsError, refused: str, learns: bool) -> None:
        if learns:
            self._learning = False
        hint = visible(error.hint)
        if refused:
            self._refused = refused
            hint = f"{key_of(USE, self.app)} again uses it nevertheless."
        self.notify(hint, title=visible(str(error)), severity="warning", markup=False, timeout=12)
