"""The benchmarks in the database as a list, a line each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cems_tui.bench.plan import Status
from cems_tui.store.connection import Connection


@dataclass(frozen=True, slots=True)
class BenchSummary:
    """One benchmark in a list."""

    name: str
    created: str
    status: Status
    prompts: int
    functions: int
    cells: int
    """Pictures made (of an imported table: its rows)."""

    failed: int
    cost_usd: float | None
    """Sum of the priced cells; None when no cell has a price, and of an imported table: nothing
    was spent here."""

    unpriced: int

    def to_json(self) -> dict[str, Any]:
        """One row of `cems bench ls --json`."""
        return asdict(self)


def summaries(connection: Connection) -> list[BenchSummary]:
    """Every benchmark, newest first."""
    rows = connection.rows(
        """
        SELECT name, benches.created AS created, status,
            COUNT(DISTINCT prompt_id) AS prompts, COUNT(DISTINCT function) AS functions,
            COUNT(id) - COUNT(error) AS cells, COUNT(error) AS failed,
            CASE status WHEN 'imported' THEN NULL ELSE SUM(cost_usd) END AS cost_usd,
            COUNT(id) - COUNT(error) - COUNT(cost_usd) AS unpriced
        FROM benches LEFT JOIN bench_cells ON bench = name
        GROUP BY name ORDER BY benches.created DESC, name
        """
    )
    return [BenchSummary(**dict(row)) for row in rows]
