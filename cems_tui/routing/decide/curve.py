"""What a place on the dial gives, by the held-out prompts of a router: quality and cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Mean quality over the dial, with the cheapest and the best single function beside it."""

    dial: Matrix
    """Rising, 0..1."""

    quality: Matrix
    """At least this good is reached there: the running maximum, in the metric's unit."""

    cost: Matrix
    """US dollars a picture at the prices of the card."""

    cheapest_quality: float
    best_quality: float
    best_cost: float

    def shares_at(self, dial: float) -> tuple[float | None, float]:
        """The share of the best single function's gain over the cheapest, None where it has none,
        and the share of its cost."""
        quality = float(np.interp(dial, self.dial, self.quality))
        cost = float(np.interp(dial, self.dial, self.cost))
        gain = self.best_quality - self.cheapest_quality
        return (
            (quality - self.cheapest_quality) / gain if gain > 0 else None,
            cost / self.best_cost,
        )


def curve_of(evaluation: Mapping[str, Any]) -> Curve | None:
    """The curve in the figures of a card; None where there is none, or it is none."""
    try:
        points = [(float(p["cost_usd"]), float(p["quality"])) for p in evaluation["curve"]]
        singles = [
            (float(one["cost_usd"]), float(one["quality"]))
            for one in evaluation["strategies"]
            if str(one["name"]).startswith("always:")
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    figures = [value for pair in (*points, *singles) for value in pair]
    if not points or not singles or not all(map(isfinite, figures)):
        return None
    points.sort()
    cost, quality = np.array(points).T
    cheapest = min(singles, key=lambda one: (one[0], -one[1]))
    best = max(singles, key=lambda one: one[1])
    if cost[-1] <= cost[0] or best[0] <= 0:
        return None
    return Curve(
        (cost - cost[0]) / (cost[-1] - cost[0]),
        np.maximum.accumulate(quality),
        cost,
        cheapest[1],
        best[1],
        best[0],
    )
