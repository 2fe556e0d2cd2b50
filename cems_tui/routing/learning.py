"""What learning any kind of router has in common: what is refused, and what the card says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cems_tui.bench.score_table import Pivot, ScoreTable
from cems_tui.errors import UsageError
from cems_tui.routing.card import Training
from cems_tui.routing.corrected_oracle import corrected_oracle
from cems_tui.routing.evaluation import evaluate
from cems_tui.routing.features import Floats
from cems_tui.routing.folds import group_count
from cems_tui.routing.grouping import figures_by_group
from cems_tui.routing.intervals import Readings
from cems_tui.routing.training_data import other_metrics

FOLDS = 5


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


def training_facts(digest: str, pivot: Pivot, seed: int) -> Training:
    """What the card says of the training prompts; `digest` is the table's."""
    sources: dict[str, int] = {}
    for group in pivot.groups:
        if group:
            sources[group] = sources.get(group, 0) + 1
    return Training(
        table=digest,
        prompts=len(pivot.prompts),
        readings=len(pivot.readings),
        missing=int(np.isnan(pivot.scores).sum()),
        seed=seed,
        folds=FOLDS,
        sources=sources,
    )


def held_out_figures(
    table: ScoreTable,
    pivot: Pivot,
    estimates: Floats,
    costs: Mapping[str, float | None],
    seed: int,
) -> dict[str, Any]:
    """The figures on held-out folds, over the prompts that have every score."""
    complete = np.flatnonzero(pivot.complete)
    if not complete.size:
        return {}
    prices = [costs[name] for name in pivot.functions]
    cost = None if None in prices else np.array(prices, dtype=np.float64)
    truth, said = pivot.scores[complete], estimates[complete].astype(np.float64)
    figures = evaluate(
        truth,
        said,
        cost,
        pivot.functions,
        metrics=other_metrics(table, pivot, complete),
        seed=seed,
    )
    groups = [pivot.groups[row] for row in complete]
    return {
        "metric": pivot.metric,
        "split": "folds",
        "seed": seed,
        **figures.to_json(),
        "oracle_noise_corrected": corrected_oracle(pivot),
        "groups": figures_by_group(truth, said, cost, pivot.functions, groups, seed),
    }
