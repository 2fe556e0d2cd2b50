"""A router in use, trained on by one's own pairs: what it learns, and whether that is better.

A pair is a prompt with scores of two functions or more: from it differences can be learned. A
prompt with one picture says nothing of them: which function drew it was the routing's own choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.encoder import FunctionFacts
from cems_tui.domain.score import METRIC as MIXED
from cems_tui.routing.checkpoints.card import Refined, Training
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.decide.dial import representatives
from cems_tui.routing.estimators.intervals import said_of_interval
from cems_tui.routing.estimators.refined_router import RefinedRouter
from cems_tui.routing.evaluation.evaluate import evaluate, figures_by_group
from cems_tui.routing.evaluation.oracle import corrected_oracle
from cems_tui.routing.evaluation.rival import LEAST, Against, against, learned_by
from cems_tui.routing.evaluation.truth import costs_of, subset
from cems_tui.routing.training.data import check_scores, sampled
from cems_tui.routing.training.letters_trainer import settings_of_text
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.refinement import Lesson, Refinement, asked_of, lesson_of, refine
from cems_tui.routing.training.splits import FOLDS
from cems_tui.score_tables.mixed import constants_of, with_mixed
from cems_tui.score_tables.table import Pivot, ScoreTable

NEEDED = 120
"""So many pairs about are needed before a router can be beaten: with one model of the pool changed
that many win, on prompts like those it was trained on nothing does."""

MOST_PAIRS = 4_000
"""More are sampled: what is left to learn beside a router is learned from fewer."""

SURE = 1.645
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """One's own prompts, as a router can learn from them."""

    table: ScoreTable
    """With the metric in it."""

    pivot: Pivot
    """The pairs that the base has not seen, over all its functions."""

    singles: int
    """Prompts with a picture of one function alone."""

    seen: int
    """Pairs that the base was trained on, as far as it tells."""

    mixed: Mapping[str, tuple[float, float]] | None


def pairs_of(table: ScoreTable, metric: str, base: Checkpoint | None) -> Pairs:
    """The pairs of a table.

    Args:
        base: the router to start from; None learns by itself, and every function counts.

    Raises:
        UnknownName: the table has no such metric.
    """
    mixed = None
    if metric == MIXED and MIXED not in table.metrics:
        mixed = (base.card.mixed if base else None) or constants_of(table)
        table = with_mixed(table, mixed)
    pivot = table.pivot(metric)
    if base is not None:
        pivot = _over(pivot, base.functions)
    count = (~np.isnan(pivot.scores)).sum(axis=1)
    known = seen_by(base) if base else frozenset()
    fresh = np.array([prompt not in known for prompt in pivot.prompts], dtype=np.bool_)
    rows = np.flatnonzero((count >= 2) & fresh)
    own = subset(pivot, rows, np.arange(len(pivot.functions)))
    seen = int(((count >= 2) & ~fresh).sum())
    return Pairs(table, own, int((count == 1).sum()), seen, mixed)


def seen_by(base: Checkpoint) -> frozenset[str]:
    """The prompts that a router was trained on, as far as it keeps them; what a refined one
    learned is learned anew."""
    router = base.router.base if isinstance(base.router, RefinedRouter) else base.router
    return frozenset(getattr(router, "prompts", ()))


def enough(found: int, *, base: bool) -> bool:
    """Whether something can be learned from so many pairs: a router by itself needs them all."""
    return found >= (LEAST if base else NEEDED)


def retrained(order: TrainingOrder, base: Checkpoint, pairs: Pairs) -> Checkpoint:
    """The base, refined by the pairs, judged beside it on pairs that were held out.

    Args:
        order: what the new router is called, what its functions cost, who read the scores.

    Raises:
        UsageError: scores too large to be computed with, or prompts too alike for folds.

    """
    check_scores(pairs.pivot)
    inner = base.router.base if isinstance(base.router, RefinedRouter) else base.router
    pivot = _unscaled(sampled(pairs.pivot, MOST_PAIRS, order.seed), base)
    said = asked_of(inner, pivot.prompts)
    lesson = lesson_of(pivot, said, order.seed)
    found = refine(inner, lesson, seed=order.seed, keep_prompts=order.keep_prompts)
    scored = np.flatnonzero(~np.isnan(pivot.scores).all(axis=0))
    costs = costs_of(pairs.table, {**base.card.prices, **order.prices}, pivot.functions)
    few, shares = representatives(found.estimates)
    judged = subset(pivot, np.arange(len(pivot.prompts)), scored)
    prices = np.array([_nan(costs[name]) for name in judged.functions], dtype=np.float64)
    cost = None if np.isnan(prices).any() else prices
    evaluation = {
        **_figures(judged, found.estimates[:, scored], cost, order.seed, base),
        **_beside(base, lesson, found, scored, cost, order.seed),
    }
    card = replace(
        base.card,
        name=order.name,
        functions={
            one: order.functions_facts.get(one, _facts(base, one)) for one in base.functions
        },
        training=Training(
            table=pairs.table.digest,
            prompts=len(pivot.prompts),
            readings=len(pivot.readings),
            missing=int(np.isnan(judged.scores).sum()),
            seed=order.seed,
            folds=FOLDS,
        ),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        prices=costs,
        scorers={**base.card.scorers, **order.scorers},
        mixed=pairs.mixed or base.card.mixed,
        scale=None if base.card.scale is None else replace(base.card.scale, widen=1.0),
        interval=said_of_interval(pairs.table, order.metric, None),
        evaluation=evaluation,
        about="",
        refined=Refined(
            base=base.card.refined.base if base.card.refined else base.name,
            base_training=base.card.refined.base_training
            if base.card.refined
            else base.card.training,
            features=lesson.prompts.space.config,
            settings={
                "alpha_level": None,
                "neighbours": None,
                **settings_of_text(found.router.rest),
            },
            shares=found.shares,
        ),
    )
    return Checkpoint(card, found.router, few.astype(np.float32), shares.astype(np.float32))


def _over(pivot: Pivot, functions: tuple[str, ...]) -> Pivot:
    """The pivot with these functions as columns, NaN where it has none."""
    place = {name: column for column, name in enumerate(functions)}
    scores = np.full((len(pivot.prompts), len(functions)), np.nan)
    repeats = np.zeros(scores.shape, dtype=np.int64)
    for column, name in enumerate(pivot.functions):
        if name in place:
            scores[:, place[name]] = pivot.scores[:, column]
            repeats[:, place[name]] = pivot.repeats[:, column]
    readings = tuple(
        (row, place[pivot.functions[column]], score)
        for row, column, score in pivot.readings
        if pivot.functions[column] in place
    )
    return replace(pivot, functions=functions, scores=scores, repeats=repeats, readings=readings)


def _unscaled(pivot: Pivot, base: Checkpoint) -> Pivot:
    """The scores in the unit that the router itself speaks, before its scale is applied."""
    scale = base.card.scale
    if scale is None:
        return pivot
    return replace(
        pivot,
        scores=(pivot.scores - scale.intercept) / scale.slope,
        readings=tuple(
            (row, column, (score - scale.intercept) / scale.slope)
            for row, column, score in pivot.readings
        ),
    )


def _figures(
    judged: Pivot, estimates: NDArray[np.floating], cost: Matrix | None, seed: int, base: Checkpoint
) -> dict[str, Any]:
    """The figures of held-out prompts with every score; without any the base's own stay."""
    complete = np.flatnonzero(judged.complete)
    if complete.size < LEAST or len(judged.functions) < 2:
        return dict(base.card.evaluation)
    truth, said = judged.scores[complete], estimates[complete].astype(np.float64)
    groups = [judged.groups[row] for row in complete]
    return {
        "metric": judged.metric,
        "split": "folds",
        "seed": seed,
        **evaluate(truth, said, cost, judged.functions, seed=seed).to_json(),
        "oracle_noise_corrected": corrected_oracle(judged),
        "groups": figures_by_group(truth, said, cost, judged.functions, groups, seed),
    }


def _beside(
    base: Checkpoint,
    lesson: Lesson,
    found: Refinement,
    scored: NDArray[np.intp],
    cost: Matrix | None,
    seed: int,
) -> dict[str, Any]:
    """The router in use on the same rows, and how both fared with fewer prompts."""
    rows, said, name = _rival(base, lesson)
    truth, own = lesson.pivot.scores[:, scored], found.estimates[:, scored].astype(np.float64)
    other = said[:, scored]
    two = rows[(~np.isnan(truth[rows])).sum(axis=1) >= 2]
    compared = against(name, lesson.pivot.metric, truth[two], own[two], other[two], cost, seed=seed)
    curve = [
        {
            "prompts": size,
            "quality": (
                one := against(
                    name,
                    lesson.pivot.metric,
                    truth[two],
                    early[two][:, scored],
                    other[two],
                    cost,
                    seed=seed,
                )
            ).quality,
            "interval": list(one.interval),
        }
        for size, early in found.curve
    ]
    curve.append(
        {
            "prompts": len(truth),
            "quality": compared.quality,
            "interval": list(compared.interval),
        }
    )
    explained, more = _outlook(truth, own, lesson.said[:, scored])
    return {
        "against": compared.to_json(),
        "learning_curve": curve,
        "explained": explained,
        "more_prompts": more,
        "headroom": _headroom(truth[two], own[two]),
    }


def _rival(base: Checkpoint, lesson: Lesson) -> tuple[NDArray[np.intp], Matrix, str]:
    """The rows to compare on, what the router in use says of all, and its name.

    A refined router has seen its own prompts; where too few others are left, it is the router it
    started from that is compared with.
    """
    everyone = np.arange(len(lesson.said))
    refined = base.card.refined
    if refined is None or not isinstance(base.router, RefinedRouter):
        return everyone, lesson.said, base.name
    seen = frozenset(base.router.prompts)
    rows = np.flatnonzero([prompt not in seen for prompt in lesson.pivot.prompts])
    if len(rows) < LEAST or not seen:
        return everyone, lesson.said, refined.base
    return rows, asked_of(base.router, lesson.pivot.prompts), base.name


def _outlook(truth: Matrix, own: Matrix, other: Matrix) -> tuple[float, int | None]:
    """The share of the squared error of differences that is gained, and how many prompts more
    would make that sure; None where nothing shows."""
    known = ~np.isnan(truth)

    def error(said: Matrix) -> Matrix:
        wrong = np.where(known, truth - said, np.nan)
        from_mean = np.square(wrong - np.nanmean(wrong, axis=1, keepdims=True))
        return np.asarray(np.nansum(from_mean, axis=1))

    before, gained = error(other), error(other) - error(own)
    total, count = float(before.sum()), len(truth)
    share = float(gained.sum()) / total if total > 0 else 0.0
    spread = float(gained.std()) / max(1, count) ** 0.5
    certain = float(gained.mean()) / spread if spread > 0 else 0.0
    if certain >= SURE:
        return share, 0
    if certain < 0.25:  # it would take more than forty times as many
        return share, None
    return share, int(np.ceil(count * ((SURE / certain) ** 2 - 1.0) / 10.0) * 10)


def _headroom(truth: Matrix, own: Matrix) -> float:
    """What knowing every score beforehand would add to the mean score, luck included."""
    best = np.nanmax(truth, axis=1)
    picks = np.argmax(np.where(np.isnan(truth), -np.inf, own), axis=1)
    return float((best - truth[np.arange(len(truth)), picks]).mean())


def beside_in_use(
    checkpoint: Checkpoint, other: Checkpoint, table: ScoreTable, prices: Mapping[str, float | None]
) -> Against | None:
    """A router beside the one in use on pairs that neither has seen; None with too few of them.

    Raises:
        UnknownName: the table has no score of their metric.
    """
    if checkpoint.metric != other.metric:
        return None
    common = tuple(name for name in other.functions if name in checkpoint.functions)
    if len(common) < 2:
        return None
    pairs = pairs_of(table, other.metric, other)
    seen = seen_by(checkpoint) | learned_by(checkpoint) | learned_by(other)
    pivot = _over(pairs.pivot, common)
    known = (~np.isnan(pivot.scores)).sum(axis=1)
    rows = np.flatnonzero(
        [count >= 2 and text not in seen for count, text in zip(known, pivot.prompts, strict=True)]
    )
    if len(rows) < LEAST:
        return None
    own = subset(pivot, rows, np.arange(len(common)))
    costs = costs_of(pairs.table, prices, common)
    cost = None if None in costs.values() else np.array(list(costs.values()), dtype=np.float64)
    said = [
        np.array([[one.estimate(text).estimates[f].worth for f in common] for text in own.prompts])
        for one in (checkpoint, other)
    ]
    return against(other.name, other.metric, own.scores, said[0], said[1], cost)


def _facts(base: Checkpoint, name: str) -> FunctionFacts:
    return base.card.functions[name]


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value
