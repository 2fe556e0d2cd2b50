"""What each function is worth in each cluster of prompts, and a function more in one pass.

Empirical Bayes: a cluster's mean is drawn to the function's mean by as much as chance alone
would make clusters differ (James & Stein, 1961, with the variances estimated by moments).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.features import Floats
from cems_tui.routing.training_data import filled

Scores = NDArray[np.float64]


def cluster_quality(
    scores: Scores, place: NDArray[np.integer], clusters: int
) -> tuple[Floats, NDArray[np.int64]]:
    """The shrunken quality of each function in each cluster, and of how many scores, both (K, M).

    The prompts' levels and the functions' deviations from them are shrunk apart: only the
    deviations say who is better, and they vary far less.

    Args:
        scores: shape (N, M), NaN where missing.
        place: the cluster of each prompt, shape (N,).
    """
    known = ~np.isnan(scores)
    whole = filled(scores)
    level = whole.mean(axis=1)
    quality = shrunken(level, place, clusters)[:, None] + np.stack(
        [
            shrunken(np.where(known[:, m], whole[:, m] - level, np.nan), place, clusters)
            for m in range(scores.shape[1])
        ],
        axis=1,
    )
    sizes = [np.bincount(place[known[:, m]], minlength=clusters) for m in range(scores.shape[1])]
    return quality.astype(np.float32), np.stack(sizes, axis=1).astype(np.int64)


def shrunken(values: Scores, place: NDArray[np.integer], clusters: int) -> Scores:
    """The mean of each cluster drawn to the mean of all, shape (K,); NaN is no value."""
    known = ~np.isnan(values)
    values, place = values[known], place[known]
    mean = float(values.mean()) if values.size else 0.0
    size = np.bincount(place, minlength=clusters)
    total = np.bincount(place, weights=values - mean, minlength=clusters)
    own = total / np.maximum(size, 1)
    used = int((size > 0).sum())
    if values.size <= used or used < 2:
        return np.full(clusters, mean)
    within = float(np.square(values - mean - own[place]).sum()) / (values.size - used)
    between = (float((size * own**2).sum()) - (used - 1) * within) / _effective(size)
    between = max(0.0, between)
    share = size * between / np.maximum(size * between + within, 1e-300)
    return np.asarray(mean + share * own)


def _effective(size: NDArray[np.integer]) -> float:
    """What the variance between clusters is multiplied by in the sum of their squared means."""
    total = float(size.sum())
    return max(1e-12, total - float((size.astype(np.float64) ** 2).sum()) / total)


def column_for(
    scores: Scores, known: Scores, place: NDArray[np.integer], quality: Floats
) -> tuple[Floats, NDArray[np.int64]]:
    """A new function's quality in each cluster, and of how many scores: both (K,).

    Where the same prompts have scores of known functions, differences to their mean are learned,
    which leaves the prompts' own levels out; else the scores themselves.

    Args:
        scores: of the new function, shape (N,).
        known: of known functions for the same prompts, shape (N, M'), NaN where missing;
            M' may be 0.
        quality: of those functions in each cluster, shape (K, M').
    """
    clusters = len(quality)
    sizes = np.bincount(place, minlength=clusters).astype(np.int64)
    paired = known.shape[1] > 0 and not np.isnan(known).any()
    if not paired:
        return shrunken(scores, place, clusters).astype(np.float32), sizes
    difference = shrunken(scores - known.mean(axis=1), place, clusters)
    return (quality.mean(axis=1) + difference).astype(np.float32), sizes
