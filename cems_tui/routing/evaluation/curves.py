"""Quality over cost: what a sweep of λ chooses, its running maximum, and the zero router's hull."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.decide.dial import choices, sweep_lambdas

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sweep:
    """What every λ chose: scores and prices of the choices, both of shape (L, N)."""

    lambdas: Matrix
    quality: Matrix
    cost: Matrix

    def points(self) -> tuple[tuple[float, float, float], ...]:
        means = zip(self.lambdas, self.quality.mean(axis=1), self.cost.mean(axis=1), strict=True)
        return tuple((float(a), float(b), float(c)) for a, b, c in means)


def sweep(truth: Matrix, predicted: Matrix, cost: Matrix) -> Sweep:
    """The choices at λ = 0 and 400 geometric steps up to where all prompts go to the cheapest."""
    lambdas = sweep_lambdas(predicted, cost)
    rows = np.arange(len(truth))
    picks = np.stack([choices(predicted, cost, float(value)) for value in lambdas])
    return Sweep(lambdas, truth[rows, picks], cost[picks])


def running_maximum(cost: Matrix, quality: Matrix, grid: Matrix) -> Matrix:
    """The best quality at each cost of the grid: running maximum, linear in between, then flat."""
    order = np.lexsort((quality, cost))
    best = np.maximum.accumulate(quality[order])
    last = np.append(np.diff(cost[order]) > 0, True)  # of equal costs the best
    return np.asarray(np.interp(grid, cost[order][last], best[last]))


def hull_corners(cost: Matrix, quality: Matrix) -> list[int]:
    """The functions on the non-decreasing concave hull, cheapest first."""
    corners: list[int] = []
    for m in np.lexsort((-quality, cost)):
        if corners and quality[m] <= quality[corners[-1]]:
            continue
        while len(corners) > 1 and _below(corners[-2], corners[-1], int(m), cost, quality):
            corners.pop()
        corners.append(int(m))
    return corners


def zero_curve(cost: Matrix, quality: Matrix, grid: Matrix) -> Matrix:
    """The quality of the best random mix of single functions at each cost of the grid."""
    corners = hull_corners(cost, quality)
    return np.asarray(np.interp(grid, cost[corners], quality[corners]))


def zero_mix(cost: Matrix, quality: Matrix, at: float) -> Matrix:
    """The shares (M,) of the best random mix of single functions that costs `at` at most."""
    corners = hull_corners(cost, quality)
    shares = np.zeros(cost.size)
    places = np.interp(at, cost[corners], np.arange(len(corners)))
    low = int(places)
    shares[corners[low]] = 1.0 - (places - low)
    if places > low:
        shares[corners[low + 1]] = places - low
    return shares


def first_cost(curve: Sweep, wanted: float) -> float | None:
    """The least mean cost at which the interpolated running maximum reaches a quality."""
    cost, quality = curve.cost.mean(axis=1), curve.quality.mean(axis=1)
    order = np.lexsort((quality, cost))
    cost, best = cost[order], np.maximum.accumulate(quality[order])
    reached = np.flatnonzero(best >= wanted - 1e-12)
    if not reached.size:
        return None
    first = int(reached[0])
    if first == 0 or best[first] == best[first - 1]:
        return float(cost[first])
    part = (wanted - best[first - 1]) / (best[first] - best[first - 1])
    return float(cost[first - 1] + min(1.0, max(0.0, part)) * (cost[first] - cost[first - 1]))


def cost_at(wanted: Matrix, cost: Matrix, quality: Matrix) -> Matrix:
    """The least cost at which the running maximum reaches each quality; NaN where it does not."""
    order = np.lexsort((quality, cost))
    best, cost = np.maximum.accumulate(quality[order]), cost[order]
    rising = np.append(True, np.diff(best) > 0)
    found = np.interp(wanted, best[rising], cost[rising])
    return np.asarray(np.where(wanted > best[-1] + 1e-12, np.nan, found))


def _below(a: int, b: int, c: int, cost: Matrix, quality: Matrix) -> bool:
    """Whether b lies on or below the line from a to c."""
    return bool(
        (quality[b] - quality[a]) * (cost[c] - cost[a])
        <= (quality[c] - quality[a]) * (cost[b] - cost[a])
    )
