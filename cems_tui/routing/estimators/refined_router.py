"""A router that starts from another one and adds what a user's own pairs bear out beyond it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.decision import QualityEstimate
from cems_tui.domain.estimate import AnswersAtOnce, PromptEstimate, QualityEstimator
from cems_tui.routing.estimators.letters_router import TextRouter
from cems_tui.routing.features.letters import Floats


@dataclass(frozen=True, slots=True)
class RefinedRouter:
    """A QualityEstimator: the base's estimates, their deviations turned, and the rest that words
    tell.

    With b the base's estimates of a prompt and d their deviations from their mean, it says
    b + (d − middle) · turn + rest(prompt).
    """

    base: QualityEstimator
    middle: Floats
    """Mean deviations of the base over one's own prompts, shape (M,)."""

    turn: Floats
    """What is added for each unit of a base's deviation, shape (M, M)."""

    rest: TextRouter
    """What words tell beyond that; its means are what every prompt differs by. Its intervals are
    those of the whole."""

    @property
    def functions(self) -> tuple[str, ...]:
        return self.base.functions

    @property
    def metric(self) -> str:
        return self.rest.metric

    @property
    def prompts(self) -> tuple[str, ...]:
        """One's own prompts that it learned from, where the checkpoint keeps them."""
        return self.rest.prompts

    def estimate(self, prompt: str) -> PromptEstimate:
        """The quality of every function for the prompt, in the metric's unit."""
        return self._beyond(self.base.estimate(prompt), prompt)

    def _beyond(self, said: PromptEstimate, prompt: str) -> PromptEstimate:
        """What the base said, with what was learned beyond it."""
        worths = np.array([said.estimates[name].worth for name in self.functions])
        turned = self.turned(worths[None])[0]
        own = self.rest.estimate(prompt)
        estimates = {}
        for name, before in zip(self.functions, turned.tolist(), strict=True):
            one = own.estimates[name]
            assert one.quality is not None
            assert one.interval is not None
            low, high = one.interval
            estimates[name] = QualityEstimate(before + one.quality, (before + low, before + high))
        return replace(
            said,
            estimates=estimates,
            in_distribution=said.in_distribution or own.in_distribution,
            novelty=min(said.novelty, own.novelty),
        )

    def turned(self, worths: NDArray[np.float64]) -> NDArray[np.float64]:
        """The base's estimates with their deviations turned, shape (N, M) as given."""
        deviations = worths - worths.mean(axis=1, keepdims=True)
        return np.asarray(worths + (deviations - self.middle) @ self.turn)


@dataclass(frozen=True, slots=True)
class RefinedAtOnce(RefinedRouter):
    """The same beyond a base that reads a text encoder, and can answer before that has read."""

    def estimate_at_once(self, prompt: str) -> PromptEstimate:
        """As `estimate`, from the prompt's letters alone."""
        assert isinstance(self.base, AnswersAtOnce), "`refined` makes it of such a base"
        return self._beyond(self.base.estimate_at_once(prompt), prompt)


def refined(
    base: QualityEstimator, middle: Floats, turn: Floats, rest: TextRouter
) -> RefinedRouter:
    """The router beyond that base, answering at once where the base does."""
    maker = RefinedAtOnce if isinstance(base, AnswersAtOnce) else RefinedRouter
    return maker(base, middle, turn, rest)
