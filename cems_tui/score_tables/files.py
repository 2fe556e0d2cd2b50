"""Score tables from and to files: CSV, TSV, JSON Lines, Parquet; the whole table or nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from difflib import get_close_matches
from math import isnan
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from cems_tui.errors import StorageError, UsageError
from cems_tui.files import SHARED, whole_file
from cems_tui.score_tables.table import Pivot, Row, ScoreTable
from cems_tui.text import MAX_PROMPT_CHARACTERS

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
    """Writes the table whole or not at all, in the format of the ending.

    Raises:
        UsageError: the ending names no known format, or Parquet without pyarrow.
        StorageError: the file cannot be written.
    """
    form = _format(path)
    with whole_file(path, mode=SHARED) as file:
        if form == "parquet":
            _write_parquet(table, path.name, file)
        else:
            file.write(table_text(table, form).encode("utf-8"))


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


def _write_parquet(table: ScoreTable, name: str, file: BinaryIO) -> None:
    parquet = _parquet(name)
    import pyarrow

    parquet.write_table(pyarrow.Table.from_pylist([asdict(row) for row in table.rows]), file)


# The cells of a score table's row, checked one by one.


class BadRow(Exception):
    """Why one row cannot be taken; gathered with others, never shown alone."""


def needed_of(values: Mapping[Any, Any], name: str) -> str:
    text = text_of(values, name)
    if text is None or not text.strip():
        raise BadRow(f"{name} is empty")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadRow(f"{name} is not valid UTF-8")
    return text


def text_of(values: Mapping[Any, Any], name: str) -> str | None:
    """As given; a number that stands for a name loses the `.0` that Parquet may add."""
    value = values.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, float):
        if isnan(value):
            return None
        return str(int(value)) if value.is_integer() else str(value)
    return str(value)


def number_of(values: Mapping[Any, Any], name: str) -> float | None:
    """A finite number; None when the cell is empty or says NaN."""
    value = values.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        if isinstance(value, str) and not value.strip():
            return None
        raise BadRow(f"{name} is not a number: {value!r}") from None
    if number - number == 0.0 and not isinstance(value, bool):
        if isinstance(value, str) and "_" in value:  # 1_000 is Python, not data
            raise BadRow(f"{name} is not a number: {value!r}")
        return number
    if isnan(number):
        return None
    raise BadRow(f"{name} is not a finite number: {value!r}")


def amount_of(values: Mapping[Any, Any], name: str) -> float | None:
    number = number_of(values, name)
    if number is not None and number < 0:
        raise BadRow(f"{name} is negative: {number:g}")
    return number


def truth_of(value: Any) -> bool:
    if value is None or value == "":
        return True
    text = str(value).strip().lower()
    if text in ("true", "1", "yes", "1.0"):
        return True
    if text in ("false", "0", "no", "0.0"):
        return False
    raise BadRow(f"higher_is_better is neither true nor false: {value!r}")


# A benchmark's long form written as CSV, JSON Lines or Parquet.

EXPORTED_COLUMNS = (
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


def write_csv(rows: Iterable[Mapping[str, Any]], stream: TextIO) -> int:
    """Write a header and the rows as CSV, unknown values as nothing; the number of rows."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(EXPORTED_COLUMNS)
    count = 0
    for row in rows:
        writer.writerow([_csv_value(row.get(column)) for column in EXPORTED_COLUMNS])
        count += 1
    return count


def write_jsonl(rows: Iterable[Mapping[str, Any]], stream: TextIO) -> int:
    """Write one JSON object a line, unknown values as null; the number of rows."""
    count = 0
    for row in rows:
        said = {column: row.get(column) for column in EXPORTED_COLUMNS}
        stream.write(json.dumps(said, ensure_ascii=False, allow_nan=False) + "\n")
        count += 1
    return count


def write_parquet(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
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
    taken = [{column: row.get(column) for column in EXPORTED_COLUMNS} for row in rows]
    named = any(isinstance(row["seed"], str) for row in taken)  # of an imported table
    for row in taken:
        row["seed"] = str(row["seed"]) if named and row["seed"] is not None else row["seed"]
    kinds = {"seed": text if named else pyarrow.int64(), "higher_is_better": pyarrow.bool_()}
    numbers = ("score", "cost_usd", "seconds", "memory_gb")
    schema = pyarrow.schema(
        [(c, kinds.get(c, number if c in numbers else text)) for c in EXPORTED_COLUMNS]
    )
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


# Rows of a score table checked one after the other, each against those before it.

COLUMNS = tuple(field.name for field in fields(Row))
_COLUMNS = frozenset(COLUMNS)
REQUIRED = ("prompt_id", "prompt", "function", "metric", "score")


class RowReader:
    """Turns the values of one row after the other into rows; remembers what must not be twice.

    A table repeats its texts thousands of times, so a text is checked when it is first seen.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {name: {} for name in REQUIRED[:4]}
        self._seen: dict[tuple[str, ...], int] = {}
        self._prompts: dict[str, str] = {}
        self._directions: dict[str, bool] = {}
        self.ignored: dict[str, None] = {}
        """Columns that mean nothing here, in order of appearance."""

    def read(self, values: Mapping[Any, Any], number: int) -> Row:
        """The row of these values, which stand on line `number`.

        Raises:
            BadRow: it cannot be taken.
        """
        if None in values:
            raise BadRow("more cells than columns")
        if not values.keys() <= _COLUMNS:
            self.ignored |= dict.fromkeys(str(name) for name in values if name not in _COLUMNS)
        higher = values.get("higher_is_better")
        row = Row(
            self._needed(values, "prompt_id"),
            self._needed(values, "prompt"),
            self._needed(values, "function"),
            self._needed(values, "metric"),
            number_of(values, "score"),
            amount_of(values, "cost_usd"),
            amount_of(values, "seconds"),
            amount_of(values, "memory_gb"),
            text_of(values, "seed"),
            text_of(values, "rater"),
            text_of(values, "group"),
            True if higher is None or higher is True else truth_of(higher),
        )
        self._check(row, number)
        return row

    def _needed(self, values: Mapping[Any, Any], name: str) -> str:
        value = values.get(name)
        if not isinstance(value, str):
            if name not in values:
                raise BadRow(f"no {', '.join(one for one in REQUIRED if one not in values)}")
            return needed_of(values, name)
        known = self._known[name].get(value)
        if known is None:
            if name == "prompt" and len(value) > MAX_PROMPT_CHARACTERS:
                raise BadRow(f"prompt has {len(value):,} characters")
            known = self._known[name][value] = needed_of(values, name)
        return known

    def _check(self, row: Row, number: int) -> None:
        if self._prompts.setdefault(row.prompt_id, row.prompt) != row.prompt:
            raise BadRow(f"prompt_id {row.prompt_id} has another prompt further up")
        if self._directions.setdefault(row.metric, row.higher_is_better) != row.higher_is_better:
            raise BadRow(f"higher_is_better of {row.metric} is the opposite further up")
        if row.seed is None and row.rater is None:
            return  # rows without either are repeats
        key = (row.prompt_id, row.function, row.metric, row.seed or "", row.rater or "")
        if self._seen.setdefault(key, number) != number:
            raise BadRow(
                f"the same prompt_id, function, metric, seed and rater as line {self._seen[key]}"
            )
