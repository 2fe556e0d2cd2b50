"""How good a router is: curves, areas and intervals from what it predicted and what came true.

Everything is judged against random mixing of single functions at the same cost (the zero router)
as well as against the best single function. Pure numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.decide.dial import choices
from cems_tui.routing.evaluation.curves import (
    Matrix,
    Sweep,
    cost_at,
    first_cost,
    hull_corners,
    running_maximum,
    sweep,
    zero_curve,
    zero_mix,
)

STEPS_OF_COST = 800
RESAMPLES = 1000

BEATS, TIES, WORSE = "beats best single", "ties", "worse"
BETTER, SAVES, BOTH = "better pictures", "saves cost", "both"


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to choose, and what it gives on average. None needs prices that are not known."""

    name: str
    quality: float | None
    cost_usd: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)


CHANCE = 0.001
"""The share of resamples that may fall to 0 or below where a gain is called one. With 0.025,
routers were said to beat on 5 of 223 tables that had nothing to learn."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % bootstrap interval."""

    value: float
    ci95: tuple[float, float]
    least: float
    """The quantile CHANCE of the resamples."""

    @property
    def is_a_gain(self) -> bool:
        """Above 0 but for one resample in 1 / CHANCE."""
        return self.least > 0

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "ci95": list(self.ci95)}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every figure of `cems router eval`, the latency apart."""

    prompts: int
    strategies: tuple[Strategy, ...]
    curve: tuple[tuple[float, float, float], ...]
    """(λ, mean quality, mean cost in US dollars) of the sweep; empty without prices."""

    area_recovered: Interval | None
    area_gain_over_zero: Interval | None
    quality_vs_best_single: Interval
    gap_recovered: Interval | None
    qnc: float | None
    cpt: Mapping[str, float | None]
    ranking: Ranking
    shares: Mapping[str, float]
    best_single: str
    """The function of the highest mean on these prompts."""

    correlation: Agreement
    instead: tuple[Instead, ...]
    """Beside each single function worth running otherwise, the cheapest first; empty without
    prices."""

    @property
    def verdict_words(self) -> str:
        """`better pictures`, `saves cost`, `both`, `ties` or `worse`: against what one would run
        otherwise. The best single function decides; where it is not told apart, any other that is
        not the cheapest of all; then the best single again, with cost no object. What does not beat
        mixing over the whole range of costs ties."""
        if self.verdict != BEATS:
            return self.verdict
        for one in sorted(self.instead, key=lambda one: one.function != self.best_single):
            if one.words != TIES:
                return one.words
        return BETTER if self.quality_vs_best_single.is_a_gain else TIES

    @property
    def verdict(self) -> str:
        """`beats best single`, `ties` or `worse`; what beats does so over the whole range of costs.
        What ties has words that tie, too."""
        difference, gain = self.quality_vs_best_single, self.area_gain_over_zero
        if difference.ci95[1] < 0:
            return WORSE
        return BEATS if (gain or difference).is_a_gain else TIES

    def to_json(self) -> dict[str, Any]:
        def interval(value: Interval | None) -> dict[str, Any] | None:
            return value.to_json() if value else None

        return {
            "prompts": self.prompts,
            "strategies": [
                {
                    "name": one.name,
                    "quality": one.quality,
                    "cost_usd": one.cost_usd,
                    "metrics": dict(one.metrics),
                }
                for one in self.strategies
            ],
            "curve": [
                {"lambda": value, "quality": quality, "cost_usd": cost}
                for value, quality, cost in self.curve
            ],
            "area_recovered": interval(self.area_recovered),
            "area_gain_over_zero": interval(self.area_gain_over_zero),
            "quality_vs_best_single": self.quality_vs_best_single.to_json(),
            "gap_recovered": interval(self.gap_recovered),
            "qnc": self.qnc,
            "cpt": dict(self.cpt),
            **self.ranking.to_json(),
            "shares": dict(self.shares),
            "best_single": self.best_single,
            "correlation": self.correlation.to_json(),
            "instead": [one.to_json() for one in self.instead],
            "verdict": self.verdict,
            "verdict_words": self.verdict_words,
        }


def evaluate(
    truth: Matrix,
    predicted: Matrix,
    cost: Matrix | None,
    functions: Sequence[str],
    *,
    metrics: Mapping[str, Matrix] | None = None,
    seed: int = 42,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Judges predictions by the scores that came true.

    Args:
        truth: scores, shape (N, M), complete, higher is better.
        predicted: the router's estimates, shape (N, M).
        cost: US dollars a picture of each function, shape (M,); None without prices.
        metrics: other metrics' scores of the same prompts, each of shape (N, M).
        resamples: paired bootstrap resamples over prompts.
    """
    truth, predicted = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    order_cost = np.zeros(truth.shape[1]) if cost is None else np.asarray(cost, np.float64)
    picks = choices(predicted, order_cost, 0.0)
    weights = resampled(len(truth), resamples, seed)
    difference, gap = _against_best_single(truth, picks, weights)
    curve = sweep(truth, predicted, order_cost) if cost is not None else None
    recovered, gain = (
        _areas(truth, predicted, order_cost, weights) if cost is not None else (None, None)
    )
    return Evaluation(
        prompts=len(truth),
        strategies=_strategies(truth, picks, order_cost, functions, metrics or {}, cost is None),
        curve=curve.points() if curve else (),
        area_recovered=recovered,
        area_gain_over_zero=gain,
        quality_vs_best_single=difference,
        gap_recovered=gap,
        qnc=_qnc(truth, curve, order_cost) if curve else None,
        cpt={str(x): _cpt(truth, curve, order_cost, x) if curve else None for x in (50, 80, 95)},
        ranking=ranking(truth, picks),
        shares={name: float((picks == m).mean()) for m, name in enumerate(functions)},
        best_single=functions[int(np.argmax(truth.mean(axis=0)))],
        correlation=agreement(truth, predicted),
        instead=_instead(truth, curve, order_cost, functions, weights) if curve else (),
    )


def resampled(prompts: int, resamples: int, seed: int) -> Matrix:
    """Weights (B + 1, N) of the prompts: the first row the sample itself, then resamples."""
    random = np.random.default_rng(seed)
    drawn = random.multinomial(prompts, np.full(prompts, 1.0 / prompts), size=resamples)
    return np.concatenate([np.ones((1, prompts)), drawn]) / prompts


def percentile_interval(values: Matrix) -> Interval:
    """The first value with the 2.5 and 97.5 percentiles of the others.

    What is only rounding (1e-9 and less) is 0: a router that always picks the best single
    function neither beats it nor is worse.
    """
    values = np.where(np.abs(values) < 1e-9, 0.0, values)
    resamples = values[1:] if values.size > 1 else values
    least, low, high = np.quantile(resamples, [CHANCE, 0.025, 0.975])
    return Interval(float(values[0]), (float(low), float(high)), float(least))


def _against_best_single(
    truth: Matrix, picks: NDArray[np.intp], weights: Matrix
) -> tuple[Interval, Interval | None]:
    """Router − best single at λ = 0, and that as a share of oracle − best single.

    The best single is that of the evaluated prompts in every resample.
    """
    best = truth[:, int(np.argmax(truth.mean(axis=0)))]
    difference = weights @ (truth[np.arange(len(truth)), picks] - best)
    headroom = weights @ (truth.max(axis=1) - best)
    usable = headroom > 1e-12
    gap = percentile_interval(difference[usable] / headroom[usable]) if usable[0] else None
    return percentile_interval(difference), gap


# Beside what one would run otherwise: a single function at its own cost.


@dataclass(frozen=True, slots=True)
class Instead:
    """The router beside always taking one function."""

    function: str
    cost_usd: float
    gained: Interval
    """Quality above the function's at its cost."""

    saved: Interval | None
    """1 − (least cost at which its quality is reached) / its cost; 0 where a resample does not
    reach it. None for what costs nothing."""

    @property
    def words(self) -> str:
        """`better pictures`, `saves cost`, `both` or `ties`."""
        better = self.gained.is_a_gain
        saves = self.saved is not None and self.saved.is_a_gain
        return BOTH if better and saves else BETTER if better else SAVES if saves else TIES

    def to_json(self) -> dict[str, Any]:
        return {
            "function": self.function,
            "cost_usd": self.cost_usd,
            "quality_gained": self.gained.to_json(),
            "cost_saved": None if self.saved is None else self.saved.to_json(),
            "verdict_words": self.words,
        }


def _instead(
    truth: Matrix, curve: Sweep, cost: Matrix, functions: Sequence[str], weights: Matrix
) -> tuple[Instead, ...]:
    """Beside each function on the hull of the single ones: nobody would run another."""
    corners = hull_corners(cost, truth.mean(axis=0))
    means = weights @ truth
    spent, quality = weights @ curve.cost.T, weights @ curve.quality.T
    gained, saved = (np.empty((len(weights), len(corners))) for _ in range(2))
    for row, (c, q) in enumerate(zip(spent, quality, strict=True)):
        gained[row] = running_maximum(c, q, cost[corners]) - means[row, corners]
        reached = cost_at(means[row, corners], c, q)
        with np.errstate(invalid="ignore", divide="ignore"):
            saved[row] = np.nan_to_num(1.0 - reached / cost[corners])
    return tuple(
        Instead(
            functions[m],
            float(cost[m]),
            percentile_interval(gained[:, place]),
            percentile_interval(saved[:, place]) if cost[m] > 0 else None,
        )
        for place, m in enumerate(corners)
    )


def _areas(
    truth: Matrix, predicted: Matrix, cost: Matrix, weights: Matrix
) -> tuple[Interval | None, Interval | None]:
    """Recovered share of the oracle's area over the zero router, and the area itself."""
    if cost.max() <= cost.min():
        return None, None
    router, oracle = areas(truth, predicted, cost, weights)
    usable = oracle > 1e-12
    recovered = percentile_interval(router[usable] / oracle[usable]) if usable[0] else None
    return recovered, percentile_interval(router)


def areas(truth: Matrix, predicted: Matrix, cost: Matrix, weights: Matrix) -> tuple[Matrix, Matrix]:
    """The area over the zero router of the predictions and of the oracle, shapes (B + 1,).

    Args:
        weights: of the prompts in the sample and in every resample, see `resampled`.
    """
    grid = np.linspace(cost.min(), cost.max(), STEPS_OF_COST + 1)
    singles = weights @ truth
    zero = np.stack([zero_curve(cost, means, grid) for means in singles])
    router = _mean_area(sweep(truth, predicted, cost), weights, grid, zero)
    oracle = _mean_area(sweep(truth, truth, cost), weights, grid, zero)
    return router, oracle


def area_of(truth: Matrix, predicted: Matrix, cost: Matrix) -> float:
    """The recovered share of the oracle's area over mixing, without an interval; NaN without one.

    Args:
        truth: scores, shape (N, M), complete, higher is better.
        predicted: the router's estimates, shape (N, M).
        cost: US dollars a picture of each function, shape (M,).
    """
    recovered, _ = _areas(truth, predicted, cost, np.full((1, len(truth)), 1.0 / len(truth)))
    return np.nan if recovered is None else recovered.value


def _mean_area(one: Sweep, weights: Matrix, grid: Matrix, zero: Matrix) -> Matrix:
    """Mean of curve − zero over the grid, for every resample."""
    quality, cost = weights @ one.quality.T, weights @ one.cost.T
    curves = [running_maximum(c, q, grid) for c, q in zip(cost, quality, strict=True)]
    return np.asarray((np.stack(curves) - zero).mean(axis=1))


def _strategies(
    truth: Matrix,
    picks: NDArray[np.intp],
    cost: Matrix,
    functions: Sequence[str],
    metrics: Mapping[str, Matrix],
    unpriced: bool,
) -> tuple[Strategy, ...]:
    """Each strategy is a matrix of shares (N, M): who gets which prompt; None needs prices."""
    count, width = truth.shape
    every = np.eye(width)
    routed = every[picks]
    shares: dict[str, Matrix | None] = {
        "oracle": every[choices(truth, cost, 0.0)],
        "random": np.full((count, width), 1.0 / width),
        "zero-mix": None,
    }
    if not unpriced:
        mix = zero_mix(cost, truth.mean(axis=0), float((routed @ cost).mean()))
        shares["zero-mix"] = np.tile(mix, (count, 1))
    for m, name in enumerate(functions):
        shares[f"always:{name}"] = np.tile(every[m], (count, 1))
    shares["router"] = routed
    return tuple(
        Strategy(name, None, None)
        if share is None
        else Strategy(
            name,
            float((share * truth).sum(axis=1).mean()),
            None if unpriced else float((share @ cost).mean()),
            {key: float(np.nanmean((share * other).sum(axis=1))) for key, other in metrics.items()},
        )
        for name, share in shares.items()
    )


def _qnc(truth: Matrix, curve: Sweep, cost: Matrix) -> float | None:
    """The least cost that matches the best single's mean quality, as a share of its cost."""
    best = int(np.argmax(truth.mean(axis=0)))
    reached = first_cost(curve, float(truth.mean(axis=0)[best]))
    return None if reached is None or cost[best] <= 0 else float(reached / cost[best])


def _cpt(truth: Matrix, curve: Sweep, cost: Matrix, percent: int) -> float | None:
    """The least cost share at which x % of the way from cheapest to best single is reached."""
    means = truth.mean(axis=0)
    cheapest, best = int(np.lexsort((-means, cost))[0]), int(np.argmax(means))
    if means[best] <= means[cheapest] or cost[best] <= cost[cheapest]:
        return None
    wanted = means[cheapest] + percent / 100.0 * (means[best] - means[cheapest])
    reached = first_cost(curve, float(wanted))
    if reached is None:
        return None
    return float((reached - cost[cheapest]) / (cost[best] - cost[cheapest]))


# How well predictions follow what came true: of scores, and of differences between functions.


@dataclass(frozen=True, slots=True)
class Agreement:
    """Pearson correlations over prompts × functions; None where one side is constant."""

    quality: float | None
    """Of the scores themselves: a prompt that is hard for every function counts here."""

    differences: float | None
    """Of the differences between the functions of a prompt: the part that can change a pick."""

    interaction: float | None
    """Of the differences without the functions' own means: the part that depends on the prompt."""

    def to_json(self) -> dict[str, float | None]:
        return asdict(self)


def agreement(truth: Matrix, predicted: Matrix) -> Agreement:
    """The correlations of predictions with scores, both of shape (N, M)."""
    true_differences, said_differences = _by_row(truth), _by_row(predicted)
    return Agreement(
        _cosine(truth - truth.mean(), predicted - predicted.mean()),
        _cosine(true_differences, said_differences),
        _cosine(
            true_differences - true_differences.mean(axis=0),
            said_differences - said_differences.mean(axis=0),
        ),
    )


def _by_row(values: Matrix) -> Matrix:
    """Without each prompt's mean: the inner product of two such is that of all pair differences."""
    return np.asarray(values - values.mean(axis=1, keepdims=True))


def _cosine(one: Matrix, other: Matrix) -> float | None:
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum() / scale) if scale > 1e-12 else None


# A router's figures in every source data set by itself: an average can hide where it fails.


KEPT = (
    "prompts",
    "best_single",
    "quality_vs_best_single",
    "area_recovered",
    "area_gain_over_zero",
    "gap_recovered",
    "qnc",
    "top1",
    "correlation",
    "shares",
    "verdict",
)


def figures_by_group(
    truth: Matrix,
    predicted: Matrix,
    cost: Matrix | None,
    functions: Sequence[str],
    groups: Sequence[str],
    seed: int = 42,
) -> dict[str, Mapping[str, Any]]:
    """The main figures of each group, by its name; empty where the table names none.

    Args:
        truth: scores, shape (N, M), complete, higher is better.
        predicted: the router's estimates, shape (N, M).
        cost: US dollars a picture, shape (M,); None without prices.
        groups: the group of each prompt; prompts with an empty name are in none.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for group in dict.fromkeys(groups):
        if not group:
            continue
        rows = np.flatnonzero([one == group for one in groups])
        figures = evaluate(truth[rows], predicted[rows], cost, functions, seed=seed).to_json()
        found[group] = {key: figures[key] for key in KEPT}
    return found


# How often the best, or at least the second best, function is picked, with its baselines.


@dataclass(frozen=True, slots=True)
class Ranking:
    """Shares of picks by the rank of their score among the functions' scores."""

    top1: float
    """Share of picks with the highest score; ties count."""

    second_best: float | None
    """Of the misses, the share whose pick ranks second; None without a miss."""

    second_best_random: float | None
    """The same for a picker that draws functions at random."""

    second_best_best_single: float | None
    """The same for always picking the function of the highest mean."""

    def to_json(self) -> dict[str, float | None]:
        return asdict(self)


def ranking(truth: NDArray[np.float64], picks: NDArray[np.intp]) -> Ranking:
    """Ranks of the picked functions, shape (N,), among the scores (N, M)."""
    better = np.stack(  # how many are strictly better
        [row.size - np.searchsorted(np.sort(row), row, side="right") for row in truth]
    )
    rows = np.arange(len(truth))
    best_single = int(np.argmax(truth.mean(axis=0)))
    picked = better[rows, picks]
    return Ranking(
        float((picked == 0).mean()),
        _second_of_misses(picked),
        _second_of_misses(better.ravel()),
        _second_of_misses(better[:, best_single]),
    )


def _second_of_misses(better: NDArray[np.intp]) -> float | None:
    misses = better[better > 0]
    return float((misses == 1).mean()) if misses.size else None
