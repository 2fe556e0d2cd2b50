"""What this session made and what it cost, and what routing saved of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cems_tui.domain.generation import Generation
from cems_tui.domain.savings import Comparison, RoutedPicture, Savings, routed_picture, savings_of
from cems_tui.views.figures import DOLLARS, Money
from cems_tui.views.savings import percent


@dataclass(frozen=True, slots=True)
class SessionTotals:
    """Sums over the pictures of a session. Unpriced pictures are counted, never summed as 0."""

    pictures: int = 0
    unpriced: int = 0
    usd: float = 0.0
    """Over the priced pictures."""

    pinned: int = 0
    """Pictures whose function the user named: they saved nothing."""

    routed: tuple[RoutedPicture, ...] = ()
    """The others, as far as what ran has a price."""

    def adding(self, generation: Generation) -> SessionTotals:
        """With one more picture."""
        cost = generation.cost_usd
        routed = routed_picture(generation.decision, generation.executed)
        return replace(
            self,
            pictures=self.pictures + 1,
            unpriced=self.unpriced + (cost is None),
            usd=self.usd + (cost or 0.0),
            pinned=self.pinned + (generation.decision.policy.kind == "pinned"),
            routed=self.routed if routed is None else (*self.routed, routed),
        )

    @property
    def savings(self) -> Savings:
        """Against simple ways to choose, over the pictures that were routed."""
        return savings_of(self.routed, self.pictures - self.pinned, self.pinned, None)

    @property
    def saved(self) -> float | None:
        """The share saved against always the dearest; None where nothing was routed."""
        dearest = self._dearest
        return None if dearest is None else dearest.saved_share

    @property
    def _dearest(self) -> Comparison | None:
        return next((one for one in self.savings.against if one.against == "dearest"), None)

    def parts(self, money: Money = DOLLARS) -> list[str]:
        """The line about the session, most important part first."""
        if not self.pictures:
            return ["no pictures yet"]
        parts = [f"{self.pictures} picture{'' if self.pictures == 1 else 's'}"]
        priced = self.pictures - self.unpriced
        if priced:
            parts.append(money.per_thousand(self.usd / priced))
        if self.saved is not None:
            # both sides are what was expected: what a busy moment took is no saving
            parts.append(f"saved ~{percent(self.saved)}")
        elif self.pinned == self.pictures:
            parts.append("saved 0, none routed")
        if self.unpriced:
            parts.append(f"{self.unpriced} unpriced")
        return parts

    def versus(self) -> str:
        """What the saving is measured against and what it took, for where there is room."""
        dearest = self._dearest
        if dearest is None:
            return ""
        what = f"vs always {dearest.function or 'the dearest'}"
        if len(dearest.quality) != 1:
            return what
        [change] = dearest.quality
        sign = "+" if change.gained > 0 else "−" if change.gained < 0 else "±"
        reach = ""
        if change.interval is not None:
            reach = f" ±{(change.interval[1] - change.interval[0]) / 2:.2f}"
        return f"{what}, {sign}{abs(change.gained):.2f}{reach} quality"
