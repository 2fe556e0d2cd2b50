"""Conformal 90 % intervals for the score of one picture.

Cross-validation conformal: residuals of held-out predictions, divided by a scale that grows with
the prompt's novelty, give the quantiles; they need no assumption about the shape of the error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

TAIL = 0.05  # on each side of a 90 % interval
_NORMAL_95 = 1.645


@dataclass(frozen=True, slots=True)
class Readings:
    """Every single score there is: several of one cell are repeats (seeds or raters)."""

    row: NDArray[np.intp]
    column: NDArray[np.intp]
    score: Matrix


@dataclass(frozen=True, slots=True)
class Spread:
    """How far scores of one picture lie from the estimate."""

    low: Matrix
    """Lower quantile of the scaled residuals, ≤ 0, shape (M,)."""

    high: Matrix
    """Upper quantile, ≥ 0, shape (M,)."""

    growth: float
    """The scale is 1 + growth × (novelty − its mean), growth ≥ 0."""

    novelty_mean: float
    unfamiliar: Matrix
    """Added on both sides for a prompt out of distribution: the spread of prompts, shape (M,)."""

    def around(
        self, quality: Matrix, novelty: float, *, in_distribution: bool
    ) -> tuple[Matrix, Matrix]:
        """Lower and upper ends for estimates of shape (M,); the estimate lies within."""
        scale = float(scale_of(novelty if in_distribution else 1.0, self.growth, self.novelty_mean))
        extra = 0.0 if in_distribution else self.unfamiliar
        return quality + self.low * scale - extra, quality + self.high * scale + extra


def scale_of(novelty: Matrix | float, growth: float, mean: float) -> Matrix | float:
    """The relative width of an interval at a novelty."""
    return np.maximum(0.25, 1.0 + growth * (np.asarray(novelty) - mean))


def learn_spread(predicted: Matrix, novelty: Matrix, readings: Readings, means: Matrix) -> Spread:
    """The spread of single readings around held-out predictions.

    Args:
        predicted: held-out estimates, shape (N, M).
        novelty: of each prompt with respect to the prompts its estimate was learned from, (N,).
        readings: the scores, repeats included.
        means: mean score of each function for each prompt, shape (N, M), NaN where missing.
    """
    width = predicted.shape[1]
    residual = readings.score - predicted[readings.row, readings.column]
    size = np.array([np.abs(residual[readings.column == m]).mean() for m in range(width)])
    relative = np.abs(residual) / np.maximum(size, 1e-12)[readings.column]
    mean, growth = _growth(novelty[readings.row], relative)
    scaled = residual / scale_of(novelty[readings.row], growth, mean)
    low, high = np.zeros(width), np.zeros(width)
    for m in range(width):
        own = scaled[readings.column == m]
        prompts = np.unique(readings.row[readings.column == m]).size
        tail = max(0.0, TAIL - (1.0 - TAIL) / prompts)  # the finite-sample correction
        low[m], high[m] = np.quantile(own, [tail, 1.0 - tail])
    unfamiliar = _NORMAL_95 * np.nanstd(means, axis=0)
    floor = np.maximum(1e-9, 0.25 * (high - low))  # clearly wider even where prompts do not differ
    return Spread(
        np.minimum(low, 0.0), np.maximum(high, 0.0), growth, mean, np.maximum(unfamiliar, floor)
    )


def _growth(novelty: Matrix, relative: Matrix) -> tuple[float, float]:
    """Mean novelty and the slope of the relative error on it, 0 … 2."""
    mean = float(novelty.mean())
    variance = float(novelty.var())
    if variance < 1e-9:
        return mean, 0.0
    slope = float(((novelty - mean) * (relative - relative.mean())).mean() / variance)
    return mean, min(2.0, max(0.0, slope))
