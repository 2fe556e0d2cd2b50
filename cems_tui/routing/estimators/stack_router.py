"""A router made of members, each taken as far as held-out prompts bear it out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.decision import QualityEstimate
from cems_tui.domain.estimate import Cluster, Neighbour, PromptEstimate
from cems_tui.routing.estimators.intervals import Spread
from cems_tui.routing.estimators.letters_router import Weights, joined
from cems_tui.routing.estimators.members import Clusters, DenseNeighbours, Member
from cems_tui.routing.estimators.neighbours import nearest
from cems_tui.routing.features.letters import Floats
from cems_tui.routing.features.reader import Familiarity, PromptReader, View

SHOWN_NEIGHBOURS = 3


@dataclass(frozen=True, slots=True)
class Part:
    """One member of a stack."""

    name: str
    """`ridge`, `knn`, `clusters` or `transformer`."""

    member: Member
    weights: Weights


@dataclass(frozen=True, slots=True)
class StackRouter:
    """A QualityEstimator: the functions' means plus what each member's difference is worth."""

    functions: tuple[str, ...]
    metric: str
    reader: PromptReader
    familiarity: Familiarity
    parts_mean: Floats
    """Mean level and mean deviations, shape (1 + M,)."""

    members: tuple[Part, ...]
    spread: Spread
    prompts: tuple[str, ...] = ()
    """The training prompts, when the checkpoint keeps them."""

    def estimate(self, prompt: str) -> PromptEstimate:
        """The quality of every function for the prompt, in the metric's unit."""
        view = self.reader.read(prompt)
        novelty, familiar = self.familiarity.novelty(view), self.familiarity.covers(view)
        quality = self.trusted(view)
        low, high = self.spread.around(quality, novelty, in_distribution=familiar)
        estimates = {
            name: QualityEstimate(float(quality[m]), (float(low[m]), float(high[m])))
            for m, name in enumerate(self.functions)
        }
        return PromptEstimate(estimates, familiar, novelty, self._nearest(view))

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean quality of each function, shape (M,)."""
        return np.asarray(self.parts_mean[0] + self.parts_mean[1:], dtype=np.float64)

    def quality(self, view: View) -> NDArray[np.float64]:
        """The estimates of a prompt like the training prompts, shape (M,)."""
        parts = self.parts_mean.copy()
        for part in self.members:
            if part.weights.level or part.weights.deviation:
                parts += part.weights.apply(part.member.predict(view) - self.parts_mean)
        return np.asarray(parts[0] + parts[1:], dtype=np.float64)

    def trusted(self, view: View) -> NDArray[np.float64]:
        """The estimates of any prompt, shape (M,): drawn to the means as it is less familiar."""
        trust = self.familiarity.trust(view)
        return self.means + trust * (self.quality(view) - self.means) if trust else self.means

    def _nearest(self, view: View) -> tuple[Neighbour, ...]:
        """Shown where a member keeps the training prompts' vectors."""
        for part in self.members:
            if self.prompts and isinstance(part.member, DenseNeighbours):
                similarity = part.member.vectors @ view.vector
                found = nearest(similarity, min(SHOWN_NEIGHBOURS, len(self.prompts)))
                pairs = zip(found.rows, found.similarity, strict=True)
                scores = joined(part.member.parts[found.rows])
                return tuple(
                    Neighbour(self.prompts[row], 1.0 - float(near), self._named(own))
                    for (row, near), own in zip(pairs, scores, strict=True)
                    if self.prompts[row]
                )
        return ()

    def cluster_of(self, prompt: str) -> Cluster | None:
        """The cluster of training prompts the prompt falls into; None without clusters."""
        for part in self.members:
            if isinstance(part.member, Clusters):
                clusters = part.member
                number = clusters.number_of(self.reader.read(prompt))
                means = self._named(clusters.quality[number])
                return Cluster(number, int((clusters.place == number).sum()), means)
        return None

    def _named(self, scores: Floats) -> dict[str, float]:
        return dict(zip(self.functions, map(float, scores), strict=True))
