"""A score table made ready to learn from: what is known, sampled, filled, and beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.score import METRIC as MIXED
from cems_tui.errors import UsageError
from cems_tui.routing.estimators.intervals import Readings
from cems_tui.routing.training.order import Material, TrainingOrder
from cems_tui.routing.training.splits import group_count
from cems_tui.score_tables.mixed import constants_of, with_mixed
from cems_tui.score_tables.table import Pivot, ScoreTable

FOLDS = 5

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


def subset(pivot: Pivot, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Pivot:
    """Some prompts and functions of it, by their places."""
    new_row = {int(old): new for new, old in enumerate(rows)}
    new_column = {int(old): new for new, old in enumerate(columns)}
    return replace(
        pivot,
        prompt_ids=tuple(pivot.prompt_ids[row] for row in rows),
        prompts=tuple(pivot.prompts[row] for row in rows),
        groups=tuple(pivot.groups[row] for row in rows),
        functions=tuple(pivot.functions[column] for column in columns),
        scores=pivot.scores[np.ix_(rows, columns)],
        repeats=pivot.repeats[np.ix_(rows, columns)],
        readings=tuple(
            (new_row[row], new_column[column], score)
            for row, column, score in pivot.readings
            if row in new_row and column in new_column
        ),
    )


def costs_of(
    table: ScoreTable, prices: Mapping[str, float | None], functions: Sequence[str]
) -> dict[str, float | None]:
    """US dollars a picture of each function; the table's own prices win."""
    own = table.costs()
    return {
        name: own[name] if own.get(name) is not None else prices.get(name) for name in functions
    }


def other_metrics(
    table: ScoreTable, pivot: Pivot, rows: NDArray[np.intp]
) -> dict[str, NDArray[np.float64]]:
    """Every metric that has all scores of these prompts, in its own direction, (n, M) each."""
    out = {}
    for metric in table.metrics:
        other = table.pivot(metric)
        if not set(pivot.functions) <= set(other.functions):
            continue
        places = {name: row for row, name in enumerate(other.prompt_ids)}
        wanted = [places.get(pivot.prompt_ids[row]) for row in rows]
        if None in wanted:
            continue
        columns = [other.functions.index(name) for name in pivot.functions]
        scores = other.scores[
            np.ix_(np.array(wanted, dtype=np.intp), np.array(columns, dtype=np.intp))
        ]
        if not np.isnan(scores).any():
            out[metric] = -scores if other.negated else scores
    return out
