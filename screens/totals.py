"""What this session made and what it cost: measured, and against always taking the dearest."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cems_tui.domain.generation import Generation
from screens import figures


@dataclass(frozen=True, slots=True)
class SessionTotals:
    """Sums over the pictures of a session. Unpriced pictures are counted, never summed as 0."""

    pictures: int = 0
    unpriced: int = 0
    usd: float = 0.0
    """Over the priced pictures."""

    compared_usd: float = 0.0
    """Over the pictures whose decision priced a dearest candidate."""

    dearest_usd: float = 0.0
    """What those would have cost at their dearest candidate's price."""

    dearest: frozenset[str] = frozenset()
    """The functions that were the dearest."""

    def adding(self, generation: Generation) -> SessionTotals:
        """With one more picture."""
        cost, dearest = generation.cost_usd, generation.decision.dearest
        if cost is None:
            return replace(self, pictures=self.pictures + 1, unpriced=self.unpriced + 1)
        totals = replace(self, pictures=self.pictures + 1, usd=self.usd + cost)
        if dearest is None or dearest.cost_usd is None:
            return totals
        return replace(
            totals,
            compared_usd=self.compared_usd + cost,
            dearest_usd=self.dearest_usd + dearest.cost_usd,
            dearest=self.dearest | {dearest.function},
        )

    @property
    def saved(self) -> float | None:
        """The share saved against always the dearest; None when nothing can be compared."""
        return 1 - self.compared_usd / self.dearest_usd if self.dearest_usd else None

    def parts(self) -> list[str]:
        """The line about the session, most important part first."""
        if not self.pictures:
            return ["no pictures yet"]
        parts = [f"{self.pictures} picture{'' if self.pictures == 1 else 's'}"]
        priced = self.pictures - self.unpriced
        if priced:
            parts.append(figures.per_thousand(self.usd / priced))
        if self.saved is not None:
            # the dearest was not run, so its price is what was expected of it
            parts.append(f"saved ~{figures.percent(self.saved)}")
        if self.unpriced:
            parts.append(f"{self.unpriced} unpriced")
        return parts

    def versus(self) -> str:
        """What the saving is measured against, for where there is room."""
        if self.saved is None:
            return ""
        return f"vs always {next(iter(self.dearest)) if len(self.dearest) == 1 else 'the dearest'}"
