"""How far a router's predictions are trusted for a prompt, by how familiar the prompt is.

Novelty joins two signs: content words that no training prompt has, and the density of training
prompts around the prompt in the landmarks' kernel (their mean, a kernel mean embedding, says it
without keeping any training prompt).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.feature_space import Reading
from cems_tui.routing.features import Floats

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
        trust = np.where(shares > UNKNOWN_LIMIT, 0.0, trusted(novelty, caution.power))
        return Held(novelty, trust.astype(np.float32))

    def novelty(self, reading: Reading) -> float:
        """0 as familiar as the typical training prompt … 1 nothing known."""
        density = float(reading.near @ self.centre)
        return float(_novelty(np.array(density), self.typical, np.array(reading.unknown_share)))

    def trust(self, novelty: float, reading: Reading) -> float:
        """The share of a predicted difference from the means that is believed, 0…1.

        It falls evenly with novelty; 0 is out of distribution.
        """
        if novelty > self.limit or reading.unknown_share > UNKNOWN_LIMIT:
            return 0.0
        return float(trusted(np.array(novelty), self.power))


def trusted(novelty: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """The share of a predicted difference that is believed within the distribution."""
    return np.asarray(np.clip(1.0 - novelty, 0.0, 1.0) ** power)


def _novelty(
    density: NDArray[np.floating], typical: float, unknown: NDArray[np.floating]
) -> NDArray[np.float64]:
    near = np.ones_like(density)
    if typical > 0:
        near = np.clip(density / typical, DENSITY_FLOOR, 1.0)
    return np.asarray(1.0 - near * (1.0 - unknown), dtype=np.float64)
