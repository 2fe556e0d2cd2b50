"""A score table made ready to learn from: what is known, sampled and filled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.score import METRIC as MIXED
from cems_tui.errors import UsageError
from cems_tui.routing.estimators.intervals import Readings
from cems_tui.routing.evaluation.truth import subset
from cems_tui.routing.training.order import Material, TrainingOrder
from cems_tui.routing.training.splits import FOLDS, group_count
from cems_tui.score_tables.mixed import constants_of, with_mixed
from cems_tui.score_tables.table import Pivot, ScoreTable
from cems_tui.text import counted

ROUNDS = 10
"""Of filling missing cells: the means and the prompts' effects in turn."""

MOST_PROMPTS = 12_000
"""The kernel of more prompts would need over half a gigabyte; a sample of them is learned."""


def material_of(order: TrainingOrder) -> Material:
    """The table of an order, with the mixed score where that is asked for.

    Raises:
        UsageError: fewer than two functions, or than five prompts that differ in their first words.
        UnknownName: the table has no such metric.
    """
    table, mixed = order.table, None
    if order.metric == MIXED and MIXED not in table.metrics:
        mixed = constants_of(table)
        table = with_mixed(table, mixed)
    return Material(table, pivot_of(table, order.metric, order.seed), mixed)


def pivot_of(table: ScoreTable, metric: str, seed: int = 42) -> Pivot:
    """What is learned from of one metric of the table; raises as `material_of`."""
    pivot = sampled(known(table.pivot(metric)), MOST_PROMPTS, seed)
    check_learnable(pivot)
    return pivot


LARGEST_SCORE = 1e12
"""Beyond it squares of scores no longer add up in single precision."""

LEAST_OF_A_FUNCTION = 5
"""A function with scores of fewer prompts is in too few folds to be judged by."""


def check_learnable(pivot: Pivot) -> None:
    """Refuses a table that no router can be learned from.

    Raises:
        UsageError: fewer than two functions, or than five prompts that differ in their first words;
            a function with hardly any score, or scores too large to be computed with.
    """
    if len(pivot.functions) < 2:
        found = "1 function" if len(pivot.functions) == 1 else "no function"
        raise UsageError(
            f"{pivot.metric} was scored for {found}",
            "A router needs at least two to choose from.",
        )
    check_scores(pivot)
    count = (~np.isnan(pivot.scores)).sum(axis=0)
    rare = int(np.argmin(count))
    if count[rare] < LEAST_OF_A_FUNCTION:
        raise UsageError(
            f"{pivot.functions[rare]} has {pivot.metric} scores of "
            f"{counted(int(count[rare]), 'prompt')}: too few to learn from",
            f"Score it on at least {LEAST_OF_A_FUNCTION} prompts, or leave its rows out.",
        )


def check_scores(pivot: Pivot) -> None:
    """Refuses scores that cannot be learned from, whoever is scored.

    Raises:
        UsageError: fewer than five prompts that differ in their first words, or scores too large to
            be computed with.
    """
    if (groups := group_count(pivot.prompts)) < FOLDS:
        said = "1 prompt is" if groups == 1 else f"{groups} different prompts are"
        raise UsageError(
            f"{said} too few to learn from",
            f"A router needs at least {FOLDS} that differ in their first words; hundreds are good.",
        )
    most = float(np.nanmax(np.abs(pivot.scores)))
    if most > LARGEST_SCORE:
        raise UsageError(
            f"scores of {pivot.metric} reach {most:.3g}, too large to be computed with",
            "Divide them by a power of ten, or take their logarithm.",
        )


def all_readings(pivot: Pivot) -> Readings:
    """Every single score of the table: what intervals are learned from."""
    row, column, score = zip(*pivot.readings, strict=True)
    return Readings(np.array(row), np.array(column), np.array(score, dtype=np.float64))


def filled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Missing cells as function mean + prompt effect: they say nothing about who is better.

    A function without any score has the mean of the others.
    """
    missing = np.isnan(scores)
    if not missing.any():
        return scores
    known, effect = ~missing, np.zeros((len(scores), 1))
    beside, across = known.sum(axis=0), known.sum(axis=1, keepdims=True)
    column = np.zeros(scores.shape[1])
    for _ in range(ROUNDS):
        total = np.where(known, scores - effect, 0.0).sum(axis=0)
        column = total / np.maximum(beside, 1)
        column[beside == 0] = column[beside > 0].mean() if beside.any() else 0.0
        left = np.where(known, scores - column, 0.0).sum(axis=1, keepdims=True)
        effect = left / np.maximum(across, 1)
    return np.where(missing, column + effect, scores)


def known(pivot: Pivot) -> Pivot:
    """Without the prompts that have no score at all, and the functions that have none."""
    rows = np.flatnonzero(~np.isnan(pivot.scores).all(axis=1))
    columns = np.flatnonzero(~np.isnan(pivot.scores).all(axis=0))
    return subset(pivot, rows, columns)


def sampled(pivot: Pivot, most: int, seed: int) -> Pivot:
    """At most so many prompts of it, drawn at random."""
    if len(pivot.prompts) <= most:
        return pivot
    rows = np.random.default_rng(seed).choice(len(pivot.prompts), most, replace=False)
    return subset(pivot, np.sort(rows), np.arange(len(pivot.functions)))
