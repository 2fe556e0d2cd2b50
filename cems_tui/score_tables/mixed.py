"""The mixed score of CEMS: NIMA and CLIP score, each min–max scaled, added: 0…2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from cems_tui.domain.pricing import GIGABYTE, Pricing
from cems_tui.domain.score import METRIC, MixedConstants, mixed
from cems_tui.errors import UsageError
from cems_tui.score_tables.table import ScoreTable, Texts, together

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    scores = _upward(table)
    for metric in PARTS:
        known = [score for score in scores[table.metric.says(metric)].tolist() if score == score]
        if not known or min(known) == max(known):
            raise UsageError(
                f"the mixed score needs varied {' and '.join(PARTS)} scores; {metric} has none",
                f"The table has {', '.join(table.metrics)}; name one with --metric.",
            )
        constants[metric] = (min(known), max(known))
    return constants


def mixed_value(scores: Mapping[str, float], constants: Constants) -> float:
    """The mixed score of one picture's parts, by the constants of a table or card."""
    return mixed(scores["nima"], scores["clip"], MixedConstants.of(constants))


def with_mixed(table: ScoreTable, constants: Constants) -> ScoreTable:
    """The table with a mixed row for every picture that has all the parts.

    Repeats without seed or rater are paired in the order they stand in the table. Prices and
    measurements stay on the rows of the parts alone, so that a table's means count them once.
    """
    import numpy as np

    scores = _upward(table)
    ours = [table.metric.says(metric) & ~np.isnan(scores) for metric in constants]
    rows = np.flatnonzero(np.any(ours, axis=0)) if ours else np.zeros(0, dtype=np.intp)
    cell = together(
        [
            column.places[rows]
            for column in (table.prompt_id, table.function, table.seed, table.rater)
        ]
    )
    times = _times_before(together([cell, table.metric.places[rows]]))
    pictures, picture = np.unique(together([cell, times]), return_inverse=True)
    parts = {}
    for metric, own in zip(constants, ours, strict=True):
        parts[metric] = np.full(len(pictures), -1, dtype=np.intp)
        parts[metric][picture[own[rows]]] = rows[own[rows]]
    first = np.min([*parts.values()], axis=0) if parts else rows
    whole = np.flatnonzero(first >= 0)
    whole = whole[np.argsort(first[whole])]
    added = table.take(first[whole])
    nothing = np.full(len(whole), np.nan)
    said = zip(*(scores[part[whole]].tolist() for part in parts.values()), strict=True)
    values = [mixed_value(dict(zip(parts, one, strict=True)), constants) for one in said]
    return table.joined(
        replace(
            added,
            metric=Texts.of([METRIC] * len(whole)),
            score=np.array(values, dtype=np.float64),
            cost_usd=nothing,
            seconds=nothing,
            memory_gb=nothing,
            higher_is_better=np.ones(len(whole), dtype=np.bool_),
        )
    )


def _times_before(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many equal keys stand before each."""
    import numpy as np

    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    number = np.arange(len(keys))
    begins = np.concatenate(([True], ordered[1:] != ordered[:-1]))[: len(keys)]
    before = np.empty(len(keys), dtype=np.int64)
    before[order] = number - np.maximum.accumulate(np.where(begins, number, 0))
    return before


def _upward(table: ScoreTable) -> NDArray[np.float64]:
    """The scores so that higher is better."""
    import numpy as np

    return np.where(table.higher_is_better, table.score, -table.score)


# Prices of a score table's functions, where its rows say seconds and memory but no money.


def computed_prices(table: ScoreTable, pricing: Pricing) -> dict[str, float | None]:
    """Mean US dollars a picture by function: its rows' own price, else what eq. 4 makes of them.

    None where a function's rows say neither.
    """
    import numpy as np

    prices = table.costs()
    told = ~np.isnan(table.seconds) & ~np.isnan(table.memory_gb)
    for name in (name for name, said in prices.items() if said is None):
        rows = told & table.function.says(name)
        pairs = zip(table.seconds[rows].tolist(), table.memory_gb[rows].tolist(), strict=True)
        rents = [pricing.usd(seconds, round(memory * GIGABYTE)) for seconds, memory in pairs]
        prices[name] = sum(rents) / len(rents) if rents else None
    return prices
