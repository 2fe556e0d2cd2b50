"""Quality over cost, with the place where the dial stands; screens that walk it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget

from cems_tui.text import visible
from cems_tui.views.curve_plot import LEGEND, drawn_curve
from cems_tui.views.figures import DOLLARS, Money
from screens import figures
from screens.messages import DialAsked

if TYPE_CHECKING:
    from cems_tui.services.app.router_desk import DialCurve

STEP = 0.05


class CurvePlot(Widget, can_focus=True):
    """A router's curve among the functions, mixes of them and an oracle."""

    HELP = (
        "Mean quality over what a thousand pictures cost, on a logarithmic scale: ● is a function "
        "always, · mixing two at random, ○ an oracle that knows every score, ⠤ what the router "
        "reaches, ◆ where the dial stands: ← and → walk, s sets the studio's dial there."
    )
    curve: reactive[DialCurve | None] = reactive(None)
    dial: reactive[float] = reactive(0.5)
    of: reactive[str] = reactive("")
    """Whose it is."""

    best_single: reactive[str | None] = reactive(None)
    """The function that the cost is told as a share of."""

    def __init__(self, empty: str, money: Money = DOLLARS) -> None:
        """`empty` is said where there is nothing to draw."""
        super().__init__(id="curve")
        self._empty = empty
        self._money = money
        self.border_title = "Curve"
        self.border_subtitle = LEGEND

    def show(self, of: str, curve: DialCurve | None, best_single: str | None = None) -> None:
        """Another router's curve; None is not known."""
        self.of, self.best_single, self.curve = of, best_single, curve

    def walk(self, steps: int) -> None:
        """The dial a few steps on."""
        self.dial = round(min(1.0, max(0.0, self.dial + steps * STEP)), 2)

    def watch_of(self) -> None:
        self._entitle()

    def watch_best_single(self) -> None:
        self._entitle()

    def watch_curve(self) -> None:
        self._entitle()

    def watch_dial(self) -> None:
        self._entitle()

    def _entitle(self) -> None:
        title = visible(self.of) or "Curve"
        self.border_title = Content(f"{title} · {self._place()}" if self.curve else title)

    def _place(self) -> str:
        """`dial 0.45 → 1.74 for $0.011/k, 61 % of always starter-base@50`."""
        assert self.curve is not None
        found = self.curve.at(self.dial)
        if found is None:
            return "no curve"
        cost, quality = found
        words = f"dial {self.dial:.2f} → {quality:.3f} for {self._money.per_thousand(cost)}"
        single = self.curve.singles.get(self.best_single or "")
        if single is not None and single[0]:
            words += f", {figures.percent(cost / single[0])} of always "
            words += visible(self.best_single or "")
        return words

    def render(self) -> Content:
        curve = self.curve
        if curve is None or not curve.singles:
            return Content.styled(self._empty, "$muted")
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


class WalksCurve(Screen[None]):
    """What a screen with such a plot does by its keys."""

    def action_walk(self, steps: int) -> None:
        self.query_one(CurvePlot).walk(steps)

    def action_set_dial(self) -> None:
        self.post_message(DialAsked(self.query_one(CurvePlot).dial))
