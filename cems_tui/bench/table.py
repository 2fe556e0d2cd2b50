"""Score tables from and to files: CSV, TSV, JSON Lines, Parquet; the whole table or nothing."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from cems_tui.bench.cells import BadRow, amount_of, needed_of, number_of, text_of, truth_of
from cems_tui.bench.score_table import Pivot, Row, ScoreTable
from cems_tui.errors import StorageError, UsageError

__all__ = ["Pivot", "Row", "ScoreTable", "parse_table", "read_table", "table_text", "write_table"]

COLUMNS = tuple(field.name for field in fields(Row))
REQUIRED = ("prompt_id", "prompt", "function", "metric", "score")
SHOWN_ERRORS = 5
FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".parquet": "parquet"}

Line = tuple[int, Mapping[Any, Any]]


def read_table(path: Path) -> ScoreTable:
    """The table of a file, chosen by its ending.

    Raises:
        UsageError: the file is missing, of another format, or has a bad row; the first bad rows
            are listed with their line numbers and reasons, and nothing is taken.
    """
    return parse_table(_lines(path), path.name)


def parse_table(lines: Iterable[Line], name: str) -> ScoreTable:
    """The table of numbered rows of any source (`name` is for messages).

    Raises:
        UsageError: a row is bad; nothing is taken.
    """
    rows: list[Row] = []
    errors: list[str] = []
    seen: dict[tuple[str, ...], int] = {}
    prompts: dict[str, str] = {}
    directions: dict[str, bool] = {}
    for number, values in lines:
        try:
            row = _row(values)
            _check_against_others(row, number, seen, prompts, directions)
        except BadRow as error:
            errors.append(f"line {number}: {error}")
        else:
            rows.append(row)
    if errors:
        raise _refused(name, errors)
    if not rows:
        raise UsageError(f"{name} holds no rows", f"It needs the columns {', '.join(REQUIRED)}.")
    return ScoreTable.of(rows)


def write_table(table: ScoreTable, path: Path) -> None:
    """Writes the table whole (temporary file, then renamed), in the format of the ending.

    Raises:
        UsageError: the ending names no known format, or Parquet without pyarrow.
        StorageError: the file cannot be written.
    """
    form = _format(path)
    temporary = path.with_name(f".{path.name}.part")
    try:
        if form == "parquet":
            _write_parquet(table, temporary)
        else:
            temporary.write_text(table_text(table, form), encoding="utf-8", newline="")
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"cannot write {path}: {error}") from error


def table_text(table: ScoreTable, form: str) -> str:
    """The table as `csv`, `tsv` or `jsonl` text; optional columns nobody fills are left out."""
    used = [
        name
        for name in COLUMNS
        if name in REQUIRED or any(getattr(row, name) is not None for row in table.rows)
    ]
    if all(row.higher_is_better for row in table.rows):
        used.remove("higher_is_better")
    records = (
        {name: value for name, value in asdict(row).items() if name in used} for row in table.rows
    )
    if form == "jsonl":
        return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    out = io.StringIO()
    writer = csv.DictWriter(
        out, used, delimiter="\t" if form == "tsv" else ",", lineterminator="\n"
    )
    writer.writeheader()
    for record in records:
        writer.writerow({key: "" if value is None else value for key, value in record.items()})
    return out.getvalue()


def _row(values: Mapping[Any, Any]) -> Row:
    if None in values:  # csv.DictReader keeps cells beyond the header there
        raise BadRow("more cells than columns")
    unknown = [name for name in REQUIRED if name not in values]
    if unknown:
        raise BadRow(f"no {', '.join(unknown)}")
    return Row(
        prompt_id=needed_of(values, "prompt_id"),
        prompt=needed_of(values, "prompt"),
        function=needed_of(values, "function"),
        metric=needed_of(values, "metric"),
        score=number_of(values, "score"),
        cost_usd=amount_of(values, "cost_usd"),
        seconds=amount_of(values, "seconds"),
        memory_gb=amount_of(values, "memory_gb"),
        seed=text_of(values, "seed"),
        rater=text_of(values, "rater"),
        group=text_of(values, "group"),
        higher_is_better=truth_of(values.get("higher_is_better")),
    )


def _check_against_others(
    row: Row,
    number: int,
    seen: dict[tuple[str, ...], int],
    prompts: dict[str, str],
    directions: dict[str, bool],
) -> None:
    if prompts.setdefault(row.prompt_id, row.prompt) != row.prompt:
        raise BadRow(f"prompt_id {row.prompt_id} has another prompt further up")
    if directions.setdefault(row.metric, row.higher_is_better) != row.higher_is_better:
        raise BadRow(f"higher_is_better of {row.metric} is the opposite further up")
    if row.seed is None and row.rater is None:
        return  # rows without either are repeats
    key = (row.prompt_id, row.function, row.metric, row.seed or "", row.rater or "")
    if key in seen:
        raise BadRow(f"the same prompt_id, function, metric, seed and rater as line {seen[key]}")
    seen[key] = number


def _refused(name: str, errors: Sequence[str]) -> UsageError:
    shown = "; ".join(errors[:SHOWN_ERRORS])
    more = f"; and {len(errors) - SHOWN_ERRORS} more" if len(errors) > SHOWN_ERRORS else ""
    many = "1 bad row" if len(errors) == 1 else f"{len(errors)} bad rows"
    return UsageError(
        f"{name} has {many}: {shown}{more}", "Nothing was imported; correct the rows and try again."
    )


def _format(path: Path) -> str:
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"{path.name}: unknown table format {path.suffix or '(no ending)'}",
            f"Use a file ending in {', '.join(FORMATS)}.",
        ) from None


def _lines(path: Path) -> Iterator[Line]:
    form = _format(path)
    if form == "parquet":
        return _parquet_lines(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")  # line ends within prompts stay as they are
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror or error}", "Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path.name} is not valid UTF-8", "Save it as UTF-8.") from error
    return _json_lines(text, path.name) if form == "jsonl" else _csv_lines(text, path.name, form)


def _csv_lines(text: str, name: str, form: str) -> Iterator[Line]:
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter="\t" if form == "tsv" else ",", strict=True
    )
    missing = [column for column in REQUIRED if column not in (reader.fieldnames or ())]
    if missing:
        raise UsageError(
            f"{name} has no column {', '.join(missing)}", f"It needs {', '.join(REQUIRED)}."
        )
    try:
        for values in reader:
            breaks = sum(str(value).count("\n") for value in values.values())
            yield reader.line_num - breaks, values
    except csv.Error as error:
        where = f"{name} line {reader.line_num}"
        raise UsageError(f"{where}: {error}", "Nothing was imported.") from error


def _json_lines(text: str, name: str) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise UsageError(
                f"{name} line {number}: not JSON: {error}", "Nothing was imported."
            ) from error
        if not isinstance(values, dict):
            raise UsageError(f"{name} line {number}: not a JSON object", "Nothing was imported.")
        yield number, values


def _parquet(name: str) -> Any:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise UsageError(
            f"{name}: reading and writing Parquet needs pyarrow",
            "Install pyarrow, or use CSV or JSON Lines.",
        ) from error
    return parquet


def _parquet_lines(path: Path) -> Iterator[Line]:
    parquet = _parquet(path.name)
    if not path.is_file():
        raise UsageError(f"cannot read {path}: no such file", "Check the path.")
    try:
        records = parquet.read_table(path).to_pylist()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path.name} is not a Parquet table: {error}", "Check the file."
        ) from error
    return enumerate(records, start=1)


def _write_parquet(table: ScoreTable, path: Path) -> None:
    parquet = _parquet(path.name)
    import pyarrow

    parquet.write_table(pyarrow.Table.from_pylist([asdict(row) for row in table.rows]), path)
