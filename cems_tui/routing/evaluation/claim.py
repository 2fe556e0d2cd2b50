"""What routing is worth in the two papers' terms: cost saved at equal quality, quality gained at
equal cost, against the best single function and against random mixing. Pure numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cems_tui.routing.decide.dial import choices
from cems_tui.routing.evaluation.curves import (
    Matrix,
    Sweep,
    cost_at,
    running_maximum,
    sweep,
    zero_curve,
    zero_mix,
)
from cems_tui.routing.evaluation.evaluate import Interval, percentile_interval, resampled

STEPS = 400
"""Equal steps of cost, or of quality, over which figures against random mixing are averaged."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What one router is worth on prompts it has not seen. Intervals are 95 %."""

    quality: Interval
    """Mean score of its picks at lambda = 0."""

    cost_usd: Interval
    """Mean price of these picks."""

    saved_at_best_single: Interval | None
    """1 - (least cost at which the best single's mean quality is reached) / its cost; None when
    it is never reached."""

    gained_at_best_single: Interval
    """Quality above the best single's at the best single's cost."""

    saved_over_mixing: Interval
    """1 - cost / cost of random mixing at the same quality: both costs averaged over the
    qualities from the cheapest function's to the best single's that the router reaches."""

    gained_over_mixing: Interval
    """Quality above random mixing at the same cost, averaged from the cheapest function's cost
    to the dearest's (the `area_gain_over_zero` of the contract)."""

    other: Mapping[str, Interval]
    """Means of other metrics of the picks at lambda = 0."""

    def to_json(self) -> dict[str, Any]:
        def shown(value: Interval | None) -> dict[str, Any] | None:
            return value.to_json() if value else None

        return {
            "quality": shown(self.quality),
            "cost_usd": shown(self.cost_usd),
            "saved_at_best_single": shown(self.saved_at_best_single),
            "gained_at_best_single": shown(self.gained_at_best_single),
            "saved_over_mixing": shown(self.saved_over_mixing),
            "gained_over_mixing": shown(self.gained_over_mixing),
            "other": {name: shown(value) for name, value in self.other.items()},
        }


def worth(
    truth: Matrix,
    predicted: Matrix,
    cost: Matrix,
    others: Mapping[str, Matrix] | None = None,
    *,
    seed: int = 42,
    resamples: int = 1000,
) -> Worth:
    """Judges predictions by the scores that came true, by paired bootstrap over prompts.

    Args:
        truth: scores, shape (N, M), complete, higher is better.
        predicted: the router's worth of each function, shape (N, M).
        cost: US dollars a picture, shape (M,).
        others: other metrics' scores, each of shape (N, M).
    """
    rows = np.arange(len(truth))
    weights = resampled(len(truth), resamples, seed)
    best = int(np.argmax(truth.mean(axis=0)))
    picks = choices(predicted, cost, 0.0)
    curve = sweep(truth, predicted, cost)
    figures = np.array([_figures(weight, truth, curve, cost, best) for weight in weights])
    reached = ~np.isnan(figures[:, 0])
    return Worth(
        quality=percentile_interval(weights @ truth[rows, picks]),
        cost_usd=percentile_interval(weights @ cost[picks]),
        saved_at_best_single=percentile_interval(figures[reached, 0]) if reached[0] else None,
        gained_at_best_single=percentile_interval(figures[:, 1]),
        saved_over_mixing=percentile_interval(figures[:, 2]),
        gained_over_mixing=percentile_interval(figures[:, 3]),
        other={
            name: percentile_interval(weights @ values[rows, picks])
            for name, values in (others or {}).items()
        },
    )


def singles(
    truth: Matrix,
    cost: Matrix,
    functions: Sequence[str],
    others: Mapping[str, Matrix] | None = None,
    *,
    seed: int = 42,
    resamples: int = 1000,
) -> dict[str, tuple[Interval, float, dict[str, Interval]]]:
    """Of each way to choose without a router: mean quality, mean cost, means of other metrics."""
    weights = resampled(len(truth), resamples, seed)
    every = np.eye(truth.shape[1])
    shares = {
        "oracle": every[choices(truth, cost, 0.0)],
        **{
            f"always {name}": np.tile(every[m], (len(truth), 1)) for m, name in enumerate(functions)
        },
        "random": np.full(truth.shape, 1.0 / truth.shape[1]),
    }
    return {
        name: (
            percentile_interval(weights @ (share * truth).sum(axis=1)),
            float((share @ cost).mean()),
            {
                metric: percentile_interval(weights @ (share * values).sum(axis=1))
                for metric, values in (others or {}).items()
            },
        )
        for name, share in shares.items()
    }


def mixing(
    truth: Matrix, cost: Matrix, at: float, others: Mapping[str, Matrix] | None = None
) -> tuple[Interval, float, dict[str, Interval]]:
    """As `singles`, of the best random mix of single functions that costs `at` (zero-mix)."""
    share = zero_mix(cost, truth.mean(axis=0), at)
    weights = resampled(len(truth), 1000, 42)
    return (
        percentile_interval(weights @ (truth @ share)),
        float(share @ cost),
        {name: percentile_interval(weights @ (x @ share)) for name, x in (others or {}).items()},
    )


def _figures(
    weight: Matrix, truth: Matrix, curve: Sweep, cost: Matrix, best: int
) -> tuple[float, float, float, float]:
    """Saved and gained at the best single; saved and gained over mixing, of one resample."""
    means = weight @ truth
    quality, spent = curve.quality @ weight, curve.cost @ weight
    grid = np.linspace(cost.min(), cost.max(), STEPS + 1)
    router, zero = running_maximum(spent, quality, grid), zero_curve(cost, means, grid)
    reached = cost_at(np.array([means[best]]), spent, quality)[0]
    gained = running_maximum(spent, quality, cost[[best]])[0] - means[best]
    cheapest = means[int(np.argmin(cost))]
    wanted = np.linspace(cheapest, means[best], STEPS + 1)
    own, mixed = cost_at(wanted, spent, quality), cost_at(wanted, grid, zero)
    both = ~np.isnan(own) & ~np.isnan(mixed)
    saved = 1.0 - own[both].mean() / mixed[both].mean() if both.any() else np.nan
    return 1.0 - reached / cost[best], float(gained), float(saved), float((router - zero).mean())
