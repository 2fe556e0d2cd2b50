"""K-means (Lloyd's iterations from k-means++), seeded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_ITERATIONS = 15


def kmeans(rows: Floats, count: int, seed: int) -> tuple[Floats, NDArray[np.intp]]:
    """Centres (K, d) and the centre of each row (N,); K is at most the number of rows."""
    random = np.random.default_rng(seed)
    centres = _spread_out(rows, min(count, len(rows)), random)
    place = np.full(len(rows), -1, dtype=np.intp)
    for _ in range(_ITERATIONS):
        found = nearest_centre(rows, centres)
        if (found == place).all():
            break
        place = found
        sizes = np.bincount(place, minlength=len(centres))
        member = np.zeros((len(centres), len(rows)), dtype=np.float32)
        member[place, np.arange(len(rows))] = 1.0
        total = member @ rows
        centres = np.where(sizes[:, None] > 0, total / np.maximum(sizes, 1)[:, None], centres)
        centres = centres.astype(np.float32)
    return centres, nearest_centre(rows, centres)


def nearest_centre(rows: Floats, centres: Floats) -> NDArray[np.intp]:
    """The place of the nearest centre of every row, shape (N,)."""
    distance = np.square(centres).sum(axis=1) - 2.0 * (rows @ centres.T)
    return np.asarray(np.argmin(distance, axis=1))


def _spread_out(rows: Floats, count: int, random: np.random.Generator) -> Floats:
    """Starting centres, each drawn with the chance of its squared distance to those before."""
    chosen = [int(random.integers(len(rows)))]
    length = np.square(rows).sum(axis=1, dtype=np.float64)
    distance = np.full(len(rows), np.inf)
    while len(chosen) < count:
        last = chosen[-1]
        fresh = length + length[last] - 2.0 * (rows @ rows[last])
        distance = np.minimum(distance, np.maximum(fresh, 0.0))
        total = float(distance.sum())
        chance = distance / total if total > 0 else None
        chosen.append(int(random.choice(len(rows), p=chance)))
    return rows[chosen].astype(np.float32)
