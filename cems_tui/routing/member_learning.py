"""How ridge, neighbours and clusters are learned from prompts' vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.cluster_learning import cluster_quality
from cems_tui.routing.estimators.members import Clusters, DenseNeighbours, DenseRidge, Member
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
    """Closed-form ridge regression; penalties relative to the number of prompts."""

    def held_out(self, lesson: Lesson) -> Tried:
        out = np.empty((len(ALPHAS), *lesson.parts.shape), dtype=np.float32)
        for inside, outside in lesson.sides():
            fits = [_ridge(lesson.vectors[inside], lesson.parts[inside], a) for a in ALPHAS]
            for setting, (weights, offset) in enumerate(fits):
                out[setting, outside] = lesson.vectors[outside] @ weights + offset
        return Tried("ridge", out, separate=True)

    def fit(self, lesson: Lesson, taken: Taken) -> Member:
        level, level_offset = _ridge(lesson.vectors, lesson.parts, ALPHAS[taken.level])
        weights, offset = _ridge(lesson.vectors, lesson.parts, ALPHAS[taken.deviation])
        weights[:, 0], offset[0] = level[:, 0], level_offset[0]
        return DenseRidge(weights, offset)

    def chosen(self, taken: Taken) -> dict[str, float | int | None]:
        return {
            "ridge_alpha_level": ALPHAS[taken.level],
            "ridge_alpha_deviation": ALPHAS[taken.deviation],
        }


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


def _ridge(vectors: Floats, targets: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Weights (d, T) and offset (T,); the intercept is not penalised."""
    middle, mean = vectors.mean(axis=0), targets.mean(axis=0)
    x = (vectors - middle).astype(np.float64)
    gram = x.T @ x + alpha * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x.T @ (targets - mean))
    return weights.astype(np.float32), (mean - middle @ weights).astype(np.float32)
