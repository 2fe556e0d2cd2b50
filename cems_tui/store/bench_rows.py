"""Cells, and the contract's long form, as rows of the database and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cems_tui.bench.plan import BenchPrompt, Cell, CellKey
from cems_tui.pricing import GIGABYTE
from cems_tui.quality.score import Score
from cems_tui.record import now
from cems_tui.store.rows import finite


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


def imported(
    name: str, row: Mapping[str, Any], moment: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A long-form row as a cell of its own: repeats stay repeats."""
    memory_gb = row.get("memory_gb")
    cell = {
        "bench": name,
        "prompt_id": row["prompt_id"],
        "prompt": row["prompt"],
        "group_name": row.get("group"),
        "function": row["function"],
        "seed": row.get("seed"),
        "rater": row.get("rater"),
        "seconds": row.get("seconds"),
        "memory_bytes": None if memory_gb is None else round(memory_gb * GIGABYTE),
        "cost_usd": row.get("cost_usd"),
        "created": moment,
    }
    higher = row.get("higher_is_better")
    score = {
        "metric": row["metric"],
        "value": row["score"],
        "higher_is_better": True if higher is None else bool(higher),
    }
    return finite(cell, f"a row of {name}"), [finite(score, f"a row of {name}")]


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
