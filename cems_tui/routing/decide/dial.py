"""From the dial to λ: how many quality units a dollar is worth at each trade-off.

The dial d means a mean cost of c₀ + d·(c₁ − c₀) on the training prompts, c₀ being the cheapest
function always and c₁ this router at λ = 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import UsageError

Matrix = NDArray[np.float64]

REPRESENTATIVES = 400
_ROUNDS = 20
_MARGIN = 1.0 + 1e-9  # a tie at the exact λ can be lost to rounding


def choices(quality: Matrix, cost: Matrix, lambda_per_usd: float) -> NDArray[np.intp]:
    """The function of the best utility for every prompt, shape (N,); ties go to the cheaper.

    Args:
        quality: predicted quality, shape (N, M).
        cost: US dollars of each function, shape (M,).
    """
    cheapest_first = np.argsort(cost, kind="stable")
    utility = quality[:, cheapest_first] - lambda_per_usd * cost[cheapest_first]
    return np.asarray(cheapest_first[np.argmax(utility, axis=1)])


def all_cheapest_lambda(quality: Matrix, cost: Matrix) -> float:
    """The smallest λ at which every prompt goes to a cheapest function; 0 if there is no choice."""
    dearer = cost > cost.min()
    base = quality[:, ~dearer].max(axis=1, keepdims=True)
    if not dearer.any() or not len(quality):
        return 0.0
    slopes = (quality[:, dearer] - base) / (cost[dearer] - cost.min())
    return float(max(0.0, slopes.max()) * _MARGIN)


def lambda_for_dial(
    dial: float,
    quality: NDArray[np.floating],
    cost: Matrix,
    weight: NDArray[np.floating] | None = None,
) -> float:
    """The smallest λ whose mean cost on the training prompts is at most that of the dial.

    Args:
        dial: 0 the cheapest … 1 the best quality.
        quality: the router's estimates for its training prompts, shape (N, M).
        cost: US dollars a picture, shape (M,); a function whose price is NaN is left out.
        weight: how many prompts each row stands for, shape (N,); None is one each.

    Raises:
        UsageError: the dial is not within 0..1.
    """
    if not 0.0 <= dial <= 1.0:
        raise UsageError(f"the trade-off is {dial:g}; it runs from 0 to 1", "Try 0.5.")
    price = np.asarray(cost, dtype=np.float64)
    priced = np.isfinite(price)
    said: Matrix = np.asarray(quality, dtype=np.float64)[:, priced]
    price = price[priced]
    if price.size < 2 or not len(said):
        return 0.0
    share: Matrix = np.ones(len(said)) if weight is None else np.asarray(weight, dtype=np.float64)
    high = all_cheapest_lambda(said, price)
    dearest = _mean_cost(said, price, 0.0, share)
    least = float(price.min())
    target = least + dial * (dearest - least)
    if dial == 1.0 or dearest <= target:
        return 0.0
    return high if dial == 0.0 else _smallest(said, price, share, target * (1.0 + 1e-12), high)


def _smallest(quality: Matrix, cost: Matrix, weight: Matrix, target: float, high: float) -> float:
    """Halves 0..high down to the first λ at which the mean cost is at most the target.

    To the last digit: estimates may differ by very little, and some sixty halvings are usual.
    """
    low = 0.0
    while (middle := (low + high) / 2.0) not in (low, high):
        if _mean_cost(quality, cost, middle, weight) <= target:
            high = middle
        else:
            low = middle
    return high


def _mean_cost(quality: Matrix, cost: Matrix, lambda_per_usd: float, weight: Matrix) -> float:
    return float(np.average(cost[choices(quality, cost, lambda_per_usd)], weights=weight))


Few = tuple[NDArray[np.floating], NDArray[np.floating]]


def representatives(quality: NDArray[np.floating], most: int = REPRESENTATIVES) -> Few:
    """A few estimates (K, M) and the share (K,) of the training prompts each stands for.

    They are k-means of the deviations from each prompt's own level, since only those decide; with
    more than `most` training prompts none of them is meant to be a single prompt's estimate.

    Args:
        quality: a router's estimates for its training prompts, shape (N, M).
    """
    count = len(quality)
    if count <= most:
        return quality, np.full(count, 1.0 / count)
    deviations: Matrix = np.asarray(quality - quality.mean(axis=1, keepdims=True), np.float64)
    spread_out = np.linspace(0, count - 1, most).astype(np.intp)
    centres = deviations[np.lexsort(deviations.T)[spread_out]]
    for _ in range(_ROUNDS):
        own = np.argmin(np.square(centres).sum(axis=1) - 2.0 * deviations @ centres.T, axis=1)
        sizes = np.bincount(own)
        centres = _means(deviations, own, sizes)
    few = np.concatenate([_means(np.asarray(quality, np.float64), own, sizes), _steepest(quality)])
    return few, np.append(sizes[sizes > 0] / count, np.zeros(quality.shape[1]))


def _steepest(quality: NDArray[np.floating]) -> Matrix:
    """For each function a row of weight 0 that leads the others by as much as any prompt does.

    Means lack the extremes, and dial 0 has to send every prompt to the cheapest function.
    """
    lead = [(one[:, None] - quality).max() for one in quality.T]
    return np.asarray(quality.mean() + np.diag(lead), dtype=np.float64)


def _means(values: Matrix, own: NDArray[np.intp], sizes: NDArray[np.intp]) -> Matrix:
    totals = np.stack([np.bincount(own, weights=one) for one in values.T], axis=1)
    return np.asarray(totals[sizes > 0] / sizes[sizes > 0, None])


class Dial:
    """The dial of one router: remembers λ for the prices it has seen."""

    def __init__(
        self,
        functions: Sequence[str],
        quality: NDArray[np.floating],
        weight: NDArray[np.floating] | None = None,
    ) -> None:
        """`quality`, `weight`: estimates that stand for the training prompts, (K, M) and (K,)."""
        self._functions = tuple(functions)
        self._quality, self._weight = quality.astype(np.float64), weight
        self._lambda = lru_cache(maxsize=256)(self._lambda_for)

    def lambda_at(self, dial: float, prices: Mapping[str, float | None]) -> float:
        """λ in quality units per US dollar for those who may be chosen.

        Args:
            prices: US dollars of the functions that may be chosen; the absent and the unknown are
                left out.
        """
        return self._lambda(dial, tuple(prices.get(name) for name in self._functions))

    def _lambda_for(self, dial: float, prices: tuple[float | None, ...]) -> float:
        cost = np.array([np.nan if price is None else price for price in prices])
        return lambda_for_dial(dial, self._quality, cost, self._weight)
