"""How well predictions follow what came true: of scores, and of differences between functions."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Pearson correlations over prompts × functions; None where one side is constant."""

    quality: float | None
    """Of the scores themselves: a prompt that is hard for every function counts here."""

    differences: float | None
    """Of the differences between the functions of a prompt: the part that can change a pick."""

    interaction: float | None
    """Of the differences without the functions' own means: the part that depends on the prompt."""

    def to_json(self) -> dict[str, float | None]:
        return asdict(self)


def agreement(truth: Matrix, predicted: Matrix) -> Agreement:
    """The correlations of predictions with scores, both of shape (N, M)."""
    true_differences, said_differences = _by_row(truth), _by_row(predicted)
    return Agreement(
        _cosine(truth - truth.mean(), predicted - predicted.mean()),
        _cosine(true_differences, said_differences),
        _cosine(
            true_differences - true_differences.mean(axis=0),
            said_differences - said_differences.mean(axis=0),
        ),
    )


def _by_row(values: Matrix) -> Matrix:
    """Without each prompt's mean: the inner product of two such is that of all pair differences."""
    return np.asarray(values - values.mean(axis=1, keepdims=True))


def _cosine(one: Matrix, other: Matrix) -> float | None:
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum() / scale) if scale > 1e-12 else None
