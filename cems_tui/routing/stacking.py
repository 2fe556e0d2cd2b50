"""How much of each member is taken, chosen by what it was worth on held-out prompts.

Non-negative least squares on the members' differences from the functions' means, or nothing at
all where the whole is not surely worth something: little data and no signal give the means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.estimators.text_router import Weights
from cems_tui.routing.features import Floats

SURE = 3.3
"""Standard errors that a stack's worth must lie above 0. More than one member alone needs, since
the best of several settings of each is what is asked about."""

LEVEL, DEVIATIONS = slice(0, 1), slice(1, None)

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Tried:
    """What one member predicted for prompts it had not seen."""

    name: str
    predicted: Floats
    """Of every setting, shape (H, N, 1 + M)."""

    separate: bool = False
    """Whether level and deviations may each have their own setting."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The settings (places in `Tried.predicted`) and weights of one member."""

    level: int
    deviation: int
    weights: Weights


def choose(tried: Sequence[Tried], truth: Floats, base: Floats, rows: Rows) -> tuple[Taken, ...]:
    """What to take of every member, judged on those rows.

    Args:
        truth: level and deviations, shape (N, 1 + M).
        base: the means of the prompts each row was predicted from, shape (N, 1 + M).
    """
    settings = []
    for one in tried:
        deviation = _best_setting(one, truth, base, rows, DEVIATIONS)
        level = _best_setting(one, truth, base, rows, LEVEL) if one.separate else deviation
        settings.append((level, deviation))
    levels = _weights(tried, [s[0] for s in settings], truth, base, rows, LEVEL)
    deviations = _weights(tried, [s[1] for s in settings], truth, base, rows, DEVIATIONS)
    return tuple(
        Taken(level, deviation, Weights(levels[m], deviations[m]))
        for m, (level, deviation) in enumerate(settings)
    )


def combined(tried: Sequence[Tried], taken: Sequence[Taken], base: Floats, rows: Rows) -> Floats:
    """The estimates of quality for those rows, shape (n, M)."""
    parts = base[rows].copy()
    for one, how in zip(tried, taken, strict=True):
        for place, part, weight in (
            (how.level, LEVEL, how.weights.level),
            (how.deviation, DEVIATIONS, how.weights.deviation),
        ):
            difference = one.predicted[place][rows, part] - base[rows, part]
            parts[:, part] += np.float32(weight) * difference
    return np.asarray(parts[:, :1] + parts[:, 1:], dtype=np.float32)


def worth(members: Floats, target: Floats) -> list[float]:
    """The weight ≥ 0 of each member, all 0 unless together they are surely worth something.

    Args:
        members: predicted differences from the means, shape (P, n, T).
        target: the differences that came true, shape (n, T).
    """
    weights = not_negative(
        np.einsum("ant,bnt->ab", members, members, dtype=np.float64),
        np.einsum("ant,nt->a", members, target, dtype=np.float64),
    )
    predicted = np.tensordot(weights, members, axes=1)
    energy = float(np.square(predicted).sum())
    if energy < 1e-12 * max(1.0, float(np.square(target).sum())):
        return [0.0] * len(members)
    slope = float((predicted * target).sum()) / energy
    by_prompt = (predicted * (target - slope * predicted)).sum(axis=1)
    error = float(np.sqrt(np.square(by_prompt).sum())) / energy
    return [float(w) for w in weights] if slope > SURE * error else [0.0] * len(members)


def not_negative(gram: NDArray[np.float64], moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """The minimiser of wᵀGw − 2wᵀm over w ≥ 0, exactly: some members at 0, the others free."""
    live = np.flatnonzero(np.diag(gram) > 1e-12)
    best, least = np.zeros(len(moments)), 0.0
    for size in range(1, len(live) + 1):
        for chosen in combinations(live, size):
            at = list(chosen)
            weights = np.linalg.lstsq(gram[np.ix_(at, at)], moments[at], rcond=None)[0]
            value = float(weights @ gram[np.ix_(at, at)] @ weights - 2 * weights @ moments[at])
            if value < least and (weights >= 0).all():
                best, least = np.zeros(len(moments)), value
                best[at] = weights
    return best


def _best_setting(one: Tried, truth: Floats, base: Floats, rows: Rows, part: slice) -> int:
    """The setting of the least squared error, each weighed as it deserves."""
    target = truth[rows, part] - base[rows, part]
    errors = []
    for predicted in one.predicted:
        difference = predicted[rows, part] - base[rows, part]
        energy = float(np.square(difference).sum())
        weight = max(0.0, float((difference * target).sum()) / energy) if energy > 0 else 0.0
        errors.append(float(np.square(target - weight * difference).sum()))
    return int(np.argmin(errors))


def _weights(
    tried: Sequence[Tried],
    settings: Sequence[int],
    truth: Floats,
    base: Floats,
    rows: Rows,
    part: slice,
) -> list[float]:
    differences = [
        one.predicted[setting][rows, part] - base[rows, part]
        for one, setting in zip(tried, settings, strict=True)
    ]
    return worth(np.stack(differences), truth[rows, part] - base[rows, part])
