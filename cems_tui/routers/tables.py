"""Benchmarks of the database as score tables, with what their rows do not say themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cems_tui import wiring
from cems_tui.bench.prices import computed_prices
from cems_tui.bench.score_table import ScoreTable
from cems_tui.bench.table import parse_table
from cems_tui.pricing import Pricing


@dataclass(frozen=True, slots=True)
class Scored:
    """A score table, who read it, and what its functions cost."""

    table: ScoreTable
    scorers: Mapping[str, str | None]
    """The instrument of each metric; None where the table does not say."""

    prices: Mapping[str, float | None]
    """US dollars a picture of each function; None is unknown."""


def scored_bench(name: str) -> Scored:
    """A benchmark of the database.

    Raises:
        UnknownName: there is none of that name.
        UsageError: it holds no rows.
    """
    with wiring.open_history() as store:
        rows = list(store.benches.long_rows(name))
        scorers = store.benches.scorers(name)
    table = parse_table(enumerate(rows, 1), name)
    return Scored(table, scorers, computed_prices(table, pricing()))


def pricing() -> Pricing:
    """What memory over time costs, as the user configured it."""
    return Pricing(float(wiring.open_planner_settings()["pricing.usd_per_gb_second"]))
