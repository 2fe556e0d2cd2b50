"""A router beside the one in use, on the same prompts: better, worse, or not told apart.

Of every prompt each picks among the functions that were scored for it, so prompts with two scores
of four count as well. Prompts are paired: what both gain by easy prompts cancels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.decide.dial import choices, sweep_lambdas
from cems_tui.routing.evaluation.curves import (
    Matrix,
    Sweep,
    cost_at,
    running_maximum,
)
from cems_tui.routing.evaluation.evaluate import percentile_interval, resampled

BETTER, TIES, WORSE = "better", "ties", "worse"

STEPS = 200
"""Equal steps of cost, or of quality, that differences are averaged over."""

RESAMPLES = 500

LEAST = 30
"""Fewer prompts tell no two routers apart."""


@dataclass(frozen=True, slots=True)
class Against:
    """How a router fares beside the one in use."""

    router: str
    """The one in use."""

    metric: str
    prompts: int
    """Prompts compared; neither had seen them when it was asked."""

    quality: float
    """What is gained at the same cost, averaged over the cost axis, in the metric's unit; without
    prices at λ = 0."""

    interval: tuple[float, float]
    """Its 95 % paired bootstrap interval over prompts."""

    cost: float | None
    """The cost at the same quality as a share of the other's, minus 1: −0.1 is a tenth cheaper.
    None without prices, or where they reach no quality in common."""

    @property
    def verdict(self) -> str:
        """`better`, `ties` or `worse`."""
        low, high = self.interval
        return BETTER if low > 0 else WORSE if high < 0 else TIES

    @property
    def told(self) -> str:
        """In a line, after the name of the router that is meant."""
        low, high = self.interval
        named = {
            BETTER: f"is better than {self.router} by",
            TIES: f"ties with {self.router}:",
            WORSE: f"is worse than {self.router} by",
        }[self.verdict]
        saved = ""
        if self.cost is not None:
            how = "dearer" if self.cost > 0 else "cheaper"
            saved = f", {abs(self.cost):.0%} {how} at the same quality"
        return (
            f"{named} {self.quality:+.4g} {self.metric} [{low:+.4g}, {high:+.4g}] at the same "
            f"cost{saved}, on {self.prompts:,} prompts"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "router": self.router,
            "metric": self.metric,
            "quality": self.quality,
            "cost": self.cost,
            "interval": list(self.interval),
            "prompts": self.prompts,
            "verdict": self.verdict,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Against:
        """What `to_json` wrote; raises KeyError, TypeError or ValueError otherwise."""
        low, high = row["interval"]
        cost = row["cost"]
        return cls(
            str(row["router"]),
            str(row["metric"]),
            int(row["prompts"]),
            float(row["quality"]),
            (float(low), float(high)),
            None if cost is None else float(cost),
        )


def against(
    name: str,
    metric: str,
    truth: Matrix,
    own: Matrix,
    other: Matrix,
    cost: Matrix | None,
    *,
    seed: int = 42,
) -> Against:
    """A router beside the one in use.

    Args:
        name: the one in use.
        metric: what both predict.
        truth: scores, shape (N, M), NaN where a function was not scored; each prompt has one.
        own: what the router said of each prompt, shape (N, M).
        other: the same of the one in use.
        cost: US dollars a picture of each function, shape (M,); None without prices.
    """
    weights = resampled(len(truth), RESAMPLES, seed)
    known = ~np.isnan(truth)
    if cost is None or cost.max() <= cost.min():
        free, rows = np.zeros(truth.shape[1]), np.arange(len(truth))
        picks = [choices(np.where(known, said, -np.inf), free, 0.0) for said in (own, other)]
        gained = percentile_interval(weights @ (truth[rows, picks[0]] - truth[rows, picks[1]]))
        return Against(name, metric, len(truth), gained.value, gained.ci95, None)
    least = np.where(known, cost, np.inf).min(axis=1)
    most = np.where(known, cost, -np.inf).max(axis=1)
    curves = [_sweep(truth, said, cost, known) for said in (own, other)]
    means = [(weights @ one.cost.T, weights @ one.quality.T) for one in curves]
    grids = np.linspace(weights @ least, weights @ most, STEPS + 1, axis=1)
    gained = percentile_interval(
        np.array(
            [
                (
                    running_maximum(*_row(means[0], b), grid)
                    - running_maximum(*_row(means[1], b), grid)
                ).mean()
                for b, grid in enumerate(grids)
            ]
        )
    )
    return Against(
        name,
        metric,
        len(truth),
        gained.value,
        gained.ci95,
        _cheaper(_row(means[0], 0), _row(means[1], 0)),
    )


def learned_by(checkpoint: Checkpoint) -> frozenset[str]:
    """The prompts that a router was trained on, as far as it keeps them."""
    return frozenset(getattr(checkpoint.router, "prompts", ()))


def _row(means: tuple[Matrix, Matrix], place: int) -> tuple[Matrix, Matrix]:
    return means[0][place], means[1][place]


def _sweep(truth: Matrix, said: Matrix, cost: Matrix, known: NDArray[np.bool_]) -> Sweep:
    lambdas = sweep_lambdas(said, cost, STEPS)
    within = np.where(known, said, -np.inf)
    rows = np.arange(len(truth))
    picks = np.stack([choices(within, cost, float(value)) for value in lambdas])
    return Sweep(lambdas, truth[rows, picks], cost[picks])


def _cheaper(own: tuple[Matrix, Matrix], other: tuple[Matrix, Matrix]) -> float | None:
    """The mean cost at equal quality as a share of the other's, minus 1."""
    low = max(own[1][np.argmin(own[0])], other[1][np.argmin(other[0])])
    high = min(own[1].max(), other[1].max())
    if not high > low:
        return None
    wanted = np.linspace(low, high, STEPS + 1)
    costs = [cost_at(wanted, *one) for one in (own, other)]
    both = ~np.isnan(costs[0]) & ~np.isnan(costs[1])
    if not both.any() or costs[1][both].mean() <= 0:
        return None
    return float(costs[0][both].mean() / costs[1][both].mean() - 1.0)
