"""What pictures would cost before any is drawn: one bill, whichever command prints it.

Loading is a sum of its own beside the pictures, never hidden in their price; the bill says whether
it was part of what was compared. What is unknown is counted, never summed as 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BillLine:
    """One picture that is asked for. None is unknown, never 0."""

    model: str
    """Whose weights it needs; empty where nothing can be chosen."""

    cost_usd: float | None
    seconds: float | None
    load_cost_usd: float | None = None
    """Of bringing its model to the device: 0 when it is there."""

    load_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What pictures would take, each model loaded once."""

    pictures: int
    cost_usd: float
    """Of the pictures whose price is known, without loading."""

    unpriced: int
    """Pictures whose price is unknown."""

    seconds: float
    """Of the pictures whose time is known, loading included where that is known."""

    untimed: int
    """Pictures whose seconds are unknown."""

    load_cost_usd: float
    """Of loading each model once, where that is known."""

    loads: int
    """Models that would have to be loaded, as far as is known."""

    loads_unpriced: int
    """Models whose load price is unknown."""

    loads_included: bool
    """Whether loading counted in the prices that were compared."""

    def to_json(self) -> dict[str, Any]:
        """The bill in exact US dollars; a sum of nothing but unknowns is null."""
        known_price, known_time = self.pictures > self.unpriced, self.pictures > self.untimed
        known_load = self.loads_unpriced == 0 or self.load_cost_usd > 0.0
        return {
            "pictures": self.pictures,
            "seconds": self.seconds if known_time or not self.pictures else None,
            "untimed": self.untimed,
            "cost_usd": self.cost_usd if known_price or not self.pictures else None,
            "unpriced": self.unpriced,
            "load_cost_usd": self.load_cost_usd if known_load else None,
            "loads_unpriced": self.loads_unpriced,
            "loads_included": self.loads_included,
        }


def bill_of(lines: Iterable[BillLine], *, loads_included: bool) -> Bill:
    """The bill of these pictures, in whatever order they come."""
    pictures = unpriced = untimed = 0
    cost = seconds = 0.0
    loads: dict[str, BillLine] = {}
    for line in lines:
        pictures += 1
        unpriced += line.cost_usd is None
        untimed += line.seconds is None
        cost += line.cost_usd or 0.0
        seconds += line.seconds or 0.0
        if line.model:
            loads.setdefault(line.model, line)
    prices = [line.load_cost_usd for line in loads.values()]
    return Bill(
        pictures=pictures,
        cost_usd=cost,
        unpriced=unpriced,
        seconds=seconds + sum(line.load_seconds or 0.0 for line in loads.values()),
        untimed=untimed,
        load_cost_usd=sum(price for price in prices if price is not None),
        loads=sum(price != 0.0 for price in prices),
        loads_unpriced=sum(price is None for price in prices),
        loads_included=loads_included,
    )
