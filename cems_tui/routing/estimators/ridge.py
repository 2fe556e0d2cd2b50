"""Ridge regression of quality on sparse prompt features, in its kernel form while it learns.

The minimiser is a = (HKH + αI)⁻¹ HY with H centring the training prompts (an intercept that is
not penalised); conjugate gradients solve it for several α at once in the memory of one kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.feature_space import Sparse, dense
from cems_tui.routing.features import Floats

Matrix = NDArray[np.float32]

_COLUMNS = 4096  # features made dense at a time: 128 MiB for 8,000 prompts


@dataclass(frozen=True, slots=True)
class Ridge:
    """Linear weights on the features of a prompt."""

    weights: Floats
    """Shape (D, M)."""

    offset: Floats
    """Shape (M,): the prediction for a prompt with no known feature."""

    def predict(self, features: Sparse) -> Floats:
        """Predicted quality of each function, shape (M,)."""
        rows = self.weights[features.indices].astype(np.float32)
        return np.asarray(self.offset + features.values @ rows, dtype=np.float32)


def kernel(rows: Sequence[Sparse], size: int) -> Matrix:
    """The inner products of all rows, shape (N, N)."""
    total = np.zeros((len(rows), len(rows)), dtype=np.float32)
    for low in range(0, size, _COLUMNS):
        part = dense(rows, size, low, min(size, low + _COLUMNS))
        total += part @ part.T
    return total


def solve(gram: Matrix, alphas: Sequence[float], targets: Matrix) -> Matrix:
    """Dual coefficients a of every α, shape (len(alphas), N, T), for targets of shape (N, T).

    The targets are centred here. Conjugate gradients until the residual is 1e-4 of the target.
    """
    width = targets.shape[1]
    wanted = np.tile(targets - targets.mean(axis=0), (1, len(alphas))).astype(np.float32)
    shifts = np.repeat(np.asarray(alphas, dtype=np.float32), width)
    answer = np.zeros_like(wanted)
    residual = wanted.copy()
    direction = residual.copy()
    energy = np.square(residual).sum(axis=0)
    enough = np.maximum(energy * 1e-8, 1e-30)
    for _ in range(300):
        moved = gram @ direction
        moved += shifts * direction - moved.mean(axis=0)
        length = energy / np.maximum((direction * moved).sum(axis=0), 1e-30)
        answer += length * direction
        residual -= length * moved
        fresh = np.square(residual).sum(axis=0)
        if (fresh <= enough).all():
            break
        direction = residual + fresh / np.maximum(energy, 1e-30) * direction
        energy = fresh
    return answer.reshape(len(gram), len(alphas), width).transpose(1, 0, 2)


def cross_validated(
    gram: Matrix, fold: NDArray[np.intp], alphas: Sequence[float], targets: Matrix
) -> Matrix:
    """Held-out predictions of every α, shape (len(alphas), N, T); `fold` has shape (N,)."""
    out = np.empty((len(alphas), *targets.shape), dtype=np.float32)
    for number in np.unique(fold):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        inside, across = gram[np.ix_(train, train)], gram[np.ix_(test, train)]
        base = targets[train].mean(axis=0)
        for held_out, dual in zip(out, solve(inside, alphas, targets[train]), strict=True):
            held_out[test] = across @ dual - (inside @ dual).mean(axis=0) + base
    return out


def primal(rows: Sequence[Sparse], size: int, dual: Matrix, targets: Matrix) -> Ridge:
    """The weights on the features that the dual coefficients stand for."""
    weights = np.zeros((size, targets.shape[1]), dtype=np.float32)
    for row, coefficients in zip(rows, dual, strict=True):
        weights[row.indices] += row.values[:, None] * coefficients
    fitted = np.stack([row.values @ weights[row.indices] for row in rows])
    return Ridge(weights, (targets.mean(axis=0) - fitted.mean(axis=0)).astype(np.float32))
