"""What choosing perfectly would be worth once luck is taken out of it.

The naive oracle picks the highest of noisy scores, and so is partly luck of seeds or raters. Where
a score was repeated, the pick is made by one half of the repeats and worth what the other half
says: luck does not carry over from one to the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.score_tables.table import Pivot


def corrected_oracle(pivot: Pivot) -> dict[str, Any] | None:
    """Mean quality of the oracle, naive and noise-corrected, and of best single, over the prompts
    on which every function was scored at least twice; None where there are none.

    Half the repeats pick worse than all of them would, so the corrected figure is a floor.
    """
    rows = np.flatnonzero((pivot.repeats >= 2).all(axis=1))
    if not rows.size or pivot.scores.shape[1] < 2:
        return None
    first, second = _halves(pivot)
    both = [_picked(a[rows], b[rows]) for a, b in ((first, second), (second, first))]
    scores = pivot.scores[rows]
    return {
        "prompts": int(rows.size),
        "quality": float(np.mean(both)),
        "naive_quality": float(scores.max(axis=1).mean()),
        "best_single_quality": float(scores.mean(axis=0).max()),
    }


def _halves(pivot: Pivot) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The means of every other repeat, and of those between, shape (N, M); NaN without any."""
    total, count = np.zeros((2, *pivot.scores.shape)), np.zeros((2, *pivot.scores.shape))
    seen = np.zeros(pivot.scores.shape, dtype=np.int64)
    for row, column, score in pivot.readings:
        half = seen[row, column] % 2
        seen[row, column] += 1
        total[half, row, column] += score
        count[half, row, column] += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        means = total / count
    return means[0], means[1]


def _picked(by: NDArray[np.float64], worth: NDArray[np.float64]) -> float:
    """What the functions that are best by one half are worth in the other; ties shared evenly."""
    best = by >= by.max(axis=1, keepdims=True)
    return float(((best * worth).sum(axis=1) / best.sum(axis=1)).mean())
