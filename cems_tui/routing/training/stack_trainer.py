"""Learns the kinds that read vectors or tokens: ridge, knn, clusters, transformer, ensemble."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cems_tui.errors import ModelMissing
from cems_tui.routing.checkpoints.stack_codec import settings_of
from cems_tui.routing.estimators.intervals import (
    held_out_coverage,
    learn_spread,
    said_of_interval,
)
from cems_tui.routing.estimators.letters_router import split_parts
from cems_tui.routing.estimators.stack_router import Part, StackRouter
from cems_tui.routing.features.cache import EmbeddingCache
from cems_tui.routing.features.letters import Floats
from cems_tui.routing.features.reader import Familiarity, PromptReader, View
from cems_tui.routing.features.text_encoder import TextEncoder
from cems_tui.routing.training.blend import Taken, Tried, choose, combined
from cems_tui.routing.training.data import all_readings, filled, material_of
from cems_tui.routing.training.member_learners import (
    ClustersLearner,
    Lesson,
    LettersLearner,
    MemberLearner,
    NeighboursLearner,
    RidgeLearner,
)
from cems_tui.routing.training.order import Fitted, Material, TrainingOrder
from cems_tui.routing.training.splits import FOLDS, grouped_folds
from cems_tui.routing.training.torch import token_learner
from cems_tui.score_tables.table import Pivot

NOVELTY_PERCENTILE = 99.0


@dataclass(frozen=True, slots=True)
class _Learned:
    """What came of the folds."""

    estimates: Floats
    """Held-out, shape (N, M); each fold's settings and weights are chosen on the other folds."""

    taken: tuple[Taken, ...]
    """Chosen on all of them."""


prepare = material_of


def fit(order: TrainingOrder, material: Material) -> Fitted:
    """Fitted on all prompts, with what it said of each held-out fold.

    Raises:
        ModelMissing: the kind reads a text tower and the order has none.
    """
    pivot = material.pivot
    reader, views = PromptReader.learn(pivot.prompts, tower_of(order), EmbeddingCache(order.cache))
    lesson = lesson_of(pivot, views, order.seed)
    learners = _learners(order)
    tried = [learner.held_out(lesson) for learner in learners.values()]
    learned = _cross_fitted(tried, lesson)
    router = _router(order, pivot, reader, lesson, learners, learned)
    return Fitted(
        router=router,
        features=reader.config,
        encoder=order.tower.facts if order.tower and order.features != "instant" else None,
        settings={**settings_of(router), **_chosen(learners, learned.taken)},
        dial_estimates=learned.estimates,
        dial_shares=None,
        learned=pivot,
        judged=pivot,
        estimates=learned.estimates,
        interval=said_of_interval(material.table, order.metric, order.pictures),
        evaluation={"coverage": _coverage(router, lesson, pivot, learned)},
        folds=FOLDS,
    )


def tower_of(order: TrainingOrder) -> TextEncoder | None:
    """The tower the order reads with; None for instant features.

    Raises:
        ModelMissing: it needs one and has none.
    """
    if order.features == "instant":
        return None
    if order.tower is None:
        raise ModelMissing(
            f"a router of kind {order.kind} over {order.features} features needs a text encoder, "
            "and none is at hand",
            "Name an installed pipeline or a folder with --encoder, or use --features instant.",
        )
    return order.tower


def lesson_of(pivot: Pivot, views: Sequence[View], seed: int) -> Lesson:
    """The table and what was read of its prompts, dealt into folds."""
    return Lesson(
        views,
        np.stack([view.vector for view in views]),
        pivot.scores,
        split_parts(filled(pivot.scores)),
        grouped_folds(pivot.prompts, pivot.groups, FOLDS, seed),
        seed,
    )


def _coverage(
    router: StackRouter, lesson: Lesson, pivot: Pivot, learned: _Learned
) -> dict[str, Any]:
    """The share of readings inside their interval, learned on the other folds."""
    novelty = np.array([router.familiarity.novelty(view) for view in lesson.views])
    estimates = learned.estimates.astype(np.float64)
    return held_out_coverage(estimates, novelty, all_readings(pivot), pivot.scores, lesson.fold)


def _chosen(
    learners: Mapping[str, MemberLearner], taken: Sequence[Taken]
) -> dict[str, float | int | None]:
    out: dict[str, float | int | None] = {}
    for learner, one in zip(learners.values(), taken, strict=True):
        out |= learner.chosen(one)
    return out


def _learners(order: TrainingOrder) -> Mapping[str, MemberLearner]:
    """The members of the kind, by name."""
    makers: dict[str, Callable[[], MemberLearner]] = {
        "ridge": RidgeLearner,
        "letters": LettersLearner,
        "knn": NeighboursLearner,
        "clusters": ClustersLearner,
        "transformer": lambda: token_learner(order),
    }
    names = tuple(makers) if order.kind == "ensemble" else (order.kind,)
    return {name: makers[name]() for name in names}


def _cross_fitted(tried: Sequence[Tried], lesson: Lesson) -> _Learned:
    base = np.empty_like(lesson.parts)
    for inside, outside in lesson.sides():
        base[outside] = lesson.parts[inside].mean(axis=0)
    estimates = np.empty((len(base), base.shape[1] - 1), dtype=np.float32)
    for inside, outside in lesson.sides():
        taken = choose(tried, lesson.parts, base, inside)
        estimates[outside] = combined(tried, taken, base, outside)
    return _Learned(estimates, choose(tried, lesson.parts, base, np.arange(len(base))))


def _router(
    order: TrainingOrder,
    pivot: Pivot,
    reader: PromptReader,
    lesson: Lesson,
    learners: Mapping[str, MemberLearner],
    learned: _Learned,
) -> StackRouter:
    familiarity = Familiarity.learn(lesson.views, NOVELTY_PERCENTILE, order.seed)
    novelty = np.array([familiarity.novelty(view) for view in lesson.views])
    members = tuple(
        Part(name, learner.fit(lesson, taken), taken.weights)
        for (name, learner), taken in zip(learners.items(), learned.taken, strict=True)
    )
    return StackRouter(
        functions=pivot.functions,
        metric=pivot.metric,
        reader=reader,
        familiarity=familiarity,
        parts_mean=lesson.parts.mean(axis=0),
        members=members,
        spread=learn_spread(
            learned.estimates.astype(np.float64), novelty, all_readings(pivot), pivot.scores
        ),
        prompts=pivot.prompts if order.keep_prompts else (),
    )
