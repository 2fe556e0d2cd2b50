"""Prices of a score table's functions, where its rows say seconds and memory but no money."""

from __future__ import annotations

from cems_tui.bench.score_table import ScoreTable
from cems_tui.pricing import GIGABYTE, Pricing


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
