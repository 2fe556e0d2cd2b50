"""The CEMS classifier in numpy: which function is best for a prompt, and how likely.

Learned with torch (`neural.cems_training`), asked without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.decision import QualityEstimate
from cems_tui.domain.estimate import PromptEstimate
from cems_tui.routing.features.clip_text import quick_gelu, softmax
from cems_tui.routing.features.letters import Floats
from cems_tui.routing.features.reader import Familiarity, PromptReader, View


@dataclass(frozen=True, slots=True)
class Head:
    """Pooled state → linear → QuickGELU → linear: what stands on the text tower."""

    weights: Mapping[str, NDArray[Any]]
    """`hidden.weight` (d, d), `hidden.bias`, `out.weight` (M, d), `out.bias`."""

    def probabilities(self, pooled: Floats) -> Floats:
        """Of pooled states (N, d), shape (N, M)."""
        w = self.weights
        inner = quick_gelu(pooled @ w["hidden.weight"].T + w["hidden.bias"])
        return softmax(inner @ w["out.weight"].T + w["out.bias"])


@dataclass(frozen=True, slots=True)
class ClassifierRouter:
    """A QualityEstimator that gives probabilities of being the best, and no quality."""

    functions: tuple[str, ...]
    metric: str
    reader: PromptReader
    familiarity: Familiarity
    head: Head
    prior: Floats
    """How often each function was the best in training, shape (M,): for unfamiliar prompts."""

    def estimate(self, prompt: str) -> PromptEstimate:
        """The probability of every function to be the best for the prompt."""
        view = self.reader.read(prompt)
        chances = self.probabilities(view)
        estimates = {
            name: QualityEstimate(None, None, float(chance))
            for name, chance in zip(self.functions, chances, strict=True)
        }
        novelty = self.familiarity.novelty(view)
        return PromptEstimate(estimates, self.familiarity.covers(view), novelty)

    def probabilities(self, view: View) -> Floats:
        """Shape (M,): the prior where the prompt is unlike the training prompts."""
        if not self.familiarity.covers(view):
            return self.prior
        tower = self.reader.tower
        assert tower is not None, "a classifier reads a text encoder"
        pooled = tower.pool(np.asarray(view.tokens, dtype=np.float32))
        return np.asarray(self.head.probabilities(pooled[None])[0])
