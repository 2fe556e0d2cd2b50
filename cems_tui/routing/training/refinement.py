"""Learns what a user's own pairs bear out beyond a router, and nothing where they bear out none.

The base's estimates are subtracted from the scores; what is left of the differences between
functions is explained in three steps, each shrunk by how sure it is (empirical Bayes; James &
Stein, 1961) and none at all within noise: what every prompt differs by (a model was changed), what
goes with the base's own deviations (it says too much, too little, or of another model), and what
the words tell (ridge regression, as `letters_trainer`). Figures are of five folds in which all of
this was chosen on the other folds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.estimate import QualityEstimator
from cems_tui.routing.estimators.intervals import Spread, learn_spread
from cems_tui.routing.estimators.letters_router import TextRouter, caution_for, split_parts
from cems_tui.routing.estimators.refined_router import RefinedRouter, refined
from cems_tui.routing.estimators.ridge import cross_validated, primal, solve
from cems_tui.routing.evaluation.truth import subset
from cems_tui.routing.features.letters import FeatureConfig, Floats
from cems_tui.routing.training.blend import ALPHAS, Blend, HeldOut, apply_blend, choose_blend
from cems_tui.routing.training.data import all_readings, filled
from cems_tui.routing.training.prepared_prompts import PreparedPrompts, prepare
from cems_tui.score_tables.table import Pivot

Rows = NDArray[np.intp]
Matrix = NDArray[np.float64]

SURE = 2.0
"""What is explained by chance counts so often: a step of less than that is not taken at all."""

SURELY = 1.645
"""Standard errors that the gain of a step on held-out prompts must exceed."""

PICKED_SURELY = 2.0
"""The same of the words, whose penalties were picked on those prompts."""

SIZES = (30, 60, 120, 240, 480, 960, 1920)
"""Numbers of prompts that the learning curve tells of."""


@dataclass(frozen=True, slots=True)
class Step:
    """What was learned from some rows: offset, turn, and the settings of the words."""

    level: float
    offset: Matrix
    """Shrunk mean of what is left of the deviations, shape (M,)."""

    mean: Matrix
    """The same, not shrunk: what the words' targets are centred by."""

    middle: Matrix
    turn: Matrix
    blend: Blend
    targets: Floats
    """Level and deviations the words are learned from, of those rows, shape (n, 1 + M)."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One's own prompts: what the base says, what was scored, and how they read."""

    pivot: Pivot
    said: Matrix
    """The base's estimates, shape (N, M)."""

    left: Matrix
    """Scores minus estimates, missing cells filled so that they say nothing, shape (N, M)."""

    prompts: PreparedPrompts

    @property
    def share(self) -> float:
        """How much is taken of what the words tell, by the sources of the prompts."""
        return caution_for(self.pivot.groups).share


@dataclass(frozen=True, slots=True)
class Refinement:
    """What came of it."""

    router: RefinedRouter
    estimates: Floats
    """Of every prompt while it was held out, shape (N, M)."""

    curve: tuple[tuple[int, Floats], ...]
    """Numbers of prompts, and the held-out estimates learned from so many."""

    shares: dict[str, float]
    """How much was taken of each step: `offset`, `turn`, `words`; 0 is nothing."""


def lesson_of(pivot: Pivot, said: Matrix, seed: int) -> Lesson:
    """One's own prompts made ready to learn from.

    Args:
        pivot: scores of at least two functions for each prompt, NaN where missing. A function
            without any is left as the base says.
        said: the base's estimates of these functions, shape (N, M).
    """
    prompts = prepare(pivot, FeatureConfig(), seed, index=False, ridge=True)
    scored = ~np.isnan(pivot.scores).all(axis=0)
    left = np.empty_like(said)
    left[:, scored] = filled(pivot.scores[:, scored] - said[:, scored])
    left[:, ~scored] = left[:, scored].mean(axis=1, keepdims=True)
    return Lesson(pivot, said, left, prompts)


def refine(
    base: QualityEstimator,
    lesson: Lesson,
    *,
    seed: int,
    keep_prompts: bool,
    curve: bool = True,
) -> Refinement:
    """The base, refined by the lesson, with its held-out estimates.

    Args:
        keep_prompts: whether the refined router keeps the prompts' texts.
        curve: whether to learn from fewer prompts too, for the learning curve.
    """
    everyone = np.arange(len(lesson.said))
    step = _learned(lesson, everyone)
    estimates = held_out(lesson)
    rest = _rest(lesson, step, estimates, keep_prompts=keep_prompts)
    router = refined(base, _f32(step.middle), _f32(step.turn), rest)
    sizes = [size for size in SIZES if curve and size <= 0.75 * len(everyone)]
    learned = tuple((size, held_out(lesson, size, seed)) for size in sizes)
    taken = [part.ridge for part in step.blend.parts[1:]]
    shares = {
        "offset": _length(step.offset) / max(1e-300, _length(step.mean)),
        "turn": float(np.abs(step.turn).max(initial=0.0)),
        "words": float(np.mean(taken)) if taken else 0.0,
    }
    return Refinement(router, estimates, learned, shares)


def held_out(lesson: Lesson, size: int | None = None, seed: int = 42) -> Floats:
    """What is said of each fold when the others are learned from, shape (N, M).

    Args:
        size: learn from so many of their prompts, drawn at random; None is all of them.
    """
    fold, out = lesson.prompts.fold, np.empty(lesson.said.shape, dtype=np.float32)
    random = np.random.default_rng(seed)
    for number in np.unique(fold):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if size is not None:
            inside = np.sort(random.permutation(inside)[:size])
        out[outside] = _predicted(lesson, _learned(lesson, inside), inside, outside)
    return out


def _learned(lesson: Lesson, rows: Rows) -> Step:
    left = lesson.left[rows]
    level = float(left.mean())
    deviations = left - left.mean(axis=1, keepdims=True)
    mean = deviations.mean(axis=0)
    centred = deviations - mean
    fold = lesson.prompts.fold[rows]
    offset = _offset(deviations)
    if not _bears_out(fold, deviations, lambda inside, _: _offset(deviations[inside])):
        offset = np.zeros_like(offset)
    base = lesson.said[rows] - lesson.said[rows].mean(axis=1, keepdims=True)
    middle = base.mean(axis=0)
    base = base - middle
    turn = _turn(base, centred)
    if not _bears_out(
        fold,
        centred,
        lambda inside, outside: base[outside] @ _turn(base[inside], centred[inside]),
    ):
        turn = np.zeros_like(turn)
    centred = centred - base @ turn
    parts = split_parts(left.mean(axis=1, keepdims=True) + centred)
    return Step(level, offset, mean, middle, turn, _blend(lesson, rows, parts), parts)


def _offset(deviations: Matrix) -> Matrix:
    """What every prompt differs by, as far as it is sure, shape (M,)."""
    mean = deviations.mean(axis=0)
    chance = float((deviations - mean).var(axis=0).sum()) / max(1, len(deviations) - 1)
    return np.asarray(mean * surely(float(mean @ mean), chance))


def _bears_out(
    fold: Rows, target: Matrix, predict: Callable[[Rows, Rows], Matrix], least: float = SURELY
) -> bool:
    """Whether what is predicted of each fold from the others surely lowers the squared error."""
    left = target.copy()
    for number in np.unique(fold):
        outside = np.flatnonzero(fold == number)
        left[outside] -= predict(np.flatnonzero(fold != number), outside)
    gained = np.square(target).sum(axis=1) - np.square(left).sum(axis=1)
    error = float(gained.std(ddof=1)) / len(gained) ** 0.5
    return bool(gained.mean() > least * error)


def surely(found: float, chance: float) -> float:
    """The share of an effect that is taken: 1 − 2 · chance/found, or nothing where that is < 0.

    Args:
        found: the squared length of the effect as estimated.
        chance: what its squared length would be by chance alone.
    """
    return max(0.0, 1.0 - SURE * chance / found) if found > 0.0 else 0.0


def _turn(base: Matrix, target: Matrix) -> Matrix:
    """The map of the base's deviations to what is left, axis by axis, each taken as far as sure."""
    width = base.shape[1]
    turn = np.zeros((width, width))
    _, sizes, axes = np.linalg.svd(base, full_matrices=False)
    for size, axis in zip(sizes, axes, strict=True):
        energy = float(size**2)
        if energy < 1e-9 * float(sizes[0] ** 2) or energy < 1e-300:
            continue
        along = base @ axis
        effect = along @ target / energy
        wrong = target - np.outer(along, effect)
        chance = float((np.square(along)[:, None] * np.square(wrong)).sum()) / energy**2
        turn += np.outer(axis, effect * surely(float(effect @ effect), chance))
    return turn


def _blend(lesson: Lesson, rows: Rows, parts: Floats) -> Blend:
    """The settings of the words, by what they are worth on held-out rows among these."""
    fold = lesson.prompts.fold[rows]
    gram = lesson.prompts.gram
    assert gram is not None
    inside = gram[np.ix_(rows, rows)]
    base = np.empty_like(parts)
    for number in np.unique(fold):
        base[fold == number] = parts[fold != number].mean(axis=0)
    predicted = cross_validated(inside, fold, ALPHAS, parts)
    held = HeldOut(predicted, None, base, lesson.prompts.held.trust[rows])
    everyone = np.arange(len(rows))
    blend = choose_blend(held, parts, everyone, lesson.share)
    blend = replace(
        blend, parts=tuple(replace(one, ridge=min(1.0, one.ridge)) for one in blend.parts)
    )
    said = apply_blend(held, blend, everyone).astype(np.float64) - base[:, :1] - base[:, 1:]
    said -= said.mean(axis=1, keepdims=True)
    target = (parts[:, 1:] - base[:, 1:]).astype(np.float64)
    if _bears_out(fold, target, lambda _, outside: said[outside], PICKED_SURELY):
        return blend
    first, *others = blend.parts
    return replace(blend, parts=(first, *(replace(one, ridge=0.0) for one in others)))


def _predicted(lesson: Lesson, step: Step, inside: Rows, outside: Rows) -> Floats:
    """The whole for rows that were not learned from, shape (n, M)."""
    gram = lesson.prompts.gram
    assert gram is not None
    own, across = gram[np.ix_(inside, inside)], gram[np.ix_(outside, inside)]
    mean = step.targets.mean(axis=0)
    words = np.stack(
        [
            across @ dual - (own @ dual).mean(axis=0) + mean
            for dual in solve(own, ALPHAS, step.targets)
        ]
    )
    base = np.tile(mean, (outside.size, 1))
    held = HeldOut(words, None, base, lesson.prompts.held.trust[outside])
    rest = apply_blend(held, step.blend, np.arange(outside.size))
    said = lesson.said[outside]
    deviations = said - said.mean(axis=1, keepdims=True)
    return _f32(said + (deviations - step.middle) @ step.turn + step.offset + rest)


def _rest(lesson: Lesson, step: Step, estimates: Floats, *, keep_prompts: bool) -> TextRouter:
    """What words tell, as a router of its own, with the intervals of the whole."""
    prompts, pivot = lesson.prompts, lesson.pivot
    alphas = sorted({one.alpha for one in step.blend.parts if one.alpha is not None})
    gram, dual = prompts.gram, np.zeros_like(step.targets)
    assert gram is not None
    solved = dict(zip(alphas, solve(gram, alphas, step.targets), strict=True))
    for one in step.blend.parts:
        if one.alpha is not None:
            dual += np.outer(one.ridge * (solved[one.alpha] @ one.direction), one.direction)
    rows = [reading.features for reading in prompts.readings]
    mean = step.targets.mean(axis=0)
    mean[1:] += step.offset.astype(np.float32)
    return TextRouter(
        functions=pivot.functions,
        metric=pivot.metric,
        space=prompts.space,
        parts_mean=mean,
        ridge=primal(rows, prompts.space.size, dual, np.zeros_like(step.targets)),
        neighbourhood=None,
        spread=_spread(lesson, estimates),
        familiarity=prompts.familiarity,
        prompts=pivot.prompts if keep_prompts else (),
    )


def _spread(lesson: Lesson, estimates: Floats) -> Spread:
    """The intervals; a function that was not scored has the widest of the others."""
    pivot = lesson.pivot
    scored = np.flatnonzero(~np.isnan(pivot.scores).all(axis=0))
    own = subset(pivot, np.arange(len(pivot.prompts)), scored)
    spread = learn_spread(
        estimates[:, scored].astype(np.float64),
        lesson.prompts.held.novelty,
        all_readings(own),
        own.scores,
    )
    width = len(pivot.functions)
    low, high = np.full(width, spread.low.min()), np.full(width, spread.high.max())
    unfamiliar = np.full(width, spread.unfamiliar.max())
    low[scored], high[scored], unfamiliar[scored] = spread.low, spread.high, spread.unfamiliar
    return replace(spread, low=low, high=high, unfamiliar=unfamiliar)


def asked_of(base: QualityEstimator, prompts: Sequence[str]) -> Matrix:
    """What a router says of prompts, shape (N, M)."""
    return np.array(
        [
            [said.estimates[name].worth for name in base.functions]
            for said in map(base.estimate, prompts)
        ],
        dtype=np.float64,
    )


def _length(values: Matrix) -> float:
    return float(np.sqrt(np.square(values).sum()))


def _f32(values: NDArray[np.floating]) -> Floats:
    return np.asarray(values, dtype=np.float32)
