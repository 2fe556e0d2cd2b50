"""Score tables from and to files: CSV, TSV, JSON Lines, Parquet; the whole table or nothing."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from cems_tui.bench.cells import BadRow
from cems_tui.bench.row_reader import COLUMNS, REQUIRED, RowReader
from cems_tui.bench.score_table import Pivot, Row, ScoreTable
from cems_tui.errors import StorageError, UsageError

__all__ = ["Pivot", "Row", "ScoreTable", "parse_table", "read_table", "table_text", "write_table"]

SHOWN_ERRORS = 5
FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".parquet": "parquet"}

Line = tuple[int, Mapping[Any, Any]]


def read_table(path: Path, tell: Callable[[str], None] | None = None) -> ScoreTable:
    """The table of a file, chosen by its ending.

    Args:
        tell: is told of columns that are not read.

    Raises:
        UsageError: the file is missing, of another format, or has a bad row; the first bad rows
            are listed with their line numbers and reasons, and nothing is taken.
    """
    return parse_table(_lines(path), path.name, tell)


def parse_table(
    lines: Iterable[Line], name: str, tell: Callable[[str], None] | None = None
) -> ScoreTable:
    """The table of numbered rows of any source (`name` is for messages).

    Raises:
        UsageError: a row is bad; nothing is taken.
    """
    rows: list[Row] = []
    errors: list[str] = []
    reader = RowReader()
    for number, values in lines:
        try:
            rows.append(reader.read(values, number))
        except BadRow as error:
            errors.append(f"line {number}: {error}")
    if errors:
        raise _refused(name, errors)
    if not rows:
        raise UsageError(f"{name} holds no rows", f"It needs the columns {', '.join(REQUIRED)}.")
    if reader.ignored and tell is not None:
        tell(f"columns of {name} that are not read: {', '.join(map(_named, reader.ignored))}")
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


def _named(column: str) -> str:
    """The column, and what it may have been meant to be."""
    near = get_close_matches(column, COLUMNS, n=1, cutoff=0.5)
    return f"{column} (did you mean {near[0]}?)" if near else column


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
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter="\t" if form == "tsv" else ",", strict=True
    )
    try:
        header = next((cells for cells in reader if cells), [])
        _check_header(header, name)
        number = reader.line_num + 1
        for cells in reader:
            if cells:
                values: dict[Any, Any] = dict(zip(header, cells, strict=False))
                if len(cells) > len(header):
                    values[None] = cells[len(header) :]
                elif len(cells) < len(header):
                    values |= dict.fromkeys(header[len(cells) :])
                yield number, values
            number = reader.line_num + 1
    except csv.Error as error:
        where = f"{name} line {reader.line_num}"
        raise UsageError(f"{where}: {error}", "Nothing was imported.") from error


def _check_header(header: Sequence[str], name: str) -> None:
    """Raises UsageError where a needed column is missing or a column is there twice."""
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise UsageError(
            f"{name} has no column {', '.join(missing)}", f"It needs {', '.join(REQUIRED)}."
        )
    twice = [column for column in COLUMNS if header.count(column) > 1]
    if twice:
        raise UsageError(f"{name} has the column {', '.join(twice)} twice", "Keep one of them.")


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
