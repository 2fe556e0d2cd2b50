"""Choosing the ensemble's settings by what they were worth on held-out prompts.

The scores of a prompt are its level and the deviations of the functions from it. Some contrasts
between functions can be predicted well and others hardly at all, so each contrast (a principal
axis of the deviations) has its own penalty and its own shrinkage towards the means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cems_tui.routing.estimators.letters_router import Weights
from cems_tui.routing.features.letters import Floats

ALPHAS = (3.0, 5.0, 8.0, 13.0, 30.0, 100.0)
NEIGHBOURS = (10, 20, 50, 100, 200)
MOST_CONTRASTS = 64
"""Contrasts that are learned, the strongest first: the others of hundreds of functions are left at
the means."""

TRIED = 2.0
"""How much more the square of a weight's standard error counts, since the best of several
penalties and numbers of neighbours is what is asked about (`believed`)."""
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Part:
    """One direction of the scores, and how much is taken of what the members say of it."""

    direction: Floats
    """Of unit length over level and deviations, shape (1 + M,)."""

    alpha: float | None
    """Ridge penalty; None without ridge."""

    ridge: float
    """The share of ridge's difference from the means that is taken: 0 none of it."""

    near: float
    """The same of the neighbours'."""


@dataclass(frozen=True, slots=True)
class Blend:
    """The settings chosen on held-out prompts."""

    neighbours: int | None
    """K; None without neighbours."""

    parts: tuple[Part, ...]
    """The level first, then the contrasts."""

    @property
    def near(self) -> Floats:
        """What is taken of the neighbours' difference from the means, shape (1 + M, 1 + M)."""
        total = sum(one.near * np.outer(one.direction, one.direction) for one in self.parts)
        return np.asarray(total, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What every member predicted for prompts it had not seen."""

    ridge: Floats | None
    """Shape (len(ALPHAS), N, 1 + M); None without ridge."""

    neighbours: Floats | None
    """Shape (len(NEIGHBOURS), N, 1 + M); None without neighbours."""

    base: Floats
    """The means of the prompts learned from, shape (N, 1 + M)."""

    trust: Floats
    """The share of a difference from them that is believed of each prompt, shape (N,)."""

    @property
    def counts(self) -> tuple[int | None, ...]:
        return (None,) if self.neighbours is None else NEIGHBOURS

    @property
    def alphas(self) -> tuple[float | None, ...]:
        return (None,) if self.ridge is None else ALPHAS

    def differences(
        self, alpha: float | None, count: int | None, rows: Rows, direction: Floats
    ) -> Floats:
        """Each member's difference from the means along a direction, shape (2, n)."""
        out = np.zeros((2, rows.size), dtype=np.float32)
        base = self.base[rows] @ direction
        if self.ridge is not None and alpha is not None:
            out[0] = self.ridge[ALPHAS.index(alpha)][rows] @ direction - base
        if self.neighbours is not None and count is not None:
            out[1] = self.neighbours[NEIGHBOURS.index(count)][rows] @ direction - base
        return out * self.trust[rows]


def choose_blend(held_out: HeldOut, truth: Floats, rows: Rows, share: float = 1.0) -> Blend:
    """The settings with the least squared error on those rows; K is the deviations' best.

    Args:
        share: how much is taken of the deviations that are worth keeping (`Caution`).
    """
    difference = truth[rows] - held_out.base[rows]
    level, *contrasts = _directions(difference)
    least, best, chosen = np.inf, None, held_out.counts[0]
    for count in held_out.counts:
        found = [_best(held_out, difference, rows, count, one) for one in contrasts]
        error = sum(one for _, one in found)
        if error < least:
            least, best, chosen = error, [part for part, _ in found], count
    first = _best(held_out, difference, rows, chosen, level)[0]
    cautious = [
        Part(one.direction, one.alpha, share * one.ridge, share * one.near) for one in best or ()
    ]
    return Blend(chosen, (first, *cautious))


def apply_blend(held_out: HeldOut, blend: Blend, rows: Rows) -> Floats:
    """Held-out estimates of quality for the rows under those settings, shape (n, M)."""
    total = held_out.base[rows].copy()
    for part in blend.parts:
        ridge, near = held_out.differences(part.alpha, blend.neighbours, rows, part.direction)
        total += np.outer(part.ridge * ridge + part.near * near, part.direction)
    return np.asarray(total[:, :1] + total[:, 1:], dtype=np.float32)


def worth_keeping(members: Floats, target: Floats) -> tuple[float, float]:
    """How much of each member's predicted difference from the mean held-out prompts bear out.

    Least-squares weights ≥ 0, drawn to 0 by how little sure it is that they are worth something
    (`believed`): little data or no signal leave nearly nothing.

    Args:
        members: predicted differences of the two members, shape (2, n).
        target: the differences that came true, shape (n,).
    """
    weights = _not_negative(
        np.einsum("an,bn->ab", members, members, dtype=np.float64),
        np.einsum("an,n->a", members, target, dtype=np.float64),
    )
    predicted = weights[0] * members[0] + weights[1] * members[1]
    energy = float(np.square(predicted).sum())
    if energy < 1e-12 * max(1.0, float(np.square(target).sum())):
        return (0.0, 0.0)
    slope = float((predicted * target).sum()) / energy
    by_prompt = predicted * (target - slope * predicted)
    error = float(np.sqrt(np.square(by_prompt).sum())) / energy
    share = believed(slope, error, TRIED)
    return share * weights[0], share * weights[1]


def believed(slope: float, error: float, tried: float) -> float:
    """The share 0…1 of a slope that is believed when it is only known up to a standard error.

    The posterior mean of a slope with a normal prior around 0 of the variance s² that the estimate
    suggests, over the estimate: s²/(s² + e²) (empirical Bayes; Efron & Morris, 1973). A slope of 0
    or less is not believed at all.

    Args:
        tried: by how much the error's square counts more: the best of several settings was picked.
    """
    if slope <= 0.0:
        return 0.0
    return slope * slope / (slope * slope + tried * error * error)


def _directions(difference: Floats) -> list[Floats]:
    """The level, then the principal axes of the deviations, the strongest first."""
    width = difference.shape[1]
    deviations = difference[:, 1:].astype(np.float64)
    if len(deviations) < deviations.shape[1]:  # as many axes as prompts, found among those
        axes = np.linalg.svd(deviations, full_matrices=False)[2].T[:, :MOST_CONTRASTS]
    else:
        # deviations sum to 0, so the weakest axis says nothing: it is every function alike
        axes = np.linalg.eigh(deviations.T @ deviations)[1][:, :0:-1][:, :MOST_CONTRASTS]
    level = np.eye(width, dtype=np.float32)[0]
    padded = np.concatenate([np.zeros((1, axes.shape[1])), axes])
    return [level, *padded.T.astype(np.float32)]


def _best(
    held_out: HeldOut, difference: Floats, rows: Rows, count: int | None, direction: Floats
) -> tuple[Part, float]:
    """The best penalty and weights along a direction, and their squared error."""
    target = difference @ direction
    least, best = np.inf, Part(direction, held_out.alphas[-1], 0.0, 0.0)
    for alpha in held_out.alphas:
        members = held_out.differences(alpha, count, rows, direction)
        weights = worth_keeping(members, target)
        error = float(np.square(target - weights[0] * members[0] - weights[1] * members[1]).mean())
        if error < least:
            least, best = error, Part(direction, alpha, *weights)
    return best, least


def _not_negative(gram: NDArray[np.float64], moments: NDArray[np.float64]) -> tuple[float, float]:
    """The minimiser of wᵀGw − 2wᵀm over w ≥ 0, for two weights."""
    determinant = gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2
    if determinant > 1e-9 * gram[0, 0] * gram[1, 1]:
        first = (gram[1, 1] * moments[0] - gram[0, 1] * moments[1]) / determinant
        second = (gram[0, 0] * moments[1] - gram[0, 1] * moments[0]) / determinant
        if first >= 0 and second >= 0:
            return float(first), float(second)
    alone = [max(0.0, moments[i] / gram[i, i]) if gram[i, i] > 0 else 0.0 for i in range(2)]
    if alone[0] * moments[0] >= alone[1] * moments[1]:
        return float(alone[0]), 0.0
    return 0.0, float(alone[1])


# How much of each member is taken, chosen by what it was worth on held-out prompts.
#
# Non-negative least squares on the members' differences from the functions' means, drawn to 0 by
# how little sure it is that they are worth something: no signal gives the means, or nearly.

TRIED_BY_A_STACK = 8.0
"""The same of a stack, where the best of several settings of each of five members is picked."""

LEVEL, DEVIATIONS = slice(0, 1), slice(1, None)


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
    """The weight ≥ 0 of each member, drawn to 0 by how little sure they are worth something.

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
    share = believed(slope, error, TRIED_BY_A_STACK)
    return [share * float(one) for one in weights]


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
