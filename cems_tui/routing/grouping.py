"""A router's figures in every source data set by itself: an average can hide where it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.evaluation import evaluate

Matrix = NDArray[np.float64]

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
