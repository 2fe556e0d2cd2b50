"""The recipe of the CEMS classifier (Lee & Lee, CIKM 2024): its numbers, examples and outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.estimators.classifier import Head
from cems_tui.routing.features.letters import Floats
from cems_tui.routing.features.text_encoder import TextEncoder

SMALL_TOWER = 5_000_000
"""Parameters of a text tower that a CPU still tunes in minutes. It has to be moved farther than the
authors' large one, which knows most of what it is to say."""

LEAST_STEPS, MOST_EPOCHS = 2_000, 80
"""The authors took 12,500 steps. Few prompts are gone over more often than ten times, or the head,
which starts from nothing, stays near it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The authors' numbers, and ours for towers that are small or left as they are."""

    frozen: bool = False
    """Whether the tower is left as it is and its outputs are read once."""

    learning_rate: float = 6.4e-6
    weight_decay: float = 0.1
    batch: int = 32
    epochs: int = 10

    @classmethod
    def suited(cls, *, frozen: bool, parameters: int, prompts: int) -> Recipe:
        """The authors' numbers for a tower like theirs; else what trains a small one or a head.

        Args:
            parameters: of the tower.
            prompts: how many are learned from.
        """
        theirs = cls()
        if not frozen and parameters > SMALL_TOWER:
            return theirs
        steps = -(-prompts // theirs.batch)
        epochs = min(MOST_EPOCHS, max(theirs.epochs, -(-LEAST_STEPS // steps)))
        return cls(frozen=frozen, learning_rate=1e-3 if frozen else 3e-4, epochs=epochs)

    @property
    def deviations(self) -> tuple[str, ...]:
        """What is other than in the authors' recipe, in words."""
        theirs = Recipe()
        said = ["the tower is left as it is, where theirs is tuned"] if self.frozen else []
        for name in ("learning_rate", "epochs", "batch"):
            ours, other = getattr(self, name), getattr(theirs, name)
            if ours != other:
                said.append(f"{name.replace('_', ' ')} {ours:g}, where theirs is {other:g}")
        return tuple(said)

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
