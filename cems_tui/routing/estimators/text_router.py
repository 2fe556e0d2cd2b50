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
from cems_tui.routing.familiarity import Familiarity
from cems_tui.routing.feature_space import FeatureSpace, Reading
from cems_tui.routing.features import Floats, grams
from cems_tui.routing.intervals import Spread

SHOWN_NEIGHBOURS = 3


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
class Neighbourhood:
    """The training prompts, to look up the nearest ones and what they taught."""

    index: WordIndex
    parts: Floats
    """Level and deviations of the training prompts, shape (N, 1 + M)."""

    count: int | None
    """How many of them are asked, K; None where they are only shown."""

    taken: Floats
    """What is taken of their difference from the means, shape (1 + M, 1 + M)."""

    def difference(self, found: Nearest, means: Floats) -> Floats:
        """What the neighbours say beyond the means, shape (1 + M,)."""
        if not self.count:
            return np.zeros_like(means)
        said = mean_of(found, self.parts, self.count, means)
        return np.asarray((said - means) @ self.taken, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class TextRouter:
    """A QualityEstimator that reads nothing but the prompt's words, in well under 1 ms."""

    functions: tuple[str, ...]
    metric: str
    space: FeatureSpace
    parts_mean: Floats
    """Mean level and mean deviations, shape (1 + M,)."""

    ridge: Ridge | None
    """What is taken of its difference from the means."""

    neighbourhood: Neighbourhood | None
    """The training prompts; None in a router that keeps nothing of them."""

    spread: Spread
    familiarity: Familiarity
    prompts: tuple[str, ...] = ()
    """The training prompts' texts, when the checkpoint keeps them."""

    def estimate(self, prompt: str) -> PromptEstimate:
        """The quality of every function for the prompt, in the metric's unit."""
        reading = self.space.read(grams(prompt, self.space.config))
        found = self.look_up(reading)
        novelty = self.familiarity.novelty(reading)
        trust = self.familiarity.trust(novelty, reading)
        quality = self.quality(reading, found, trust)
        low, high = self.spread.around(quality, novelty, in_distribution=trust > 0.0)
        estimates = {
            name: QualityEstimate(float(quality[m]), (float(low[m]), float(high[m])))
            for m, name in enumerate(self.functions)
        }
        return PromptEstimate(estimates, trust > 0.0, novelty, self._shown(found))

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean quality of each function, shape (M,)."""
        return np.asarray(self.parts_mean[0] + self.parts_mean[1:], dtype=np.float64)

    def look_up(self, reading: Reading) -> Nearest | None:
        """The nearest training prompts, where they are kept and asked for."""
        near = self.neighbourhood
        if near is None or not (near.count or self.prompts):
            return None
        return nearest(near.index.similarity(reading.words), max(near.count or 1, SHOWN_NEIGHBOURS))

    def quality(self, reading: Reading, found: Nearest | None, trust: float) -> NDArray[np.float64]:
        """The estimates for a prompt, shape (M,): the means, and what is trusted beyond them."""
        difference = np.zeros_like(self.parts_mean)
        if self.ridge:
            difference += self.ridge.predict(reading.features)
        if self.neighbourhood and found is not None:
            difference += self.neighbourhood.difference(found, self.parts_mean)
        total = self.parts_mean + np.float32(trust) * difference
        return np.asarray(total[0] + total[1:], dtype=np.float64)

    def _shown(self, found: Nearest | None) -> tuple[Neighbour, ...]:
        if found is None or self.neighbourhood is None or not self.prompts:
            return ()
        rows = found.rows[:SHOWN_NEIGHBOURS]
        pairs = zip(rows, found.similarity[:SHOWN_NEIGHBOURS], strict=True)
        scores = joined(self.neighbourhood.parts[rows])
        return tuple(
            Neighbour(
                self.prompts[row],
                1.0 - float(value),
                dict(zip(self.functions, map(float, own), strict=True)),
            )
            for (row, value), own in zip(pairs, scores, strict=True)
        )


def joined(parts: Floats) -> Floats:
    """Level and deviations (N, 1 + M) as scores (N, M)."""
    return np.asarray(parts[:, :1] + parts[:, 1:], dtype=np.float32)


def split_parts(scores: NDArray[np.floating[Any]]) -> Floats:
    """Complete scores (N, M) as level and deviations (N, 1 + M)."""
    level = scores.mean(axis=1, keepdims=True)
    return np.concatenate([level, scores - level], axis=1).astype(np.float32)
