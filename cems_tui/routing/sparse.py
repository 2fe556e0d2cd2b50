"""Vectors by their non-zero places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Sparse:
    """A vector by its non-zero places: `values[i]` stands at `indices[i]`."""

    indices: Indices
    values: NDArray[np.float32]

    def plus(self, other: Sparse, weight: float) -> Sparse:
        """The sum with so much of another; a place that both have is there once."""
        indices, at = np.unique(np.concatenate([self.indices, other.indices]), return_inverse=True)
        values = np.concatenate([self.values, other.values * np.float32(weight)])
        total = np.bincount(at, weights=values, minlength=indices.size)
        return Sparse(indices, total.astype(np.float32))
