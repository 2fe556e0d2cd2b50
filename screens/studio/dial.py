"""The trade-off dial: how much quality is worth how much money."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.domain.decision import Policy, RoutingDecision
from cems_tui.views.dial import meaning_words, short_meaning_words
from screens import figures

STEP = 0.05
MIDDLE = 0.5
"""Where the knob stands while it is not known where balanced is."""

CELLS = (13, 31)
"""The narrowest and the widest dial."""


class TradeoffDial(Widget, can_focus=True):
    """`economy ├──┼─●──────┤ quality`, moved with the arrow keys; `┼` is balanced."""

    HELP = (
        "← and → move between economy (always the cheapest) and quality (always the best the "
        "router knows). ┼ is balanced, where one more share of the cost buys one share of the "
        "quality, and where nothing beyond twice the cheapest is paid for a picture too alike to "
        "tell apart: the arrows stop there, b goes back to it. The shares are of the way from the "
        "cheapest function to the best single one, as the router's held-out prompts went. "
        "With the mouse: drag the knob, or click economy, quality or what stands behind it. "
        "A function pinned in the price card, or a budget, overrules the dial."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "turn(-1)", "Cheaper", show=False),
        Binding("right,l", "turn(1)", "Better", show=False),
        Binding("home", "turn(-20)", "Cheapest", show=False),
        Binding("end", "turn(20)", "Best", show=False),
        Binding("b", "balance", "Balanced", show=False),
    ]

    @dataclass
    class Turned(Message):
        """The dial stands elsewhere now."""

        policy: Policy

    value: reactive[float | None] = reactive(None)
    """Where it stands, 0..1; None is balanced."""

    decision: reactive[RoutingDecision | None] = reactive(None)
    pinned: reactive[str | None] = reactive(None)
    """The function that overrules the dial."""

    tick: reactive[float | None] = reactive(None)
    """Where balanced is, as the last decision said; None until one did."""

    def __init__(self, value: float | None) -> None:
        super().__init__(id="dial")
        self.set_reactive(TradeoffDial.value, value)
        self._rail = (0, 0)
        """The first column of the rail, and the one after its last."""

    @property
    def policy(self) -> Policy:
        """What the dial asks for."""
        return Policy.balanced() if self.value is None else Policy.tradeoff(self.value)

    def watch_decision(self, decision: RoutingDecision | None) -> None:
        """Balanced stays where it was while there is nothing to decide."""
        if decision is not None and decision.dial is not None:
            self.tick = decision.dial.balanced

    def action_turn(self, steps: int) -> None:
        """Moves the dial by notches, not past its ends; a single step stops at balanced."""
        now = self._place
        notch = floor(round(now / STEP, 6)) if steps > 0 else ceil(round(now / STEP, 6))
        turned = round(min(1.0, max(0.0, (notch + steps) * STEP)), 2)
        low, high = sorted((now, turned))
        passed = self.value is not None and self.tick is not None and low < self.tick < high
        self._turn(None if abs(steps) == 1 and passed else turned)

    def action_balance(self) -> None:
        self._turn(None)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """A named stop is gone to; the rail is grasped."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        column, (start, end) = offset.x, self._rail
        if column < start:
            self._turn(0.0)
        elif end <= column < end + len(" quality"):
            self._turn(1.0)
        elif column >= end:
            self._turn(None)
        else:
            self.capture_mouse()
            self._drag(column)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self.app.mouse_captured is self:
            self._drag(event.x - self.gutter.left)

    def on_mouse_up(self) -> None:
        self.release_mouse()

    def _drag(self, column: int) -> None:
        """To the cell of the rail under the mouse; balanced holds it fast."""
        start, end = self._rail
        cells = end - start - 2
        cell = max(0, min(cells - 1, column - start - 1))
        balanced = None if self.tick is None else round(self.tick * (cells - 1))
        self._turn(None if cell == balanced else round(cell / (cells - 1), 2))

    def _turn(self, value: float | None) -> None:
        if value != self.value:
            self.value = value
            self.post_message(self.Turned(self.policy))

    @property
    def _place(self) -> float:
        if self.value is not None:
            return self.value
        return MIDDLE if self.tick is None else self.tick

    def render(self) -> Content:
        width = self.content_size.width
        least, most = CELLS
        room = width - len("economy   quality  ")
        cells = max(least, min(most, room // 3))  # whatever its place means: it holds still
        facts = next((f for f in self._facts() if cells + len(f) <= room), self._facts()[-1])
        self._rail = (len("economy "), len("economy ") + cells)
        knob = round(self._place * (cells - 3))
        line = ["─"] * (cells - 2)
        if self.tick is not None:
            line[round(self.tick * (cells - 3))] = "┼"
        return Content.assemble(
            ("economy ", "$cost"),
            ("├" + "".join(line[:knob]), "$cost"),
            ("●", "bold reverse" if self.has_focus else "bold"),
            ("".join(line[knob + 1 :]) + "┤", "$quality"),
            (" quality", "$quality"),
            (f"  {facts}", "$muted" if self.pinned is None else "bold"),
        ).truncate(width, ellipsis=True)

    def _facts(self) -> tuple[str, ...]:
        """What the place means, the longest words first."""
        if self.pinned is not None:
            return (f"pinned {self.pinned}", "pinned")
        place = "balanced" if self.value is None else f"{self.value:.2f}"
        decision = self.decision
        if decision is None:
            return (place,)
        if decision.dial is not None and meaning_words(decision.dial):
            means = (meaning_words(decision.dial), short_meaning_words(decision.dial))
            return (*(f"{place} · {words}" for words in means), place)
        parts = [place]
        if decision.lambda_per_usd is not None:
            parts.append(f"λ {decision.lambda_per_usd:,.0f}")
        share = share_of_the_dearest(decision)
        if share is not None:
            parts.append(f"{figures.percent(share)} of the dearest")
        return (" · ".join(parts), place)


def share_of_the_dearest(decision: RoutingDecision) -> float | None:
    """The choice's price as a share of the dearest candidate's; None when either is unknown."""
    dearest = decision.dearest
    ratio = None if dearest is None else decision.price_ratio(dearest)
    return None if not ratio else 1 / ratio
