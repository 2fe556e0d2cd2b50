"""The contract's long form as rows of the database, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cems_tui.pricing import GIGABYTE
from cems_tui.store.rows import finite


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
