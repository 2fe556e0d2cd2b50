"""The mixed score of CEMS: NIMA and CLIP score, each min–max scaled, added: 0…2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cems_tui.domain.pricing import GIGABYTE, Pricing
from cems_tui.domain.score import METRIC, MixedConstants, mixed
from cems_tui.errors import UsageError
from cems_tui.score_tables.table import Row, ScoreTable

PARTS = ("nima", "clip")

Constants = Mapping[str, tuple[float, float]]


def default_metric(metrics: tuple[str, ...]) -> str:
    """The only metric; else `mixed` if nima and clip exist; else the first."""
    if len(metrics) > 1 and (METRIC in metrics or set(PARTS) <= set(metrics)):
        return METRIC
    return metrics[0]


def constants_of(table: ScoreTable) -> dict[str, tuple[float, float]]:
    """Minimum and maximum of NIMA and CLIP over all functions of a (training) table.

    Scores of a metric where lower is better are negated first, as everywhere in routing.

    Raises:
        UsageError: one of them is missing, or has a single value.
    """
    constants = {}
    for metric in PARTS:
        scores = [
            _upward(row, row.score)
            for row in table.rows
            if row.metric == metric and row.score is not None
        ]
        if not scores or min(scores) == max(scores):
            raise UsageError(
                f"the mixed score needs varied {' and '.join(PARTS)} scores; {metric} has none",
                f"The table has {', '.join(table.metrics)}; name one with --metric.",
            )
        constants[metric] = (min(scores), max(scores))
    return constants


def mixed_value(scores: Mapping[str, float], constants: Constants) -> float:
    """The mixed score of one picture's parts, by the constants of a table or card."""
    return mixed(scores["nima"], scores["clip"], MixedConstants.of(constants))


def with_mixed(table: ScoreTable, constants: Constants) -> ScoreTable:
    """The table with a mixed row for every picture that has all the parts.

    Repeats without seed or rater are paired in the order they stand in the table. Prices and
    measurements stay on the rows of the parts alone, so that a table's means count them once.
    """
    pictures: dict[tuple[str | int | None, ...], dict[str, Row]] = {}
    times: dict[tuple[str | None, ...], int] = {}
    for row in table.rows:
        if row.metric not in constants or row.score is None:
            continue
        cell = (row.prompt_id, row.function, row.seed, row.rater)
        count = times[(*cell, row.metric)] = times.get((*cell, row.metric), 0) + 1
        pictures.setdefault((*cell, count), {})[row.metric] = row
    added = [
        replace(
            next(iter(parts.values())),
            metric=METRIC,
            score=mixed_value(
                {m: _upward(r, r.score) for m, r in parts.items() if r.score is not None}, constants
            ),
            cost_usd=None,
            seconds=None,
            memory_gb=None,
            higher_is_better=True,
        )
        for parts in pictures.values()
        if len(parts) == len(constants)
    ]
    return ScoreTable.of((*table.rows, *added))


def _upward(row: Row, score: float) -> float:
    """The score so that higher is better."""
    return score if row.higher_is_better else -score


# Prices of a score table's functions, where its rows say seconds and memory but no money.


def computed_prices(table: ScoreTable, pricing: Pricing) -> dict[str, float | None]:
    """Mean US dollars a picture by function: its rows' own price, else what eq. 4 makes of them.

    None where a function's rows say neither.
    """
    priced = table.costs()
    rents: dict[str, list[float]] = {name: [] for name in priced}
    for row in table.rows:
        if row.seconds is not None and row.memory_gb is not None:
            rent = pricing.usd(row.seconds, round(row.memory_gb * GIGABYTE))
            rents[row.function].append(rent)
    return {name: said if said is not None else _mean(rents[name]) for name, said in priced.items()}


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
