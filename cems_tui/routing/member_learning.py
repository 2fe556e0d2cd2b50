"""How ridge, neighbours and clusters are learned from prompts' vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.cluster_learning import cluster_quality
from cems_tui.routing.estimators.members import (
    Clusters,
    DenseNeighbours,
    DenseRidge,
    LettersRidge,
    Member,
)
from cems_tui.routing.estimators.neighbours import mean_of, nearest
from cems_tui.routing.estimators.text_router import split_parts
from cems_tui.routing.features import Floats
from cems_tui.routing.kmeans import kmeans, nearest_centre
from cems_tui.routing.prompt_reader import View
from cems_tui.routing.stacking import Taken, Tried

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
