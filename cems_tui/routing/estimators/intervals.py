"""Conformal 90 % intervals for a score of the table.

Cross-validation conformal: residuals of held-out predictions, divided by a scale that grows with
the prompt's novelty, give the quantiles; they need no assumption about the shape of the error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.score_tables.table import ScoreTable, together

Matrix = NDArray[np.float64]

TAIL = 0.05  # on each side of a 90 % interval
_NORMAL_95 = 1.645


@dataclass(frozen=True, slots=True)
class Readings:
    """Every single score there is: several of one cell are repeats (seeds or raters)."""

    row: NDArray[np.intp]
    column: NDArray[np.intp]
    score: Matrix

    def some(self, places: NDArray[np.intp]) -> Readings:
        """Those at the given places."""
        return Readings(self.row[places], self.column[places], self.score[places])


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
    parts = [readings.column == m for m in range(width)]
    parts = [part if part.any() else np.ones_like(part) for part in parts]  # as all the others
    size = np.array([np.abs(residual[part]).mean() for part in parts])
    relative = np.abs(residual) / np.maximum(size, 1e-12)[readings.column]
    mean, growth = _growth(novelty[readings.row], relative)
    scaled = residual / scale_of(novelty[readings.row], growth, mean)
    low, high = np.zeros(width), np.zeros(width)
    for m in range(width):
        own = scaled[parts[m]]
        prompts = np.unique(readings.row[parts[m]]).size
        tail = max(0.0, TAIL - (1.0 - TAIL) / prompts)  # the finite-sample correction
        low[m], high[m] = np.quantile(own, [tail, 1.0 - tail])
    known = ~np.isnan(means)
    count = np.maximum(known.sum(axis=0), 1)
    middle = np.where(known, means, 0.0).sum(axis=0) / count
    spread = np.where(known, np.square(means - middle), 0.0).sum(axis=0) / count
    unfamiliar = _NORMAL_95 * np.sqrt(spread)
    floor = np.maximum(1e-9, 0.25 * (high - low))  # clearly wider even where prompts do not differ
    return Spread(
        np.minimum(low, 0.0), np.maximum(high, 0.0), growth, mean, np.maximum(unfamiliar, floor)
    )


def held_out_coverage(
    predicted: Matrix, novelty: Matrix, readings: Readings, means: Matrix, fold: NDArray[np.intp]
) -> dict[str, Any]:
    """The share of readings inside their interval, learned on the other folds' residuals.

    The 95 % interval takes prompts, not readings, as independent.
    """
    inside = np.zeros(readings.score.size, dtype=np.bool_)
    for number in np.unique(fold):
        other, rows = (
            np.flatnonzero((fold[readings.row] == number) == own) for own in (False, True)
        )
        spread = learn_spread(predicted, novelty, readings.some(other), means)
        row, column = readings.row[rows], readings.column[rows]
        scale = scale_of(novelty[row], spread.growth, spread.novelty_mean)
        residual = readings.score[rows] - predicted[row, column]
        inside[rows] = (residual >= spread.low[column] * scale) & (
            residual <= spread.high[column] * scale
        )
    by_prompt = np.bincount(readings.row, weights=inside) / np.maximum(1, np.bincount(readings.row))
    by_prompt = by_prompt[np.unique(readings.row)]
    error = 1.96 * float(by_prompt.std()) / max(1, by_prompt.size) ** 0.5
    value = float(inside.mean())
    return {"nominal": 0.9, "value": value, "ci95": [value - error, value + error]}


def said_of_interval(table: ScoreTable, metric: str, pictures: int | None) -> str:
    """What the 90 % interval holds and how it was made, for the card."""
    how = (
        "cross-validation conformal on residuals of held-out prompts, scaled by novelty; outside "
        "the training distribution the spread of prompts is added on both sides"
    )
    own = np.flatnonzero(table.metric.says(metric) & ~np.isnan(table.score))
    cells = together([table.prompt_id.places[own], table.function.places[own]])
    repeated = len(np.unique(cells)) < len(own)
    if pictures is not None and pictures > 1:
        return (
            f"90 % for the mean score of {pictures} pictures: {how}. How far single pictures lie "
            "apart is not in the table, so the interval of one picture is wider by an unknown part"
        )
    if repeated and (table.rater.places[own] >= 0).any():
        return f"90 % for one rating of one picture, the spread of raters included: {how}"
    if repeated:
        return f"90 % for one picture, the spread of its repeats included: {how}"
    return f"90 % for one score of the table, taken to be one picture's: {how}"


def _growth(novelty: Matrix, relative: Matrix) -> tuple[float, float]:
    """Mean novelty and the slope of the relative error on it, 0 … 2."""
    mean = float(novelty.mean())
    variance = float(novelty.var())
    if variance < 1e-9:
        return mean, 0.0
    slope = float(((novelty - mean) * (relative - relative.mean())).mean() / variance)
    return mean, min(2.0, max(0.0, slope))
