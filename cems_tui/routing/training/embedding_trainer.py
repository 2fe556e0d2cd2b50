"""Learns the kinds that read letters and a text encoder side by side: ridge and the ensemble.

The instant router is learned first and stands in the result. Beside it the kernel over meanings
is added to that over letters, and everything is learned again on the sum. Where the table has many
sources, a prompt within the distribution is trusted in full: in folds of the CEMS scores less trust
in less familiar prompts cost 0.06 to 0.15 points of the area, as the encoder knows their words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cems_tui.routing.checkpoints import embedding_codec
from cems_tui.routing.decide.dial import representatives
from cems_tui.routing.estimators.embedding_router import KERNEL_WEIGHT, EmbeddingRouter
from cems_tui.routing.estimators.intervals import held_out_coverage, learn_spread
from cems_tui.routing.estimators.letters_router import (
    MANY_SOURCES,
    TextRouter,
    trusted,
)
from cems_tui.routing.estimators.ridge import Ridge, primal
from cems_tui.routing.evaluation.evaluate import evaluate
from cems_tui.routing.evaluation.truth import costs_of
from cems_tui.routing.features.cache import EmbeddingCache
from cems_tui.routing.features.letters import Floats
from cems_tui.routing.features.space import as_stored
from cems_tui.routing.training import letters_trainer
from cems_tui.routing.training.blend import Blend, choose_blend
from cems_tui.routing.training.data import all_readings, material_of
from cems_tui.routing.training.letters_trainer import Lesson
from cems_tui.routing.training.order import Fitted, Material, TrainingOrder
from cems_tui.routing.training.prepared_prompts import EncodedPrompts, encode
from cems_tui.routing.training.stack_trainer import tower_of

KINDS = ("ensemble", "ridge")

prepare = material_of


def fit(order: TrainingOrder, material: Material) -> Fitted:
    """Fitted on all prompts, with what it said of each held-out fold.

    Raises:
        ModelMissing: the order has no text encoder.
    """
    encoder = tower_of(order)
    assert encoder is not None, "instant features are learned by the letters' trainer"
    pivot, kind = material.pivot, order.kind
    prompts = order.prepared or letters_trainer.prepared_for(
        pivot, kind, order.config, order.keep_prompts, order.seed
    )
    encoded = order.encoded or encode(prompts, encoder, EmbeddingCache(order.cache))
    alone = letters_trainer.fit(replace(order, prepared=prompts), material)
    instant = alone.router
    assert isinstance(instant, TextRouter), "the letters' trainer learns it"
    lesson = letters_trainer.lesson_of(pivot, prompts, encoded.gram)
    power = 0.0 if lesson.caution == MANY_SOURCES else lesson.caution.power
    unknown = np.array([reading.unknown_share for reading in prompts.readings])
    trust = trusted(prompts.held.novelty, unknown, power).astype(np.float32)
    held_out = replace(letters_trainer.held_out_of(lesson, kind), trust=trust)
    estimates = letters_trainer.cross_fitted(held_out, lesson)
    everyone = np.arange(len(lesson.parts))
    blend = choose_blend(held_out, lesson.parts, everyone, lesson.caution.share)
    router = _router(lesson, encoded, instant, blend, estimates, power)
    readings = all_readings(pivot)
    coverage = held_out_coverage(
        estimates.astype(np.float64), prompts.held.novelty, readings, pivot.scores, prompts.fold
    )
    few, shares = representatives(estimates)
    chosen = letters_trainer.settings_of_blend(blend)
    return replace(
        alone,
        router=router,
        encoder=encoder.facts,
        settings={
            **alone.settings,
            **embedding_codec.settings_of(router),
            **{f"{embedding_codec.SETTINGS}{name}": value for name, value in chosen.items()},
        },
        dial_estimates=few.astype(np.float32),
        dial_shares=shares.astype(np.float32),
        estimates=estimates,
        evaluation={"coverage": coverage, "instant": _instant(order, material, alone)},
    )


def _router(
    lesson: Lesson,
    encoded: EncodedPrompts,
    instant: TextRouter,
    blend: Blend,
    estimates: Floats,
    power: float,
) -> EmbeddingRouter:
    """Refitted on all prompts, with the settings and intervals of held-out ones."""
    prompts = lesson.prompts
    dual = letters_trainer.dual_of(lesson, blend)
    ridge = None
    kernel = np.zeros((len(encoded.centres.places), lesson.parts.shape[1]), dtype=np.float32)
    if dual is not None:
        rows = [reading.features for reading in prompts.readings]
        ridge = primal(rows, prompts.space.size, dual, np.zeros_like(lesson.parts))
        features = encoded.near @ encoded.whitening
        kernel = (KERNEL_WEIGHT * encoded.whitening @ (features.T @ dual)).astype(np.float32)
        offset = ridge.offset - (encoded.near @ kernel).mean(axis=0)
        ridge = Ridge(as_stored(ridge.weights), offset.astype(np.float32))
    near = instant.neighbourhood
    return EmbeddingRouter(
        instant=instant,
        encoder=encoded.encoder,
        space=encoded.space,
        centres=encoded.centres,
        ridge=ridge,
        kernel=kernel,
        neighbourhood=None
        if near is None
        else replace(near, count=blend.neighbours, taken=blend.near),
        spread=learn_spread(
            estimates.astype(np.float64),
            prompts.held.novelty,
            all_readings(lesson.pivot),
            lesson.pivot.scores,
        ),
        trust_power=power,
    )


def _instant(order: TrainingOrder, material: Material, alone: Fitted) -> Mapping[str, Any]:
    """What the instant router is worth by itself, on the same held-out prompts."""
    pivot = material.pivot
    complete = np.flatnonzero(pivot.complete)
    if not complete.size:
        return {}
    prices = list(costs_of(material.table, order.prices, pivot.functions).values())
    cost = None if None in prices else np.array(prices, dtype=np.float64)
    said = alone.estimates[complete].astype(np.float64)
    figures = evaluate(pivot.scores[complete], said, cost, pivot.functions, seed=order.seed)
    told = figures.to_json()
    kept = ("area_recovered", "quality_vs_best_single", "gap_recovered", "qnc", "verdict")
    return {name: told[name] for name in kept if name in told} | dict(alone.evaluation)
