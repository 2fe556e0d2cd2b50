"""Ridge regression of quality on sparse prompt features, in its kernel form while it learns.

The minimiser is a = (HKH + αI)⁻¹ HY with H centring the training prompts (an intercept that is
not penalised); conjugate gradients solve it for several α at once in the memory of one kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.features.letters import Floats
from cems_tui.routing.features.space import Sparse

Matrix = NDArray[np.float32]

_COLUMNS = 4096  # features made dense at a time: 128 MiB for 8,000 prompts
_RARE = 16  # a feature of less than this part of the prompts costs less pair by pair


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
    """The inner products of all rows, shape (N, N).

    A feature of few rows only touches their pairs; the frequent ones are multiplied densely.
    """
    count = len(rows)
    features = np.concatenate([row.indices for row in rows])
    order = np.argsort(features, kind="stable")
    owners = np.repeat(np.arange(count), [row.indices.size for row in rows])[order]
    values = np.concatenate([row.values for row in rows])[order]
    ends = np.cumsum(np.bincount(features, minlength=size))
    frequency = np.diff(ends, prepend=0)
    frequent = np.flatnonzero(frequency > max(8, count // _RARE))
    total = np.zeros((count, count), dtype=np.float32)
    for low in range(0, frequent.size, _COLUMNS):
        part = np.zeros((count, min(_COLUMNS, frequent.size - low)), dtype=np.float32)
        for column, feature in enumerate(frequent[low : low + _COLUMNS]):
            span = slice(ends[feature] - frequency[feature], ends[feature])
            part[owners[span], column] = values[span]
        total += part @ part.T
    for feature in np.flatnonzero((frequency > 0) & (frequency <= max(8, count // _RARE))):
        span = slice(ends[feature] - frequency[feature], ends[feature])
        weights = values[span]
        total[np.ix_(owners[span], owners[span])] += weights[:, None] * weights
    return total


def solve(gram: Matrix, alphas: Sequence[float], targets: Matrix) -> Matrix:
    """Dual coefficients a of every α, shape (len(alphas), N, T), for targets of shape (N, T).

    The targets are centred here. Each column's conjugate gradients end when its residual is
    1e-3 of its target.
    """
    width = targets.shape[1]
    residual = np.tile(targets - targets.mean(axis=0), (1, len(alphas))).astype(np.float32)
    shifts = np.repeat(np.asarray(alphas, dtype=np.float32), width)
    answer = np.zeros_like(residual)
    direction = residual.copy()
    energy = np.square(residual).sum(axis=0)
    enough = energy * 1e-6
    live = np.flatnonzero(energy > 1e-30)
    for _ in range(300):
        if not live.size:
            break
        ahead = direction[:, live]
        moved = gram @ ahead
        moved += shifts[live] * ahead - moved.mean(axis=0)
        length = energy[live] / (ahead * moved).sum(axis=0)
        answer[:, live] += length * ahead
        residual[:, live] -= length * moved
        fresh = np.square(residual[:, live]).sum(axis=0)
        direction[:, live] = residual[:, live] + fresh / energy[live] * ahead
        energy[live] = fresh
        live = live[fresh > enough[live]]
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
