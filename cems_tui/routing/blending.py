"""Choosing the ensemble's settings by what they were worth on held-out prompts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.estimators.text_router import Blend
from cems_tui.routing.features import Floats

ALPHAS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
NEIGHBOURS = (10, 20, 50, 100, 200)
SURE = 1.645
"""Standard errors that a prediction's worth must lie above 0, else the mean is better."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What every member predicted for prompts it had not seen."""

    ridge: Floats | None
    """Shape (len(ALPHAS), N, 1 + M); None without ridge."""

    neighbours: Floats | None
    """Shape (len(NEIGHBOURS), N, 1 + M); None without neighbours."""

    base: Floats
    """The means of the prompts learned from, shape (N, 1 + M)."""

    def pairs(self) -> list[tuple[int | None, int | None]]:
        """Every choice of (α, K), by place."""
        alphas: list[int | None] = [None] if self.ridge is None else list(range(len(ALPHAS)))
        counts: list[int | None] = (
            [None] if self.neighbours is None else list(range(len(NEIGHBOURS)))
        )
        return list(product(alphas, counts))

    def blend(self, alpha: int | None, count: int | None, columns: slice) -> Floats:
        """The average of the members, as a difference from the means."""
        members = []
        if self.ridge is not None and alpha is not None:
            members.append(self.ridge[alpha][:, columns])
        if self.neighbours is not None and count is not None:
            members.append(self.neighbours[count][:, columns])
        return np.asarray(np.mean(members, axis=0) - self.base[:, columns], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Part:
    """The choice for the level or for the deviations."""

    alpha: int | None
    count: int | None
    keep: float


LEVEL, DEVIATIONS = slice(0, 1), slice(1, None)


def choose_blend(held_out: HeldOut, truth: Floats, rows: NDArray[np.intp]) -> Blend:
    """The settings with the least squared error on those rows; K is the deviations'."""
    deviations = _best(held_out, truth, rows, DEVIATIONS, held_out.pairs())
    same_count = [pair for pair in held_out.pairs() if pair[1] == deviations.count]
    level = _best(held_out, truth, rows, LEVEL, same_count)
    return Blend(
        None if level.alpha is None else ALPHAS[level.alpha],
        None if deviations.alpha is None else ALPHAS[deviations.alpha],
        None if deviations.count is None else NEIGHBOURS[deviations.count],
        level.keep,
        deviations.keep,
    )


def apply_blend(held_out: HeldOut, blend: Blend, rows: NDArray[np.intp]) -> Floats:
    """Held-out estimates of quality for the rows under those settings, shape (n, M)."""
    alpha_level = None if blend.alpha_level is None else ALPHAS.index(blend.alpha_level)
    alpha = None if blend.alpha_deviation is None else ALPHAS.index(blend.alpha_deviation)
    count = None if blend.neighbours is None else NEIGHBOURS.index(blend.neighbours)
    level = blend.keep_level * held_out.blend(alpha_level, count, LEVEL)[rows]
    deviations = blend.keep_deviation * held_out.blend(alpha, count, DEVIATIONS)[rows]
    base = held_out.base[rows]
    return np.asarray(base[:, :1] + base[:, 1:] + level + deviations, dtype=np.float32)


def _best(
    held_out: HeldOut,
    truth: Floats,
    rows: NDArray[np.intp],
    columns: slice,
    pairs: list[tuple[int | None, int | None]],
) -> _Part:
    target = truth[rows, columns] - held_out.base[rows, columns]
    least, best = np.inf, _Part(*pairs[-1], 0.0)
    for alpha, count in pairs:
        predicted = held_out.blend(alpha, count, columns)[rows]
        keep = worth_keeping(predicted, target)
        error = float(np.square(target - keep * predicted).mean())
        if error < least:
            least, best = error, _Part(alpha, count, keep)
    return best


def worth_keeping(predicted: Floats, target: Floats) -> float:
    """The share of predicted differences from the mean that held-out prompts bear out, 0 … 1.

    The least-squares slope, or 0 where it is not surely above 0: too little data or no signal.
    """
    energy = float(np.square(predicted).sum())
    if energy < 1e-12 * max(1.0, float(np.square(target).sum())):
        return 0.0
    slope = float((predicted * target).sum()) / energy
    by_prompt = (predicted * (target - slope * predicted)).sum(axis=1)
    error = float(np.sqrt(np.square(by_prompt).sum())) / energy
    return min(1.0, slope) if slope > SURE * error else 0.0
