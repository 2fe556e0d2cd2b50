"""Learns the kinds that read nothing but a prompt's letters: ridge, neighbours, or both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cems_tui.routing.decide.dial import representatives
from cems_tui.routing.estimators.intervals import held_out_coverage, learn_spread, said_of_interval
from cems_tui.routing.estimators.letters_router import (
    Caution,
    Neighbourhood,
    TextRouter,
    caution_for,
    split_parts,
)
from cems_tui.routing.estimators.neighbours import mean_of
from cems_tui.routing.estimators.ridge import Matrix, Ridge, cross_validated, primal, solve
from cems_tui.routing.features.letters import FeatureConfig, Floats
from cems_tui.routing.training.blend import (
    ALPHAS,
    NEIGHBOURS,
    Blend,
    HeldOut,
    apply_blend,
    choose_blend,
)
from cems_tui.routing.training.data import all_readings, filled, material_of
from cems_tui.routing.training.order import Fitted, Material, TrainingOrder
from cems_tui.routing.training.prepared_prompts import PreparedPrompts
from cems_tui.routing.training.prepared_prompts import prepare as prepare_prompts
from cems_tui.routing.training.splits import FOLDS
from cems_tui.score_tables.table import Pivot

KINDS = ("ensemble", "ridge", "knn")

prepare = material_of


@dataclass(frozen=True, slots=True)
class Lesson:
    """One metric of the training prompts."""

    pivot: Pivot
    prompts: PreparedPrompts
    parts: Floats
    """Level and deviations, missing cells filled, shape (N, 1 + M)."""

    gram: Matrix | None
    """The kernel of ridge regression, shape (N, N); None without ridge."""

    @property
    def caution(self) -> Caution:
        """By the sources of the prompts."""
        return caution_for(self.pivot.groups)


def fit(order: TrainingOrder, material: Material) -> Fitted:
    """Fitted on all prompts, with what it said of each held-out fold."""
    pivot, kind = material.pivot, order.kind
    prompts = order.prepared or prepared_for(
        pivot, kind, order.config, order.keep_prompts, order.seed
    )
    data = lesson_of(pivot, prompts, prompts.gram)
    held_out = held_out_of(data, kind)
    estimates = cross_fitted(held_out, data)
    blend = choose_blend(held_out, data.parts, np.arange(len(data.parts)), data.caution.share)
    router = _router(data, blend, estimates, keep_prompts=order.keep_prompts)
    coverage = held_out_coverage(
        estimates.astype(np.float64),
        data.prompts.held.novelty,
        all_readings(pivot),
        pivot.scores,
        data.prompts.fold,
    )
    few, shares = representatives(estimates)
    return Fitted(
        router=router,
        features=data.prompts.space.config,
        encoder=None,
        settings=settings_of(router, blend),
        dial_estimates=few.astype(np.float32),
        dial_shares=shares.astype(np.float32),
        learned=pivot,
        judged=pivot,
        estimates=estimates,
        interval=said_of_interval(material.table, order.metric, order.pictures),
        evaluation={"coverage": coverage},
        folds=FOLDS,
    )


def prepared_for(
    pivot: Pivot, kind: str, config: FeatureConfig | None, keep_prompts: bool, seed: int = 42
) -> PreparedPrompts:
    """The prompts made ready for that kind of router."""
    return prepare_prompts(
        pivot,
        config or FeatureConfig(),
        seed,
        index=kind != "ridge" or keep_prompts,
        ridge=kind != "knn",
    )


def lesson_of(pivot: Pivot, prepared: PreparedPrompts, gram: Matrix | None) -> Lesson:
    """One metric of the prompts, to be learned with that kernel."""
    if prepared.prompts != pivot.prompts:
        raise ValueError("the prepared prompts are not those of the table")
    return Lesson(pivot, prepared, split_parts(filled(pivot.scores)), gram)


def _router(data: Lesson, blend: Blend, estimates: Floats, *, keep_prompts: bool) -> TextRouter:
    """The router refitted on all prompts, with the settings and intervals of held-out ones."""
    index = data.prompts.index
    return TextRouter(
        functions=data.pivot.functions,
        metric=data.pivot.metric,
        space=data.prompts.space,
        parts_mean=data.parts.mean(axis=0),
        ridge=_refit(data, blend),
        neighbourhood=None
        if index is None
        else Neighbourhood(index, data.parts, blend.neighbours, blend.near),
        spread=learn_spread(
            estimates.astype(np.float64),
            data.prompts.held.novelty,
            all_readings(data.pivot),
            data.pivot.scores,
        ),
        familiarity=data.prompts.familiarity,
        prompts=data.pivot.prompts if keep_prompts else (),
    )


def held_out_of(data: Lesson, kind: str) -> HeldOut:
    """What each member predicts for each fold from the others."""
    prompts = data.prompts
    base = np.empty_like(data.parts)
    for number in range(FOLDS):
        base[prompts.fold == number] = data.parts[prompts.fold != number].mean(axis=0)
    ridge, neighbours = None, None
    if kind != "knn" and data.gram is not None:
        ridge = cross_validated(data.gram, prompts.fold, ALPHAS, data.parts)
    if kind != "ridge":
        neighbours = np.empty((len(NEIGHBOURS), *data.parts.shape), dtype=np.float32)
        for row in range(len(data.parts)):
            found = prompts.outside(row, max(NEIGHBOURS))
            for place, count in enumerate(NEIGHBOURS):
                neighbours[place, row] = mean_of(found, data.parts, count, base[row])
    return HeldOut(ridge, neighbours, base, prompts.held.trust)


def cross_fitted(held_out: HeldOut, data: Lesson) -> Floats:
    """Held-out estimates (N, M); each fold's settings are chosen on the other folds."""
    out = np.empty((len(data.parts), data.parts.shape[1] - 1), dtype=np.float32)
    for number in range(FOLDS):
        rows = np.flatnonzero(data.prompts.fold == number)
        others = np.flatnonzero(data.prompts.fold != number)
        out[rows] = apply_blend(
            held_out, choose_blend(held_out, data.parts, others, data.caution.share), rows
        )
    return out


def _refit(data: Lesson, blend: Blend) -> Ridge | None:
    """What is taken of ridge on all prompts, as weights on the letters' features."""
    dual = dual_of(data, blend)
    if dual is None:
        return None
    rows = [reading.features for reading in data.prompts.readings]
    return primal(rows, data.prompts.space.size, dual, np.zeros_like(data.parts))


def dual_of(data: Lesson, blend: Blend) -> Floats | None:
    """Dual coefficients (N, 1 + M) on all prompts, each part of the scores with its own penalty."""
    alphas = sorted({one.alpha for one in blend.parts if one.alpha is not None})
    if data.gram is None or not alphas:
        return None
    dual = np.zeros_like(data.parts)
    solved = dict(zip(alphas, solve(data.gram, alphas, data.parts), strict=True))
    for one in blend.parts:
        if one.alpha is not None:
            dual += np.outer(one.ridge * (solved[one.alpha] @ one.direction), one.direction)
    return dual


def settings_of(router: TextRouter, blend: Blend) -> dict[str, float | int | None]:
    """The single numbers of a router: they stand in its card."""
    return {**settings_of_blend(blend), **settings_of_text(router)}


def settings_of_text(router: TextRouter) -> dict[str, float | int | None]:
    """The single numbers that a text router is made of again, but for those of its blend."""
    return {
        "novelty_limit": router.familiarity.limit,
        "trust_power": router.familiarity.power,
        "typical_density": router.familiarity.typical,
        "novelty_mean": router.spread.novelty_mean,
        "interval_growth": router.spread.growth,
        "unseen_words": router.space.words.unseen,
        "unseen_characters": router.space.characters.unseen,
        "unseen_content": router.space.content.unseen,
        "unseen_topics": router.space.topics.unseen,
    }


def settings_of_blend(blend: Blend) -> dict[str, float | int | None]:
    """What was chosen on held-out prompts.

    `ridge_deviation` and `neighbours_deviation` are means over the contrasts.
    """
    level, *contrasts = blend.parts
    return {
        "alpha_level": level.alpha,
        "alpha_deviation": contrasts[0].alpha,
        "neighbours": blend.neighbours,
        "ridge_level": level.ridge,
        "ridge_deviation": float(np.mean([one.ridge for one in contrasts])),
        "neighbours_level": level.near,
        "neighbours_deviation": float(np.mean([one.near for one in contrasts])),
        **{f"alpha_contrast_{i}": one.alpha for i, one in enumerate(contrasts, 1)},
        **{f"ridge_contrast_{i}": one.ridge for i, one in enumerate(contrasts, 1)},
        **{f"neighbours_contrast_{i}": one.near for i, one in enumerate(contrasts, 1)},
    }
