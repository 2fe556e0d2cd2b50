"""The trade-off dial: how much quality is worth how much money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.domain.decision import RoutingDecision
from screens import figures

STEP = 0.05


class TradeoffDial(Widget, can_focus=True):
    """`economy ├────●────┤ quality`, moved with the arrow keys."""

    HELP = (
        "← and → move between economy (always the cheapest) and quality (always the best the "
        "router knows). λ is what the dial means: how much quality one dollar must buy. "
        "A function pinned with space in the price card overrules the dial."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "turn(-1)", "Cheaper", show=False),
        Binding("right,l", "turn(1)", "Better", show=False),
        Binding("home", "turn(-20)", "Cheapest", show=False),
        Binding("end", "turn(20)", "Best", show=False),
    ]

    @dataclass
    class Turned(Message):
        """The dial stands elsewhere now."""

        value: float

    value = reactive(0.5)
    decision: reactive[RoutingDecision | None] = reactive(None)
    pinned: reactive[str | None] = reactive(None)
    """The function that overrules the dial."""

    def __init__(self, value: float) -> None:
        super().__init__(id="dial")
        self.set_reactive(TradeoffDial.value, value)

    def action_turn(self, steps: int) -> None:
        """Moves the dial by that many steps, not past its ends."""
        turned = round(min(1.0, max(0.0, self.value + steps * STEP)), 2)
        if turned != self.value:
            self.value = turned
            self.post_message(self.Turned(turned))

    def render(self) -> Content:
        width = self.content_size.width
        facts = self._facts()
        cells = max(9, min(31, width - len("economy   quality  ") - len(facts) - 2))
        knob = round(self.value * (cells - 3))
        return Content.assemble(
            ("economy ", "$cost"),
            (f"├{'─' * knob}", "$cost"),
            ("●", "bold reverse" if self.has_focus else "bold"),
            (f"{'─' * (cells - 3 - knob)}┤", "$quality"),
            (" quality", "$quality"),
            (f"  {facts}", "$muted" if self.pinned is None else "bold"),
        ).truncate(width, ellipsis=True)

    def _facts(self) -> str:
        if self.pinned is not None:
            return f"pinned {self.pinned}"
        parts = [f"{self.value:.2f}"]
        decision = self.decision
        if decision is not None and decision.lambda_per_usd is not None:
            parts.append(f"λ {decision.lambda_per_usd:,.0f}")
        share = None if decision is None else share_of_the_dearest(decision)
        if share is not None:
            parts.append(f"{figures.percent(share)} of the dearest")
        return " · ".join(parts)


def share_of_the_dearest(decision: RoutingDecision) -> float | None:
    """The choice's price as a share of the dearest candidate's; None when either is unknown."""
    chosen, dearest = decision.chosen, decision.dearest
    if chosen is None or chosen.cost_usd is None or dearest is None or not dearest.cost_usd:
        return None
    return chosen.cost_usd / dearest.cost_usd
