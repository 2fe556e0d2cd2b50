"""A Gaussian kernel over what a prompt is about and how it is written, by a few landmarks.

Landmarks are k-means centres, not prompts: k(x, landmarks) · K^(−1/2) is the Nyström map (Williams
& Seeger, 2001), whose inner products approximate the kernel. In so many dimensions random waves
would need tens of thousands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.kmeans import kmeans
from cems_tui.routing.themes import as_stored

Floats = NDArray[np.float32]

_PROMPTS_A_LANDMARK = 8
_JITTER = 1e-3
_SEED = 20240619


@dataclass(frozen=True, slots=True)
class Landmarks:
    """The centres and the map from nearness to them to features."""

    centres: Floats
    """Shape (L, d)."""

    whitening: Floats
    """K^(−1/2) of the kernel between centres, shape (L, L)."""

    @classmethod
    def learn(cls, rows: Floats, most: int) -> Landmarks:
        """Of the training prompts' vectors, shape (N, d), in widths of the kernel."""
        count = min(most, len(rows) // _PROMPTS_A_LANDMARK)
        if count < 1:
            return cls.none(rows.shape[1])
        centres = as_stored(kmeans(rows, count, _SEED)[0])
        between = _kernel(centres, centres).astype(np.float64) + _JITTER * np.eye(len(centres))
        values, vectors = np.linalg.eigh(between)
        return cls(centres, as_stored(vectors / np.sqrt(values)))

    @classmethod
    def none(cls, width: int) -> Landmarks:
        """No landmark at all, for vectors of that width."""
        return cls(np.zeros((0, width), np.float32), np.zeros((0, 0), np.float32))

    def features(self, row: Floats) -> Floats:
        """The Nyström features of a vector of shape (d,), shape (L,)."""
        return np.asarray(_kernel(row[None], self.centres)[0] @ self.whitening)


def _kernel(rows: Floats, centres: Floats) -> Floats:
    lengths = np.square(rows).sum(axis=1)[:, None] + np.square(centres).sum(axis=1)
    distance = np.maximum(lengths - 2.0 * rows @ centres.T, 0.0)
    return np.asarray(np.exp(-0.5 * distance), dtype=np.float32)
