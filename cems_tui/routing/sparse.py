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
