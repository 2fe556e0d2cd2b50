"""Every score of every picture, as score-table rows: what one's own history can teach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cems_tui.pricing import GIGABYTE
from cems_tui.store.connection import Connection


def history_readings(connection: Connection) -> Iterator[dict[str, Any]]:
    """Long-form rows with the `scorer` that read them, oldest first; hidden pictures are left out.

    A picture with a negative prompt was not drawn from its prompt alone, so it is left out too.
    """
    rows = connection.rows(
        """
        SELECT prompt, executed, scores.metric, value, scorer, higher_is_better, cost_usd, seed,
            seconds_encode + seconds_denoise + seconds_decode AS seconds, peak_memory_bytes
        FROM scores JOIN generations ON generations.id = generation
        WHERE removed IS NULL AND negative = ''
        ORDER BY created, generations.id, position
        """
    )
    for row in rows:
        memory = row["peak_memory_bytes"]
        yield {
            "prompt": row["prompt"],
            "function": row["executed"],
            "metric": row["metric"],
            "score": row["value"],
            "scorer": row["scorer"],
            "cost_usd": row["cost_usd"],
            "seconds": row["seconds"],
            "memory_gb": None if memory is None else memory / GIGABYTE,
            "seed": str(row["seed"]),
            "higher_is_better": bool(row["higher_is_better"]),
        }
