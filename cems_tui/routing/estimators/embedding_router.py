"""The router that also reads a text encoder: the instant router's letters, and what they mean.

Ridge regression on both together: the instant router's features side by side with a Gaussian
kernel over the encoder's embeddings and the linguistic counts. The instant router stands inside,
learned by itself: it answers at once, before the encoder has read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.estimate import PromptEstimate
from cems_tui.routing.estimators.intervals import Spread
from cems_tui.routing.estimators.letters_router import (
    Neighbourhood,
    TextRouter,
    look_up,
    trusted,
)
from cems_tui.routing.estimators.neighbours import Nearest
from cems_tui.routing.estimators.ridge import Ridge
from cems_tui.routing.features.embedding_space import Centres, EmbeddingSpace
from cems_tui.routing.features.letters import Floats, grams
from cems_tui.routing.features.space import Reading
from cems_tui.routing.features.text_encoder import TextEncoder

KERNEL_WEIGHT = 8.0
"""Weight of the kernel over meanings beside that over letters. Chosen in folds: 1 gives a third
of the gain, 4 most of it, 14 no more."""


@dataclass(frozen=True, slots=True)
class EmbeddingRouter:
    """A QualityEstimator over words, letters, counts and a text encoder's embeddings."""

    instant: TextRouter
    """What is said from letters alone, learned by itself."""

    encoder: TextEncoder
    space: EmbeddingSpace
    centres: Centres
    ridge: Ridge | None
    """What is taken on the letters' features, beside the kernel; None where nothing is."""

    kernel: Floats
    """What nearness to each centre adds, shape (K, 1 + M)."""

    neighbourhood: Neighbourhood | None
    """The instant router's training prompts, and what is taken of them beside the encoder."""

    spread: Spread
    trust_power: float
    """How fast trust falls with novelty: the encoder knows words that no training prompt has."""

    @property
    def functions(self) -> tuple[str, ...]:
        return self.instant.functions

    @property
    def metric(self) -> str:
        return self.instant.metric

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean quality of each function, shape (M,)."""
        return self.instant.means

    def estimate(self, prompt: str) -> PromptEstimate:
        """The quality of every function for the prompt, in the metric's unit."""
        instant = self.instant
        said = grams(prompt, instant.space.config)
        reading = instant.space.read(said)
        found = look_up(self.neighbourhood, reading, shown=bool(instant.prompts))
        novelty = instant.familiarity.novelty(reading)
        unknown = np.array(reading.unknown_share)
        trust = float(trusted(np.array(novelty), unknown, self.trust_power))
        familiar = instant.familiarity.covers(novelty, reading)
        point = self.space.points(self.encoder.embeddings([prompt]), [said])
        quality = self.quality(reading, found, self.centres.near(point)[0], trust)
        return instant.told(quality, self.spread, found, novelty, familiar=familiar)

    def estimate_at_once(self, prompt: str) -> PromptEstimate:
        """The same from the prompt's letters alone, in under a millisecond."""
        return self.instant.estimate(prompt)

    def quality(
        self, reading: Reading, found: Nearest | None, near: Floats, trust: float
    ) -> NDArray[np.float64]:
        """The estimates for a prompt, shape (M,): the means, and what is trusted beyond them.

        Args:
            near: the kernel between the prompt and every centre, shape (K,).
        """
        means = self.instant.parts_mean
        difference = near @ self.kernel
        if self.ridge is not None:
            difference = difference + self.ridge.predict(reading.features)
        if self.neighbourhood is not None and found is not None:
            difference = difference + self.neighbourhood.difference(found, means)
        total = means + np.float32(trust) * difference
        return np.asarray(total[0] + total[1:], dtype=np.float64)
