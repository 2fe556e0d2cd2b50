"""A benchmark's long form written as CSV, JSON Lines or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from cems_tui.errors import StorageError, UsageError

COLUMNS = (
    "prompt_id",
    "prompt",
    "function",
    "metric",
    "score",
    "cost_usd",
    "seconds",
    "memory_gb",
    "seed",
    "rater",
    "group",
    "higher_is_better",
)
"""The contract's columns, the required ones first."""

Row = Mapping[str, Any]


def write_csv(rows: Iterable[Row], stream: TextIO) -> int:
    """Write a header and the rows as CSV, unknown values as nothing; the number of rows."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for row in rows:
        writer.writerow([_csv_value(row.get(column)) for column in COLUMNS])
        count += 1
    return count


def write_jsonl(rows: Iterable[Row], stream: TextIO) -> int:
    """Write one JSON object a line, unknown values as null; the number of rows."""
    count = 0
    for row in rows:
        said = {column: row.get(column) for column in COLUMNS}
        stream.write(json.dumps(said, ensure_ascii=False, allow_nan=False) + "\n")
        count += 1
    return count


def write_parquet(rows: Iterable[Row], path: Path) -> int:
    """Write a Parquet file; the number of rows.

    Raises:
        UsageError: pyarrow is not installed.
        StorageError: the file cannot be written.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed",
            "Install pyarrow, or use --format csv or jsonl.",
        ) from error
    text, number = pyarrow.string(), pyarrow.float64()
    taken = [{column: row.get(column) for column in COLUMNS} for row in rows]
    named = any(isinstance(row["seed"], str) for row in taken)  # of an imported table
    for row in taken:
        row["seed"] = str(row["seed"]) if named and row["seed"] is not None else row["seed"]
    kinds = {"seed": text if named else pyarrow.int64(), "higher_is_better": pyarrow.bool_()}
    numbers = ("score", "cost_usd", "seconds", "memory_gb")
    schema = pyarrow.schema([(c, kinds.get(c, number if c in numbers else text)) for c in COLUMNS])
    table = pyarrow.Table.from_pylist(taken, schema=schema)
    try:
        parquet.write_table(table, path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error}") from error
    count: int = table.num_rows
    return count


def _csv_value(value: Any) -> Any:
    """Floats as the shortest text that reads back the same; booleans as true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value
