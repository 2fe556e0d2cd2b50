"""From a score table to a router: learned on all prompts, judged on held-out folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cems_tui.bench.mixed import constants_of, with_mixed
from cems_tui.bench.score_table import Pivot, ScoreTable
from cems_tui.errors import UsageError
from cems_tui.quality.mixed import METRIC as MIXED
from cems_tui.routing.blending import ALPHAS, NEIGHBOURS, HeldOut, apply_blend, choose_blend
from cems_tui.routing.card import Card, FunctionFacts
from cems_tui.routing.checkpoint import Checkpoint
from cems_tui.routing.estimators.neighbours import Nearest, WordIndex, mean_of, nearest
from cems_tui.routing.estimators.ridge import Matrix, cross_validated, kernel, primal, solve
from cems_tui.routing.estimators.text_router import Blend, TextRouter, novelty_of, split_parts
from cems_tui.routing.feature_space import FeatureSpace, Reading
from cems_tui.routing.features import FeatureConfig, Floats, grams
from cems_tui.routing.folds import grouped_folds
from cems_tui.routing.intervals import learn_spread
from cems_tui.routing.learning import (
    FOLDS,
    all_readings,
    check_learnable,
    held_out_figures,
    training_facts,
)
from cems_tui.routing.tensors import settings_of
from cems_tui.routing.training_data import costs_of, filled, known, sampled

Kind = Literal["ensemble", "ridge", "knn"]
KINDS: tuple[Kind, ...] = ("ensemble", "ridge", "knn")

MOST_PROMPTS = 12_000
"""The kernel of more prompts would need over half a gigabyte; a sample of them is learned."""

NOVELTY_PERCENTILE = 99.0
LEAST_NOVELTY_LIMIT = 0.6
"""Prompts that share this much with a training prompt are never called unfamiliar."""

INTERVAL = (
    "90 % for one picture: cross-validation conformal on residuals of held-out prompts, scaled by "
    "novelty; outside the training distribution the spread of prompts is added on both sides"
)


@dataclass(frozen=True, slots=True)
class _Data:
    """The training prompts as the members see them."""

    pivot: Pivot
    space: FeatureSpace
    readings: list[Reading]
    parts: Floats
    """Level and deviations, missing cells filled, shape (N, 1 + M)."""

    fold: NDArray[np.intp]
    index: WordIndex
    gram: Matrix | None
    """The kernel of ridge regression, shape (N, N)."""


def train(
    table: ScoreTable,
    *,
    metric: str,
    name: str,
    kind: Kind = "ensemble",
    functions_facts: Mapping[str, FunctionFacts] | None = None,
    prices: Mapping[str, float | None] | None = None,
    scorers: Mapping[str, str | None] | None = None,
    config: FeatureConfig | None = None,
    keep_prompts: bool = False,
    seed: int = 42,
) -> Checkpoint:
    """A router for one metric of the table, with its held-out figures in its card.

    Args:
        metric: one of the table's, or `mixed` when it has nima and clip.
        prices: US dollars a picture, for functions whose rows carry none.
        scorers: the instrument that read each metric.
        keep_prompts: whether the checkpoint keeps the prompts' texts, to show the nearest ones.

    Raises:
        UsageError: fewer than two functions, or than five prompts that differ in their first words.
        UnknownName: the table has no such metric.
    """
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of router", f"Choose one of {', '.join(KINDS)}.")
    mixed, digest = None, table.digest
    if metric == MIXED and MIXED not in table.metrics:
        mixed = constants_of(table)
        table = with_mixed(table, mixed)
    pivot = sampled(known(table.pivot(metric)), MOST_PROMPTS, seed)
    check_learnable(pivot)
    data = _prepare(pivot, config or FeatureConfig(), kind, seed)
    held_out, novelty = _held_out(data, kind)
    estimates = _cross_fitted(held_out, data)
    router = _router(data, held_out, estimates, novelty, keep_prompts=keep_prompts)
    costs = costs_of(table, prices or {}, pivot.functions)
    card = Card(
        name=name,
        kind=kind,
        metric=metric,
        functions={one: (functions_facts or {}).get(one, FunctionFacts()) for one in costs},
        features=data.space.config,
        settings=settings_of(router),
        training=training_facts(digest, pivot, seed),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        prices=costs,
        scorers=dict(scorers or {}),
        mixed=mixed,
        interval=INTERVAL,
        evaluation=held_out_figures(table, pivot, estimates, costs, seed),
        negated=pivot.negated,
    )
    return Checkpoint(card, router, _own_estimates(router, pivot.prompts))


def _own_estimates(router: TextRouter, prompts: Sequence[str]) -> Floats:
    """What the router says about its own training prompts, shape (N, M)."""
    said = (router.estimate(prompt).estimates for prompt in prompts)
    rows = [[one[name].quality for name in router.functions] for one in said]
    return np.array(rows, dtype=np.float32)


def _router(
    data: _Data,
    held_out: HeldOut,
    estimates: Floats,
    novelty: NDArray[np.float64],
    *,
    keep_prompts: bool,
) -> TextRouter:
    """The router refitted on all prompts, with the settings and intervals of held-out ones."""
    blend = choose_blend(held_out, data.parts, np.arange(len(data.parts)))
    readings = all_readings(data.pivot)
    return TextRouter(
        functions=data.pivot.functions,
        metric=data.pivot.metric,
        space=data.space,
        blend=blend,
        parts_mean=data.parts.mean(axis=0),
        ridge=_refit(data, blend),
        index=data.index,
        parts=data.parts,
        spread=learn_spread(estimates.astype(np.float64), novelty, readings, data.pivot.scores),
        novelty_limit=max(LEAST_NOVELTY_LIMIT, float(np.percentile(novelty, NOVELTY_PERCENTILE))),
        prompts=data.pivot.prompts if keep_prompts else (),
    )


def _prepare(pivot: Pivot, config: FeatureConfig, kind: Kind, seed: int) -> _Data:
    said = [grams(prompt, config) for prompt in pivot.prompts]
    space = FeatureSpace.learn(said, config)
    readings = [space.read(one, own=True) for one in said]
    rows = [reading.features for reading in readings]
    return _Data(
        pivot,
        space,
        readings,
        split_parts(filled(pivot.scores)),
        grouped_folds(pivot.prompts, pivot.groups, FOLDS, seed),
        WordIndex.of([reading.words for reading in readings], space.content.keys.size),
        None if kind == "knn" else kernel(rows, space.size),
    )


def _held_out(data: _Data, kind: Kind) -> tuple[HeldOut, NDArray[np.float64]]:
    """What each member predicts for each fold from the others, and each prompt's novelty."""
    base = np.empty_like(data.parts)
    for number in range(FOLDS):
        base[data.fold == number] = data.parts[data.fold != number].mean(axis=0)
    found = [_outside(data, row) for row in range(len(data.parts))]
    novelty = [novelty_of(one, data.readings[row]) for row, one in enumerate(found)]
    ridge = None if data.gram is None else cross_validated(data.gram, data.fold, ALPHAS, data.parts)
    neighbours = None
    if kind != "ridge":
        neighbours = np.stack(
            [
                np.stack([mean_of(one, data.parts, k, base[row]) for row, one in enumerate(found)])
                for k in NEIGHBOURS
            ]
        )
    return HeldOut(ridge, neighbours, base), np.array(novelty)


def _outside(data: _Data, row: int) -> Nearest:
    """The nearest training prompts of the other folds."""
    similarity = data.index.similarity(data.readings[row].words)
    inside = data.fold == data.fold[row]
    similarity[inside] = -1.0
    return nearest(similarity, min(max(NEIGHBOURS), int((~inside).sum())))


def _cross_fitted(held_out: HeldOut, data: _Data) -> Floats:
    """Held-out estimates (N, M); each fold's settings are chosen on the other folds."""
    out = np.empty((len(data.parts), data.parts.shape[1] - 1), dtype=np.float32)
    for number in range(FOLDS):
        rows = np.flatnonzero(data.fold == number)
        blend = choose_blend(held_out, data.parts, np.flatnonzero(data.fold != number))
        out[rows] = apply_blend(held_out, blend, rows)
    return out


def _refit(data: _Data, blend: Blend) -> Any:
    """Ridge on all prompts: one penalty for the level, one for the deviations."""
    if data.gram is None or blend.alpha_level is None or blend.alpha_deviation is None:
        return None
    level, deviations = solve(data.gram, (blend.alpha_level, blend.alpha_deviation), data.parts)
    dual = np.concatenate([level[:, :1], deviations[:, 1:]], axis=1)
    rows = [reading.features for reading in data.readings]
    return primal(rows, data.space.size, dual, data.parts)
