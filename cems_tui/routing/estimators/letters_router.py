"""The instant router: ridge regression and nearest prompts, weighed and shrunk to the means.

A score is split in the prompt's own level (the mean over functions) and each function's deviation
from it; only deviations decide. Members weigh what they were worth on held-out prompts, so where
there is nothing to learn the estimates are the functions' means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.decision import QualityEstimate
from cems_tui.domain.estimate import Neighbour, PromptEstimate
from cems_tui.routing.estimators.intervals import Spread
from cems_tui.routing.estimators.neighbours import Nearest, WordIndex, mean_of, nearest
from cems_tui.routing.estimators.ridge import Ridge
from cems_tui.routing.features.letters import Floats, grams
from cems_tui.routing.features.space import FeatureSpace, Reading

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
    """The training prompts' texts, when the checkpoint keeps them; one that was forgotten is
    empty."""

    def estimate(self, prompt: str) -> PromptEstimate:
        """The quality of every function for the prompt, in the metric's unit."""
        reading = self.space.read(grams(prompt, self.space.config))
        found = self.look_up(reading)
        novelty = self.familiarity.novelty(reading)
        familiar = self.familiarity.covers(novelty, reading)
        quality = self.quality(reading, found, self.familiarity.trust(novelty, reading))
        return self.told(quality, self.spread, found, novelty, familiar=familiar)

    def told(
        self,
        quality: NDArray[np.float64],
        spread: Spread,
        found: Nearest | None,
        novelty: float,
        *,
        familiar: bool,
    ) -> PromptEstimate:
        """The estimates (M,) with their intervals and the nearest training prompts."""
        low, high = spread.around(quality, novelty, in_distribution=familiar)
        estimates = {
            name: QualityEstimate(float(quality[m]), (float(low[m]), float(high[m])))
            for m, name in enumerate(self.functions)
        }
        return PromptEstimate(estimates, familiar, novelty, self._shown(found))

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean quality of each function, shape (M,)."""
        return np.asarray(self.parts_mean[0] + self.parts_mean[1:], dtype=np.float64)

    def look_up(self, reading: Reading) -> Nearest | None:
        """The nearest training prompts, where they are kept and asked for."""
        return look_up(self.neighbourhood, reading, shown=bool(self.prompts))

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
            if self.prompts[row]
        )


def look_up(near: Neighbourhood | None, reading: Reading, *, shown: bool) -> Nearest | None:
    """The nearest training prompts, where they are kept, and asked for or shown."""
    if near is None or not (near.count or shown):
        return None
    return nearest(near.index.similarity(reading.words), max(near.count or 1, SHOWN_NEIGHBOURS))


def joined(parts: Floats) -> Floats:
    """Level and deviations (N, 1 + M) as scores (N, M)."""
    return np.asarray(parts[:, :1] + parts[:, 1:], dtype=np.float32)


def split_parts(scores: NDArray[np.floating[Any]]) -> Floats:
    """Complete scores (N, M) as level and deviations (N, 1 + M)."""
    level = scores.mean(axis=1, keepdims=True)
    return np.concatenate([level, scores - level], axis=1).astype(np.float32)


# How far a router's predictions are trusted for a prompt, by how familiar the prompt is.
#
# Novelty joins two signs: content words that no training prompt has, and the density of training
# prompts around the prompt in the landmarks' kernel (their mean, a kernel mean embedding, says it
# without keeping any training prompt).

UNKNOWN_LIMIT = 0.5
"""A prompt with a larger share of unknown content words is out of distribution."""

DENSITY_FLOOR = 0.15
"""What is left of familiarity far from all training prompts, where every word is known."""

LEAST_LIMIT = 0.92
"""Prompts of lower novelty are never called out of distribution: known words are needed for it."""


@dataclass(frozen=True, slots=True)
class Caution:
    """How much less is believed than held-out prompts of the same sources bear out."""

    share: float
    """The share that is taken of a predicted deviation from the means."""

    power: float
    """How fast trust falls with familiarity."""


FEW_SOURCES = Caution(0.65, 1.0)
MANY_SOURCES = Caution(0.85, 0.25)


def caution_for(sources: Sequence[str]) -> Caution:
    """By the sources of the training prompts; empty names are unknown.

    One or two sources say little of how prompts of another behave, and there predictions are
    borne out less: chosen by learning on one source of the CEMS scores and asking the others.
    """
    return MANY_SOURCES if len(set(sources) - {""}) > 2 else FEW_SOURCES


@dataclass(frozen=True, slots=True)
class Held:
    """Training prompts seen from the folds they are not in."""

    novelty: NDArray[np.float64]
    """Shape (N,)."""

    trust: Floats
    """Shape (N,)."""


@dataclass(frozen=True, slots=True)
class Familiarity:
    """What the training prompts were like."""

    centre: Floats
    """Mean of the landmarks' features over the training prompts, shape (L,)."""

    typical: float
    """The density around the median training prompt; 0 is not known, and density says nothing."""

    limit: float
    """Prompts of higher novelty are out of distribution."""

    power: float
    """How fast trust falls with novelty."""

    @classmethod
    def learn(cls, readings: Sequence[Reading], caution: Caution) -> Familiarity:
        """From the training prompts; each one's own part in the density is left out."""
        near_by = np.stack([reading.near for reading in readings])
        shares = np.array([reading.unknown_share for reading in readings])
        return cls._of(near_by, shares, caution)

    @classmethod
    def _of(cls, near_by: Floats, shares: NDArray[np.float64], caution: Caution) -> Familiarity:
        centre = near_by.mean(axis=0)
        count = len(near_by)
        own = np.square(near_by).sum(axis=1)
        density = (near_by @ centre * count - own) / max(1, count - 1)
        typical = float(max(0.0, np.median(density)))
        novelty = _novelty(density, typical, shares)
        limit = max(LEAST_LIMIT, float(np.percentile(novelty, 99.0)))
        return cls(centre.astype(np.float32), typical, min(limit, 0.999), caution.power)

    @classmethod
    def held_out(
        cls, readings: Sequence[Reading], fold: NDArray[np.intp], caution: Caution
    ) -> Held:
        """Each training prompt as one of the other folds' prompts would see it."""
        near_by = np.stack([reading.near for reading in readings])
        shares = np.array([reading.unknown_share for reading in readings])
        novelty = np.empty(len(near_by))
        for number in np.unique(fold):
            inside = fold == number
            known = cls._of(near_by[~inside], shares[~inside], caution)
            density = near_by[inside] @ known.centre
            novelty[inside] = _novelty(density, known.typical, shares[inside])
        return Held(novelty, trusted(novelty, shares, caution.power).astype(np.float32))

    def novelty(self, reading: Reading) -> float:
        """0 as familiar as the typical training prompt … 1 nothing known."""
        density = float(reading.near @ self.centre)
        return float(_novelty(np.array(density), self.typical, np.array(reading.unknown_share)))

    def trust(self, novelty: float, reading: Reading) -> float:
        """The share of a predicted difference from the means that is believed, 0…1."""
        return float(trusted(np.array(novelty), np.array(reading.unknown_share), self.power))

    def covers(self, novelty: float, reading: Reading) -> bool:
        """Whether the prompt is like the training prompts."""
        return novelty <= self.limit and reading.unknown_share <= UNKNOWN_LIMIT


def trusted(
    novelty: NDArray[np.float64], unknown: NDArray[np.float64], power: float
) -> NDArray[np.float64]:
    """The share of a predicted difference that is believed, of shape (N,).

    It falls evenly with novelty, and beyond `UNKNOWN_LIMIT` with the share of unknown content
    words too: a prompt of unknown words alone gets the means. There is no cliff on the way: of a
    small table three prompts in ten lie beyond the limit, and what is known of them is worth
    having.
    """
    known = np.clip((1.0 - unknown) / (1.0 - UNKNOWN_LIMIT), 0.0, 1.0)
    return np.asarray(np.clip(1.0 - novelty, 0.0, 1.0) ** power * known)


def _novelty(
    density: NDArray[np.floating], typical: float, unknown: NDArray[np.floating]
) -> NDArray[np.float64]:
    near = np.ones_like(density)
    if typical > 0:
        near = np.clip(density / typical, DENSITY_FLOOR, 1.0)
    return np.asarray(1.0 - near * (1.0 - unknown), dtype=np.float64)
