"""The recipe of the CEMS classifier (Lee & Lee, CIKM 2024): its numbers, examples and outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.estimators.classifier import Head
from cems_tui.routing.features.letters import Floats
from cems_tui.routing.features.text_encoder import TextEncoder


@dataclass(frozen=True, slots=True)
class Recipe:
    """The authors' numbers, and ours for the variant that leaves the tower as it is."""

    frozen: bool = False
    """Whether the tower is left as it is and its outputs are read once."""

    learning_rate: float = 6.4e-6
    weight_decay: float = 0.1
    batch: int = 32
    epochs: int = 10

    @classmethod
    def frozen_tower(cls) -> Recipe:
        """For a CPU. The head starts from nothing, so its learning rate is ours: 1e-3."""
        return cls(frozen=True, learning_rate=1e-3)

    def numbers(self) -> dict[str, float | int | None]:
        """For the card."""
        return {name: float(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Taught:
    """The network of the best epoch."""

    head: Head
    tower: TextEncoder
    """As it was, or tuned."""

    epoch: int
    validation_macro_f1: float


@dataclass(frozen=True, slots=True)
class Examples:
    """Prompts with the function that is best for each."""

    prompts: Sequence[str]
    labels: NDArray[np.intp]
    functions: int
    pooled: Floats | None
    """The tower's outputs, shape (N, d), where it is frozen."""
