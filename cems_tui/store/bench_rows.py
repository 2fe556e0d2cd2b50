"""Cells, and the contract's long form, as rows of the database and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cems_tui.bench.plan import BenchPrompt, Cell, CellKey
from cems_tui.pricing import GIGABYTE
from cems_tui.quality.score import Score
from cems_tui.record import now
from cems_tui.store.rows import finite

if TYPE_CHECKING:
    from sqlite_utils import Database


def cell_row(
    name: str, key: CellKey, prompt: BenchPrompt, cell: Cell | None, error: str | None
) -> dict[str, Any]:
    """The columns of `bench_cells` for a cell, made or failed."""
    row = {
        "bench": name,
        "prompt_id": key.prompt_id,
        "prompt": prompt.prompt,
        "group_name": prompt.group,
        "function": key.function,
        "seed": key.seed,
        "seconds": cell.seconds if cell else None,
        "memory_bytes": cell.memory_bytes if cell else None,
        "cost_usd": cell.cost_usd if cell else None,
        "error": error,
        "created": now(),
    }
    return finite(row, f"a cell of {name}")


def score_row(score: Score) -> dict[str, Any]:
    """The columns of `bench_scores` for a reading."""
    return finite(asdict(score), f"the score {score.metric}")


LONG_COLUMNS = (
    "prompt_id",
    "prompt",
    "group",
    "function",
    "seed",
    "rater",
    "seconds",
    "memory_gb",
    "cost_usd",
    "metric",
    "score",
    "higher_is_better",
)
"""What `insert_imported` wants of a row, in this order."""


def insert_imported(db: Database, name: str, rows: Iterable[tuple[Any, ...]], moment: str) -> int:
    """Write long-form rows, each as a cell of its own: repeats stay repeats; how many they were.

    Hundreds of thousands of rows are two statements, so ids are given here.

    Args:
        rows: the values of `LONG_COLUMNS`, figures finite.
    """
    before = db.conn.execute("SELECT MAX(id) FROM bench_cells").fetchone()[0] or 0
    scores: list[tuple[Any, ...]] = []

    def cells() -> Iterator[tuple[Any, ...]]:
        for number, row in enumerate(rows, before + 1):
            *said, seconds, memory_gb, cost_usd, metric, score, higher = row
            scores.append((number, metric, score, 1 if higher is None else int(higher)))
            memory_bytes = None if memory_gb is None else round(memory_gb * GIGABYTE)
            yield (number, name, *said, seconds, memory_bytes, cost_usd, moment)

    db.conn.executemany(
        "INSERT INTO bench_cells (id, bench, prompt_id, prompt, group_name, function, seed, rater,"
        " seconds, memory_bytes, cost_usd, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        cells(),
    )
    db.conn.executemany(
        "INSERT INTO bench_scores (cell, metric, value, higher_is_better) VALUES (?, ?, ?, ?)",
        scores,
    )
    return len(scores)


def long_columns(name: str, row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of `LONG_COLUMNS` in a row of any source.

    Raises:
        GenerationError: a figure is not finite.
    """
    return tuple(finite(dict(row), f"a row of {name}").get(column) for column in LONG_COLUMNS)


def long_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One score of a cell with the columns of the long form; memory in decimal GB."""
    memory = row["memory_bytes"]
    return {
        "prompt_id": row["prompt_id"],
        "prompt": row["prompt"],
        "function": row["function"],
        "metric": row["metric"],
        "score": row["value"],
        "cost_usd": row["cost_usd"],
        "seconds": row["seconds"],
        "memory_gb": None if memory is None else memory / GIGABYTE,
        "seed": row["seed"],
        "rater": row["rater"],
        "group": row["group_name"],
        "higher_is_better": bool(row["higher_is_better"]),
    }
