"""Learns from scores of prompts outside the vocabulary what such prompts score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import UsageError
from cems_tui.routing.estimators.intervals import TAIL
from cems_tui.routing.estimators.outside import Band, Known, KnownWords, Outside
from cems_tui.score_tables.table import ScoreTable

Matrix = NDArray[np.float64]

LEAST_PROMPTS = 8
"""In a band; a smaller one is taken together with the next."""

SIGNIFICANT = 2.45
"""Standard errors between two functions' means, from which a difference is told apart: one-sided
5 % shared by seven comparisons with the best (Bonferroni)."""

EDGES = (2, 5, 12, None)
"""The most unknown words of prompts that are taken together, as far as they are enough."""


def learn_outside(
    table: ScoreTable, metric: str, functions: Sequence[str], words: KnownWords
) -> Outside:
    """The bands of a table whose prompts are outside the vocabulary; those inside are left out.

    Args:
        metric: one of the table, higher is better.
        functions: the router's, in its order.

    Raises:
        UsageError: a function has no scores there, or too few prompts are outside.
        UnknownName: the table has no such metric.
    """
    pivot = table.pivot(metric)
    missing = sorted(set(functions) - set(pivot.functions))
    if missing:
        raise UsageError(
            f"the table has no scores of {', '.join(missing)}", "Draw its prompts with them too."
        )
    columns = [pivot.functions.index(name) for name in functions]
    known = [words.read(prompt) for prompt in pivot.prompts]
    rows = [
        row
        for row in range(len(known))
        if not known[row].inside and not np.isnan(pivot.scores[row, columns]).any()
    ]
    bands: list[Band] = []
    for things in (False, True):
        own = [row for row in rows if (known[row].things > 0) == things]
        if len(own) < LEAST_PROMPTS:
            raise UsageError(
                f"{len(own)} prompts that name {'a' if things else 'no'} known thing are too few",
                f"Draw at least {LEAST_PROMPTS} of each.",
            )
        bands += _bands(things, own, known, pivot.scores[:, columns])
    return Outside(words, tuple(bands), table.digest)


def _bands(things: bool, rows: Sequence[int], known: Sequence[Known], scores: Matrix) -> list[Band]:
    """By unknown words; what is too few for a band of its own goes into the next."""
    bands: list[Band] = []
    waiting: list[int] = []
    left = list(rows)
    for edge in EDGES:
        waiting += [row for row in left if edge is None or known[row].unknown <= edge]
        left = [row for row in left if row not in set(waiting)]
        enough = len(left) >= LEAST_PROMPTS or not left
        if len(waiting) >= LEAST_PROMPTS and enough:
            bands.append(_band(things, edge if left else None, scores[waiting]))
            waiting = []
    return bands


def _band(things: bool, edge: int | None, scores: Matrix) -> Band:
    quality = told_apart(scores)
    low, high = _interval(scores - scores.mean(axis=0))
    ends = np.minimum(quality + low, quality), np.maximum(quality + high, quality)
    return Band(things, edge, len(scores), *(tuple(map(float, row)) for row in (quality, *ends)))


def told_apart(scores: Matrix) -> Matrix:
    """Mean score of each function; those that cannot be told from the best share one mean.

    The prompts are paired. A function whose mean is lower by less than SIGNIFICANT standard errors
    of the difference is as good as the best for all that is known, so the cheapest of them wins.

    Args:
        scores: shape (N, M).
    """
    means = scores.mean(axis=0)
    best = int(np.argmax(means))
    differences = scores - scores[:, [best]]
    error = differences.std(axis=0, ddof=1) / np.sqrt(len(scores))
    equal = differences.mean(axis=0) >= -SIGNIFICANT * error
    return np.asarray(np.where(equal, means[equal].mean(), means), dtype=np.float64)


def _interval(residual: Matrix) -> tuple[float, float]:
    """The quantiles that hold 90 % of single pictures, over all functions.

    Every prompt counts as one reading: its pictures by different functions are alike.
    """
    tail = max(0.0, TAIL - (1.0 - TAIL) / len(residual))
    low, high = np.quantile(residual, [tail, 1.0 - tail])
    return float(low), float(high)
