"""Choosing the ensemble's settings by what they were worth on held-out prompts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.estimators.text_router import Blend, Weights
from cems_tui.routing.features import Floats

ALPHAS = (1.0, 3.0, 10.0, 30.0, 100.0)
NEIGHBOURS = (10, 20, 50, 100, 200)
SURE = 1.645
"""Standard errors that a prediction's worth must lie above 0, else the mean is better."""

LEVEL, DEVIATIONS = slice(0, 1), slice(1, None)

Rows = NDArray[np.intp]
Pair = tuple[int | None, int | None]
"""Places of α and K; None without that member."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What every member predicted for prompts it had not seen."""

    ridge: Floats | None
    """Shape (len(ALPHAS), N, 1 + M); None without ridge."""

    neighbours: Floats | None
    """Shape (len(NEIGHBOURS), N, 1 + M); None without neighbours."""

    base: Floats
    """The means of the prompts learned from, shape (N, 1 + M)."""

    def pairs(self) -> list[Pair]:
        """Every choice of (α, K)."""
        alphas: list[int | None] = [None] if self.ridge is None else list(range(len(ALPHAS)))
        counts: list[int | None] = [None]
        if self.neighbours is not None:
            counts = list(range(len(NEIGHBOURS)))
        return list(product(alphas, counts))

    def differences(self, pair: Pair, rows: Rows, columns: slice) -> Floats:
        """Each member's difference from the means, shape (2, n, columns); 0 without the member."""
        base = self.base[rows, columns]
        out = np.zeros((2, *base.shape), dtype=np.float32)
        for place, (predicted, choice) in enumerate(
            zip((self.ridge, self.neighbours), pair, strict=True)
        ):
            if predicted is not None and choice is not None:
                out[place] = predicted[choice][rows, columns] - base
        return out


@dataclass(frozen=True, slots=True)
class _Part:
    """The choice for the level or for the deviations."""

    pair: Pair
    weights: tuple[float, float]


def choose_blend(held_out: HeldOut, truth: Floats, rows: Rows) -> Blend:
    """The settings with the least squared error on those rows; K is the deviations'."""
    deviations = _best(held_out, truth, rows, DEVIATIONS, held_out.pairs())
    count = deviations.pair[1]
    same_count = [pair for pair in held_out.pairs() if pair[1] == count]
    level = _best(held_out, truth, rows, LEVEL, same_count)
    alpha_level, alpha = level.pair[0], deviations.pair[0]
    return Blend(
        None if alpha_level is None else ALPHAS[alpha_level],
        None if alpha is None else ALPHAS[alpha],
        None if count is None else NEIGHBOURS[count],
        Weights(level.weights[0], deviations.weights[0]),
        Weights(level.weights[1], deviations.weights[1]),
    )


def apply_blend(held_out: HeldOut, blend: Blend, rows: Rows) -> Floats:
    """Held-out estimates of quality for the rows under those settings, shape (n, M)."""
    count = None if blend.neighbours is None else NEIGHBOURS.index(blend.neighbours)

    def part(alpha: float | None, weights: tuple[float, float], columns: slice) -> Floats:
        pair = (None if alpha is None else ALPHAS.index(alpha), count)
        difference = held_out.differences(pair, rows, columns)
        return np.asarray(
            held_out.base[rows, columns] + weights[0] * difference[0] + weights[1] * difference[1]
        )

    level = part(blend.alpha_level, (blend.ridge.level, blend.near.level), LEVEL)
    deviation_weights = (blend.ridge.deviation, blend.near.deviation)
    deviations = part(blend.alpha_deviation, deviation_weights, DEVIATIONS)
    return np.asarray(level + deviations, dtype=np.float32)


def _best(held_out: HeldOut, truth: Floats, rows: Rows, columns: slice, pairs: list[Pair]) -> _Part:
    target = truth[rows, columns] - held_out.base[rows, columns]
    least, best = np.inf, _Part(pairs[-1], (0.0, 0.0))
    for pair in pairs:
        members = held_out.differences(pair, rows, columns)
        weights = worth_keeping(members, target)
        predicted = weights[0] * members[0] + weights[1] * members[1]
        error = float(np.square(target - predicted).mean())
        if error < least:
            least, best = error, _Part(pair, weights)
    return best


def worth_keeping(members: Floats, target: Floats) -> tuple[float, float]:
    """How much of each member's predicted difference from the mean held-out prompts bear out.

    Least-squares weights ≥ 0, or none at all where their sum is not surely worth something: too
    little data or no signal.

    Args:
        members: predicted differences of the two members, shape (2, n, T).
        target: the differences that came true, shape (n, T).
    """
    weights = _not_negative(
        np.einsum("ant,bnt->ab", members, members, dtype=np.float64),
        np.einsum("ant,nt->a", members, target, dtype=np.float64),
    )
    predicted = weights[0] * members[0] + weights[1] * members[1]
    energy = float(np.square(predicted).sum())
    if energy < 1e-12 * max(1.0, float(np.square(target).sum())):
        return (0.0, 0.0)
    slope = float((predicted * target).sum()) / energy
    by_prompt = (predicted * (target - slope * predicted)).sum(axis=1)
    error = float(np.sqrt(np.square(by_prompt).sum())) / energy
    return weights if slope > SURE * error else (0.0, 0.0)


def _not_negative(gram: NDArray[np.float64], moments: NDArray[np.float64]) -> tuple[float, float]:
    """The minimiser of wᵀGw − 2wᵀm over w ≥ 0, for two weights."""
    determinant = gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2
    if determinant > 1e-9 * gram[0, 0] * gram[1, 1]:
        first = (gram[1, 1] * moments[0] - gram[0, 1] * moments[1]) / determinant
        second = (gram[0, 0] * moments[1] - gram[0, 1] * moments[0]) / determinant
        if first >= 0 and second >= 0:
            return float(first), float(second)
    alone = [max(0.0, moments[i] / gram[i, i]) if gram[i, i] > 0 else 0.0 for i in range(2)]
    if alone[0] * moments[0] >= alone[1] * moments[1]:
        return float(alone[0]), 0.0
    return 0.0, float(alone[1])
