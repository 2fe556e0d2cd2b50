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


def check_learnable(pivot: Pivot) -> None:
    """Refuses a table that no router can be learned from.

    Raises:
        UsageError: fewer than two functions, or than five prompts that differ in their first words.
    """
    if len(pivot.functions) < 2:
        found = "1 function" if len(pivot.functions) == 1 else "no function"
        raise UsageError(
            f"{pivot.metric} was scored for {found}",
            "A router needs at least two to choose from.",
        )
    if (groups := group_count(pivot.prompts)) < FOLDS:
        raise UsageError(
            f"{groups} different prompts are too few to learn from",
            f"A router needs at least {FOLDS} that differ in their first words; hundreds are good.",
        )


def all_readings(pivot: Pivot) -> Readings:
    """Every single score of the table: what intervals are learned from."""
    row, column, score = zip(*pivot.readings, strict=True)
    return Readings(np.array(row), np.array(column), np.array(score, dtype=np.float64))


def filled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Missing cells as function mean + prompt effect: they say nothing about who is better."""
    missing = np.isnan(scores)
    if not missing.any():
        return scores
    effect = np.zeros((len(scores), 1))
    for _ in range(10):
        column = np.nanmean(scores - effect, axis=0)
        effect = np.nanmean(scores - column, axis=1, keepdims=True)
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
