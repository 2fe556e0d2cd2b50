"""How often the best, or at least the second best, function is picked, with its baselines."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ranking:
    """Shares of picks by the rank of their score among the functions' scores."""

    top1: float
    """Share of picks with the highest score; ties count."""

    second_best: float | None
    """Of the misses, the share whose pick ranks second; None without a miss."""

    second_best_random: float | None
    """The same for a picker that draws functions at random."""

    second_best_best_single: float | None
    """The same for always picking the function of the highest mean."""

    def to_json(self) -> dict[str, float | None]:
        return asdict(self)


def ranking(truth: NDArray[np.float64], picks: NDArray[np.intp]) -> Ranking:
    """Ranks of the picked functions, shape (N,), among the scores (N, M)."""
    better = (truth[:, None, :] > truth[:, :, None]).sum(axis=2)  # how many are strictly better
    rows = np.arange(len(truth))
    best_single = int(np.argmax(truth.mean(axis=0)))
    picked = better[rows, picks]
    return Ranking(
        float((picked == 0).mean()),
        _second_of_misses(picked),
        _second_of_misses(better.ravel()),
        _second_of_misses(better[:, best_single]),
    )


def _second_of_misses(better: NDArray[np.intp]) -> float | None:
    misses = better[better > 0]
    return float((misses == 1).mean()) if misses.size else None
