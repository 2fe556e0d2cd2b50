"""From the dial to λ: how many quality units a dollar is worth at each trade-off.

The dial d means a mean cost of c₀ + d·(c₁ − c₀) on the training prompts, c₀ being the cheapest
function always and c₁ this router at λ = 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import UsageError
from cems_tui.routing.decide.policy import FREE_HAND

Matrix = NDArray[np.float64]

REPRESENTATIVES = 400
STEPS_OF_LAMBDA = 401
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


@dataclass(frozen=True, slots=True)
class Balance:
    """Where the default stands on the dial, and what it gives there; shares are of the way.

    The dial is the knee of the router's curve of held-out prompts: from there on one more share of
    cost buys less than one share of quality, shares being of the way from the cheapest function to
    the best single one.
    """

    dial: float
    quality_share: float | None
    """(mean quality − the cheapest's) ÷ (the best single function's − the cheapest's), of the whole
    default; None where the cheapest is the best."""

    cost_share: float | None
    """Mean cost ÷ the best single function's."""

    quality: float
    cost_usd: float
    prompts: int
    """Held-out prompts these figures are of."""

    expected: bool = False
    """Whether the figures are what the router expected of those prompts, not what they scored."""


def knee(cost: Matrix, quality: Matrix, singles_cost: Matrix, singles_quality: Matrix) -> float:
    """The dial at which one more share of cost buys one share of quality, 0..1.

    Args:
        cost, quality: means of the router's choices over a sweep of λ, which begins with λ = 0 and
            ends with the cheapest for all, shape (L,).
        singles_cost, singles_quality: of each function always, shape (M,).
    """
    cheapest = int(np.lexsort((-singles_quality, singles_cost))[0])
    best = int(np.argmax(singles_quality))
    dearer = singles_cost[best] - singles_cost[cheapest]
    better = singles_quality[best] - singles_quality[cheapest]
    if dearer <= 0 or better <= 0 or cost[0] <= cost[-1]:
        return 0.0
    place = int(np.argmax(quality / better - cost / dearer))
    return float(min(1.0, max(0.0, (cost[place] - cost[-1]) / (cost[0] - cost[-1]))))


def sweep_lambdas(quality: Matrix, cost: Matrix, steps: int = STEPS_OF_LAMBDA) -> Matrix:
    """0 and geometric steps up to the λ at which all prompts go to the cheapest."""
    high = all_cheapest_lambda(quality, cost)
    rising = np.geomspace(high * 1e-5, high, steps - 1) if high else np.zeros(1)
    return np.concatenate([[0.0], rising])


def balanced_choices(
    quality: Matrix, cost: Matrix, lambda_per_usd: float, least: Matrix
) -> NDArray[np.intp]:
    """What the default takes for every prompt, shape (N,): `policy.pick`, many at once.

    Args:
        quality: predicted quality, shape (N, M).
        cost: US dollars of each function, shape (M,).
        least: `PairedSpread.least`, shape (M, M).
    """
    dear = cost > FREE_HAND * cost.min()
    cheap = np.flatnonzero(cost == cost.min())
    own = cheap[np.argmax(quality[:, cheap], axis=1)]
    rows = np.arange(len(quality))
    gain = quality - quality[rows, own][:, None]
    held = dear & ~(gain > least[:, own].T)
    return choices(np.where(held, -np.inf, quality), cost, lambda_per_usd)


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
        self._knee = lru_cache(maxsize=256)(self._knee_for)

    def lambda_at(self, dial: float, prices: Mapping[str, float | None]) -> float:
        """λ in quality units per US dollar for those who may be chosen.

        Args:
            prices: US dollars of the functions that may be chosen; the absent and the unknown are
                left out.
        """
        return self._lambda(dial, tuple(prices.get(name) for name in self._functions))

    def knee(self, prices: Mapping[str, float | None]) -> float:
        """The knee of what the router expects for its own training prompts, where its card has none
        of held-out ones: 0..1.

        Args:
            prices: as for `lambda_at`.
        """
        return self._knee(tuple(prices.get(name) for name in self._functions))

    def _knee_for(self, prices: tuple[float | None, ...]) -> float:
        cost = np.array([np.nan if price is None else price for price in prices])
        priced = np.isfinite(cost)
        said, cost = self._quality[:, priced], cost[priced]
        if cost.size < 2 or not len(said):
            return 0.0
        share = np.ones(len(said)) if self._weight is None else self._weight.astype(np.float64)
        rows = np.arange(len(said))
        picks = [choices(said, cost, float(value)) for value in sweep_lambdas(said, cost)]
        return knee(
            np.array([np.average(cost[own], weights=share) for own in picks]),
            np.array([np.average(said[rows, own], weights=share) for own in picks]),
            cost,
            np.average(said, axis=0, weights=share),
        )

    def _lambda_for(self, dial: float, prices: tuple[float | None, ...]) -> float:
        cost = np.array([np.nan if price is None else price for price in prices])
        return lambda_for_dial(dial, self._quality, cost, self._weight)
