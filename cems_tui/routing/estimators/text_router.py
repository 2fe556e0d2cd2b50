"""The instant router: ridge regression and nearest prompts, weighed and shrunk to the means.

A score is split in the prompt's own level (the mean over functions) and each function's deviation
from it; only deviations decide. Members weigh what they were worth on held-out prompts, so where
there is nothing to learn the estimates are the functions' means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.decision import QualityEstimate
from cems_tui.routing.estimator import Neighbour, PromptEstimate
from cems_tui.routing.estimators.neighbours import Nearest, WordIndex, mean_of, nearest
from cems_tui.routing.estimators.ridge import Ridge
from cems_tui.routing.feature_space import FeatureSpace, Reading
from cems_tui.routing.features import Floats, grams
from cems_tui.routing.intervals import Spread

SHOWN_NEIGHBOURS = 3
UNKNOWN_LIMIT = 0.5
"""A prompt with a larger share of unknown content words is out of distribution."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much of a member's predicted difference from the means is taken: 0 none of it."""

    level: float
    deviation: float

    def apply(self, difference: Floats) -> Floats:
        """Weighs level and deviations side by side, shape (1 + M,)."""
        weighed = difference * np.float32(self.deviation)
        weighed[0] = difference[0] * np.float32(self.level)
        return weighed


@dataclass(frozen=True, slots=True)
class Blend:
    """The settings chosen on held-out prompts."""

    alpha_level: float | None
    """Ridge penalty for the prompt's level; None without ridge."""

    alpha_deviation: float | None
    neighbours: int | None
    """K; None without neighbours."""

    ridge: Weights
    near: Weights
    """Of the neighbours."""


@dataclass(frozen=True, slots=True)
class TextRouter:
    """A QualityEstimator that reads nothing but the prompt's words, in well under 1 ms."""

    functions: tuple[str, ...]
    metric: str
    space: FeatureSpace
    blend: Blend
    parts_mean: Floats
    """Mean level and mean deviations, shape (1 + M,)."""

    ridge: Ridge | None
    index: WordIndex
    parts: Floats
    """Level and deviations of the training prompts, shape (N, 1 + M): what neighbours give."""

    spread: Spread
    novelty_limit: float
    """Prompts of higher novelty are out of distribution."""

    prompts: tuple[str, ...] = ()
    """The training prompts, when the checkpoint keeps them."""

    def estimate(self, prompt: str) -> PromptEstimate:
        """The quality of every function for the prompt, in the metric's unit."""
        reading = self.space.read(grams(prompt, self.space.config))
        found = self.look_up(reading)
        novelty = novelty_of(found, reading)
        familiar = novelty <= self.novelty_limit and reading.unknown_share <= UNKNOWN_LIMIT
        quality = self.quality(reading, found) if familiar else self.means
        low, high = self.spread.around(quality, novelty, in_distribution=familiar)
        estimates = {
            name: QualityEstimate(float(quality[m]), (float(low[m]), float(high[m])))
            for m, name in enumerate(self.functions)
        }
        return PromptEstimate(estimates, familiar, novelty, self._shown(found))

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean quality of each function, shape (M,)."""
        return np.asarray(self.parts_mean[0] + self.parts_mean[1:], dtype=np.float64)

    def look_up(self, reading: Reading) -> Nearest:
        """The nearest training prompts."""
        return nearest(
            self.index.similarity(reading.words), max(self.blend.neighbours or 1, SHOWN_NEIGHBOURS)
        )

    def quality(self, reading: Reading, found: Nearest) -> NDArray[np.float64]:
        """The estimates of a prompt like the training prompts, shape (M,)."""
        parts = self.parts_mean.copy()
        if self.ridge:
            parts += self.blend.ridge.apply(self.ridge.predict(reading.features) - self.parts_mean)
        if self.blend.neighbours:
            near = mean_of(found, self.parts, self.blend.neighbours, self.parts_mean)
            parts += self.blend.near.apply(near - self.parts_mean)
        return np.asarray(parts[0] + parts[1:], dtype=np.float64)

    def _shown(self, found: Nearest) -> tuple[Neighbour, ...]:
        if not self.prompts:
            return ()
        rows = found.rows[:SHOWN_NEIGHBOURS]
        pairs = zip(rows, found.similarity[:SHOWN_NEIGHBOURS], strict=True)
        scores = joined(self.parts[rows])
        return tuple(
            Neighbour(
                self.prompts[row],
                1.0 - float(value),
                dict(zip(self.functions, map(float, own), strict=True)),
            )
            for (row, value), own in zip(pairs, scores, strict=True)
        )


def novelty_of(found: Nearest, reading: Reading) -> float:
    """1 − cosine with the nearest training prompt, unknown words counted against it."""
    best = float(found.similarity[0]) if found.similarity.size else 0.0
    return min(1.0, max(0.0, 1.0 - best * (1.0 - reading.unknown_share)))


def joined(parts: Floats) -> Floats:
    """Level and deviations (N, 1 + M) as scores (N, M)."""
    return np.asarray(parts[:, :1] + parts[:, 1:], dtype=np.float32)


def split_parts(scores: NDArray[np.floating[Any]]) -> Floats:
    """Complete scores (N, M) as level and deviations (N, 1 + M)."""
    level = scores.mean(axis=1, keepdims=True)
    return np.concatenate([level, scores - level], axis=1).astype(np.float32)
