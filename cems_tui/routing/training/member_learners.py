"""How ridge, neighbours and clusters are learned from prompts' vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.estimators.letters_router import split_parts
from cems_tui.routing.estimators.members import (
    Clusters,
    DenseNeighbours,
    DenseRidge,
    LettersRidge,
    Member,
)
from cems_tui.routing.estimators.neighbours import mean_of, nearest
from cems_tui.routing.features.kmeans import kmeans, nearest_centre
from cems_tui.routing.features.letters import Floats
from cems_tui.routing.features.reader import View
from cems_tui.routing.training.blend import Taken, Tried
from cems_tui.routing.training.data import filled

ALPHAS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
NEIGHBOURS = (5, 10, 20, 50, 100, 200)
CLUSTERS = (8, 16, 32, 64, 128)


@dataclass(frozen=True, slots=True)
class Lesson:
    """The training prompts as the members learn them."""

    views: Sequence[View]
    vectors: Floats
    """Shape (N, d)."""

    scores: NDArray[np.float64]
    """Shape (N, M), NaN where missing."""

    parts: Floats
    """Level and deviations, missing cells filled, shape (N, 1 + M)."""

    fold: NDArray[np.intp]
    seed: int

    def sides(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """The rows learned from and the rows held out, of each fold."""
        return [
            (np.flatnonzero(self.fold != number), np.flatnonzero(self.fold == number))
            for number in np.unique(self.fold)
        ]


class MemberLearner(Protocol):
    """Learns one member of a stack."""

    def held_out(self, lesson: Lesson) -> Tried:
        """What it predicts for each fold from the others, under every setting it tries."""
        ...

    def fit(self, lesson: Lesson, taken: Taken) -> Member:
        """The member learned from all prompts, under the settings chosen."""
        ...

    def chosen(self, taken: Taken) -> dict[str, float | int | None]:
        """The settings chosen, for the card."""
        ...


class RidgeLearner:
    """Closed-form ridge regression on the vectors."""

    name = "ridge"

    def rows(self, lesson: Lesson) -> Floats:
        """What is read of every prompt, shape (N, d)."""
        return lesson.vectors

    def held_out(self, lesson: Lesson) -> Tried:
        rows = self.rows(lesson)
        out = np.empty((len(ALPHAS), *lesson.parts.shape), dtype=np.float32)
        for inside, outside in lesson.sides():
            fits = _ridges(rows[inside], lesson.parts[inside], ALPHAS)
            for setting, (weights, offset) in enumerate(fits):
                out[setting, outside] = rows[outside] @ weights + offset
        return Tried(self.name, out, separate=True)

    def fit(self, lesson: Lesson, taken: Taken) -> Member:
        return self._fitted(lesson, taken)

    def chosen(self, taken: Taken) -> dict[str, float | int | None]:
        return {
            f"{self.name}_alpha_level": ALPHAS[taken.level],
            f"{self.name}_alpha_deviation": ALPHAS[taken.deviation],
        }

    def _fitted(self, lesson: Lesson, taken: Taken) -> DenseRidge:
        alphas = (ALPHAS[taken.level], ALPHAS[taken.deviation])
        level, (weights, offset) = _ridges(self.rows(lesson), lesson.parts, alphas)
        weights[:, 0], offset[0] = level[0][:, 0], level[1][0]
        return DenseRidge(weights, offset)


class LettersLearner(RidgeLearner):
    """The same on hashed words and counts."""

    name = "letters"

    def rows(self, lesson: Lesson) -> Floats:
        return np.stack([view.letters for view in lesson.views])

    def fit(self, lesson: Lesson, taken: Taken) -> Member:
        return LettersRidge(self._fitted(lesson, taken))


class NeighboursLearner:
    """Nothing to learn but K."""

    def held_out(self, lesson: Lesson) -> Tried:
        out = np.empty((len(NEIGHBOURS), *lesson.parts.shape), dtype=np.float32)
        for inside, outside in lesson.sides():
            targets = lesson.parts[inside]
            mean = targets.mean(axis=0)
            known = lesson.vectors[inside].T
            for row in outside:
                found = nearest(np.maximum(lesson.vectors[row] @ known, 0.0), max(NEIGHBOURS))
                for setting, count in enumerate(NEIGHBOURS):
                    out[setting, row] = mean_of(found, targets, count, mean)
        return Tried("knn", out)

    def fit(self, lesson: Lesson, taken: Taken) -> Member:
        return DenseNeighbours(
            lesson.vectors.astype(np.float16).astype(np.float32),
            lesson.parts,
            lesson.parts.mean(axis=0),
            NEIGHBOURS[taken.deviation],
        )

    def chosen(self, taken: Taken) -> dict[str, float | int | None]:
        return {"neighbours": NEIGHBOURS[taken.deviation]}


class ClustersLearner:
    """K-means, then the functions' shrunken means in every cluster."""

    def held_out(self, lesson: Lesson) -> Tried:
        out = np.empty((len(CLUSTERS), *lesson.parts.shape), dtype=np.float32)
        for inside, outside in lesson.sides():
            for setting, count in enumerate(CLUSTERS):
                centres, place = kmeans(lesson.vectors[inside], count, lesson.seed)
                quality, _ = cluster_quality(lesson.scores[inside], place, len(centres))
                found = nearest_centre(lesson.vectors[outside], centres)
                out[setting, outside] = split_parts(quality[found])
        return Tried("clusters", out)

    def fit(self, lesson: Lesson, taken: Taken) -> Member:
        centres, place = kmeans(lesson.vectors, CLUSTERS[taken.deviation], lesson.seed)
        quality, sizes = cluster_quality(lesson.scores, place, len(centres))
        return Clusters(centres, quality, sizes, place.astype(np.int64))

    def chosen(self, taken: Taken) -> dict[str, float | int | None]:
        return {"clusters": CLUSTERS[taken.deviation]}


def _ridges(rows: Floats, targets: Floats, alphas: Sequence[float]) -> list[tuple[Floats, Floats]]:
    """Weights (d, T) and offset (T,) of every penalty; the intercept is not penalised."""
    middle, mean = rows.mean(axis=0), targets.mean(axis=0)
    x = rows - middle
    gram, moments = (x.T @ x).astype(np.float64), (x.T @ (targets - mean)).astype(np.float64)
    out = []
    for alpha in alphas:
        weights = np.linalg.solve(gram + alpha * np.eye(len(gram)), moments)
        offset = mean - middle @ weights
        out.append((weights.astype(np.float32), offset.astype(np.float32)))
    return out


# What each function is worth in each cluster of prompts, and a function more in one pass.
#
# Empirical Bayes: a cluster's mean is drawn to the function's mean by as much as chance alone
# would make clusters differ (James & Stein, 1961, with the variances estimated by moments).

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
