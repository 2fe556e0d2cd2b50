"""Score tables from and to files: CSV, TSV, JSON Lines, Parquet; the whole table or nothing."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from cems_tui.errors import StorageError, UsageError
from cems_tui.files import SHARED, read_bytes, whole_file
from cems_tui.score_tables.cells import Cells, Found, checked, column_of, found_columns, found_rows
from cems_tui.score_tables.table import COLUMNS, NUMBERS, REQUIRED, Pivot, Row, ScoreTable
from cems_tui.text import CsvLines, as_utf8, one_line, why_no_json

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

__all__ = [
    "COLUMNS",
    "Pivot",
    "Row",
    "ScoreTable",
    "parse_columns",
    "parse_table",
    "read_table",
    "table_text",
    "write_table",
]

FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".parquet": "parquet"}
DELIMITERS = {"csv": ",", "tsv": "\t"}

_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+(?:[eE][+-]?\d+)?\s*")

CACHED_BYTES = 1 << 18
MOST_BYTES = 1 << 31
MOST_COLUMNS = 1_000
MOST_UNPACKED = 20
"""Times the bytes of a Parquet file that its columns may unpack to."""

_FEW_ROWS = 100_000
_FEW_BYTES = 64_000_000

Line = tuple[int, Mapping[Any, Any]]


def read_table(path: Path, tell: Callable[[str], None] | None = None) -> ScoreTable:
    """The table of a file, chosen by its ending.

    Args:
        tell: is told of columns that are not read.

    Raises:
        UsageError: the file is missing, of another format, or has a bad row; the first bad rows
            are listed with their line numbers and reasons, and nothing is taken.
    """
    return checked(found_in(path), path.name, tell)


def parse_table(
    lines: Iterable[Line], name: str, tell: Callable[[str], None] | None = None
) -> ScoreTable:
    """The table of numbered rows of any source (`name` is for messages).

    Raises:
        UsageError: a row is bad; nothing is taken.
    """
    return checked(found_rows(lines), name, tell)


def parse_columns(columns: Mapping[str, Sequence[Any]], name: str) -> ScoreTable:
    """The table of columns of any source (`name` is for messages).

    Raises:
        UsageError: a row is bad, counted from 1; nothing is taken.
    """
    return checked(found_columns(columns), name)


def write_table(table: ScoreTable, path: Path) -> None:
    """Writes the table whole or not at all, in the format of the ending.

    Raises:
        UsageError: the ending names no known format.
        StorageError: the file cannot be written.
    """
    form = _format(path)
    with whole_file(path, mode=SHARED) as file:
        if form == "parquet":
            _write_parquet(table.listed(), file)
        else:
            file.write(table_text(table, form).encode("utf-8"))


def table_text(table: ScoreTable, form: str) -> str:
    """The table as `csv`, `tsv` or `jsonl` text; optional columns nobody fills are left out."""
    columns = table.listed()
    used = [
        name
        for name, values in columns.items()
        if name in REQUIRED or any(value is not None for value in values)
    ]
    if table.higher_is_better.all():
        used.remove("higher_is_better")
    records = zip(*(columns[name] for name in used), strict=True)
    if form == "jsonl":
        return "".join(
            json.dumps(dict(zip(used, record, strict=True)), ensure_ascii=False) + "\n"
            for record in records
        )
    text = io.StringIO(newline="")
    writer = csv.writer(CsvLines(text), delimiter=DELIMITERS[form], lineterminator=CsvLines.END)
    writer.writerow(used)
    writer.writerows(records)  # None is written as nothing
    return text.getvalue()


def _write_parquet(columns: Mapping[str, Sequence[Any]], to: Path | BinaryIO) -> None:
    import pyarrow
    from pyarrow import parquet

    text, number = pyarrow.string(), pyarrow.float64()
    seeds = columns["seed"]
    named = any(isinstance(seed, str) for seed in seeds)  # of an imported table
    if named:
        seeds = [None if seed is None else str(seed) for seed in seeds]
    kinds = dict.fromkeys(COLUMNS, text) | dict.fromkeys(NUMBERS, number)
    kinds |= {"seed": text if named else pyarrow.int64(), "higher_is_better": pyarrow.bool_()}
    said = {**columns, "seed": seeds}
    parquet.write_table(
        pyarrow.table({name: pyarrow.array(said[name], kinds[name]) for name in COLUMNS}), to
    )


def _format(path: Path) -> str:
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"{path.name}: unknown table format {path.suffix or '(no ending)'}",
            f"Use a file ending in {', '.join(FORMATS)}.",
        ) from None


def found_in(path: Path) -> Found:
    """The cells of a file, not checked yet.

    Raises:
        UsageError: the file is missing, of another format, or damaged.
    """
    form = _format(path)
    if form == "parquet":
        return _found_in_parquet(path)
    try:
        data = as_utf8(read_bytes(path, MOST_BYTES))
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror or error}", "Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path.name} is not valid {error.encoding.upper()}", "Save it as UTF-8."
        ) from error
    if form == "jsonl":
        return found_rows(_json_lines(_decoded(data, path.name), path.name))
    delimiter = _delimiter(data, DELIMITERS[form])
    _refuse_wide(_first_line(data).count(delimiter) + 1, path.name)
    found = _found_in_csv(data, path.name, delimiter)
    return found if delimiter == "," else _with_points(found)


def _delimiter(data: bytes, usual: str) -> str:
    """What separates the cells: the format's own, or what a spreadsheet's locale made of it."""
    header = _first_line(data)
    for delimiter in (usual, ";", "\t", ","):
        try:
            cells = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:
            break  # it is no header: reading the rows tells what is wrong with it, and where
        if set(REQUIRED) <= set(cells):
            return delimiter
    return usual


def _first_line(data: bytes) -> str:
    start = next((at for at, letter in enumerate(data) if letter not in b"\r\n"), len(data))
    end = data.find(b"\n", start)
    return data[start : len(data) if end < 0 else end].decode(errors="replace").strip()


def _refuse_wide(columns: int, name: str) -> None:
    """Raises UsageError of a table that is no long form."""
    if columns > MOST_COLUMNS:
        raise UsageError(
            f"{name} has {columns:,} columns", f"A score table has {', '.join(REQUIRED)} and few."
        )


def _with_points(found: Found) -> Found:
    """Figures with a decimal comma as figures; left as they are where points are among them."""
    texts = {
        name: column
        for name, column in found.columns.items()
        if name in NUMBERS and isinstance(column, Cells)
    }
    if any("." in str(value) for column in texts.values() for value in column.values):
        return found
    pointed = {
        name: column_of(name, [_pointed(column.values[place]) for place in column.places.tolist()])
        for name, column in texts.items()
    }
    return replace(found, columns={**found.columns, **pointed})


def _pointed(value: Any) -> Any:
    is_figure = isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value)
    return value.replace(",", ".") if is_figure else value


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode()  # line ends within prompts stay as they are
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not valid UTF-8", "Save it as UTF-8.") from error


def _found_in_csv(data: bytes, name: str, delimiter: str) -> Found:
    """The cells of a CSV: as pyarrow reads them where Python's reader would say the same.

    Python's is slower, but knows lines, and refuses cells that are not quoted well.
    """
    table = _regular_csv(data, delimiter)
    if table is not None:
        return Found(
            table.num_rows,
            {
                column: _column(column, table.column(column))
                for column in table.column_names
                if column in COLUMNS
            },
            lambda: [line for line, _ in _csv_rows(_decoded(data, name), name, delimiter)[1]],
            [column for column in dict.fromkeys(table.column_names) if column not in COLUMNS],
        )
    header, rows = _csv_rows(_decoded(data, name), name, delimiter)
    found = {}
    for at, column in enumerate(header):
        if column in COLUMNS:
            values = [cells[at] if at < len(cells) else None for _, cells in rows]
            found[column] = column_of(column, values)
    return Found(
        len(rows),
        found,
        lambda: [line for line, _ in rows],
        [column for column in dict.fromkeys(header) if column not in COLUMNS],
        [row for row, (_, cells) in enumerate(rows) if len(cells) > len(header)],
    )


def _csv_rows(
    text: str, name: str, delimiter: str
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and the rows below it, each with the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        header = next((cells for cells in reader if cells), [])
        _check_header(header, name)
        number = reader.line_num + 1
        for cells in reader:
            if cells:
                rows.append((number, cells))
            number = reader.line_num + 1
    except csv.Error as error:
        where = f"{name} line {reader.line_num}"
        raise UsageError(f"{where}: {error}", "Nothing was imported.") from error
    return header, rows


def _regular_csv(data: bytes, delimiter: str) -> pyarrow.Table | None:
    """The table as pyarrow reads it; None where Python's reader might say something else."""
    import pyarrow
    from pyarrow import compute
    from pyarrow import csv as arrow_csv

    quoted = _quoted_lines(data, delimiter)
    if quoted is None:
        return None
    texts = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    for figure in (pyarrow.float64(), texts):
        kinds = {column: figure if column in NUMBERS else texts for column in COLUMNS}
        try:
            table = arrow_csv.read_csv(
                pyarrow.py_buffer(data),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=delimiter, newlines_in_values=quoted
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=kinds, null_values=[""], strings_can_be_null=True
                ),
            )
            header = table.column_names
        except ValueError:  # more or fewer cells than columns, not UTF-8, or not a number
            continue
        counts = {column: header.count(column) for column in COLUMNS}
        if max(counts.values()) > 1 or not all(counts[column] for column in REQUIRED):
            return None
        figures = [table.column(column) for column in NUMBERS if counts[column]]
        if figure == texts or all(
            compute.all(compute.is_finite(column)).as_py() is not False for column in figures
        ):
            return None if _oversized(table) else table
    return None


def _quoted_lines(data: bytes, delimiter: str) -> bool | None:
    """Whether lines end within quotes; None where quotes are not round whole cells."""
    import numpy as np

    if b'"' not in data:
        return False
    letters = np.frombuffer(data, np.uint8)
    quotes = _positions(letters, '"')
    if len(quotes) % 2:
        return None
    opening, closing = quotes[::2], quotes[1::2]
    edge = np.zeros(256, dtype=np.bool_)
    edge[[ord(one) for one in f'{delimiter}\r\n"']] = True  # a quote within is written twice
    before = edge[letters[opening - 1]] | (opening == 0)
    after = edge[letters[np.minimum(closing + 1, len(letters) - 1)]]
    if not (before.all() and after.all()):
        return None
    return any(
        bool((np.searchsorted(quotes, _positions(letters, end)) % 2).any())
        for end in "\n\r"
        if end.encode() in data
    )


def _positions(letters: NDArray[np.uint8], letter: str) -> NDArray[np.int64]:
    """Where the letter stands; looked for in parts that the processor's cache holds."""
    import numpy as np

    return np.concatenate(
        [
            start + np.flatnonzero(letters[start : start + CACHED_BYTES] == ord(letter))
            for start in range(0, len(letters), CACHED_BYTES)
        ]
    )


def _oversized(table: pyarrow.Table) -> bool:
    """Whether a cell may be longer than Python's reader takes, or is not text."""
    import pyarrow
    from pyarrow import compute

    most = csv.field_size_limit()
    for column in table.columns:
        for chunk in column.chunks:
            texts = chunk.dictionary if pyarrow.types.is_dictionary(chunk.type) else chunk
            if pyarrow.types.is_binary(texts.type):
                return True
            if pyarrow.types.is_string(texts.type):
                longest = compute.max(compute.binary_length(texts)).as_py()
                if longest is not None and longest > most:
                    return True
    return False


def _column(name: str, column: pyarrow.ChunkedArray) -> Any:
    """A column of pyarrow's as it is checked: figures as numbers, else each value once."""
    import numpy as np
    import pyarrow
    from pyarrow import types

    kind = column.type
    if name in NUMBERS and (types.is_floating(kind) or types.is_integer(kind)):
        figures = column.cast(pyarrow.float64(), safe=False)
        return np.asarray(figures.to_numpy(), dtype=np.float64)
    if types.is_null(kind):
        return Cells(np.zeros(len(column), dtype=np.int64), [None])
    if types.is_string(kind) or types.is_large_string(kind) or types.is_boolean(kind):
        column = column.dictionary_encode()
    if not types.is_dictionary(column.type):
        return column_of(name, column.to_pylist())
    whole = column.combine_chunks()
    values = whole.dictionary.to_pylist()
    places = whole.indices.fill_null(pyarrow.scalar(len(values), whole.indices.type))
    return Cells(np.asarray(places, dtype=np.int64), [*values, None])


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
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"{name} line {number}: not JSON: {why_no_json(error)}", "Nothing was imported."
            ) from error
        if not isinstance(values, dict):
            raise UsageError(f"{name} line {number}: not a JSON object", "Nothing was imported.")
        _refuse_wide(len(values), f"{name} line {number}")
        yield number, values


def _found_in_parquet(path: Path) -> Found:
    import pyarrow
    from pyarrow import parquet

    if not path.is_file():
        raise UsageError(f"cannot read {path}: no such file", "Check the path.")
    try:
        _refuse_inflated(parquet.read_metadata(path), path)
        kinds = parquet.read_schema(path)
        texts = [kind.name for kind in kinds if pyarrow.types.is_string(kind.type)]
        table = parquet.read_table(path, read_dictionary=texts)
        table.validate(full=True)
        known = [name for name in table.column_names if name in COLUMNS]
        columns = {name: _column(name, table.column(name)) for name in known}
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise UsageError(
            f"{path.name} is not a Parquet table: {one_line(str(error), 200)}", "Check the file."
        ) from error
    rows = table.num_rows
    return Found(
        rows,
        columns,
        lambda: range(1, rows + 1),
        [name for name in table.column_names if name not in COLUMNS],
    )


def _refuse_inflated(told: Any, path: Path) -> None:
    """Raises UsageError where a small file would fill the memory.

    Scores differ from row to row, so a row takes some bytes of its file, however it is packed.
    """
    _refuse_wide(told.num_columns, path.name)
    packed = path.stat().st_size
    unpacked = sum(told.row_group(at).total_byte_size for at in range(told.num_row_groups))
    most_rows = max(_FEW_ROWS, packed // 2)
    if told.num_rows > most_rows or unpacked > max(_FEW_BYTES, MOST_UNPACKED * packed):
        raise UsageError(
            f"{path.name} holds {told.num_rows:,} rows in {packed:,} bytes: those are no scores",
            "Write the table anew.",
        )


# A benchmark's long form written as CSV, JSON Lines or Parquet.


Columns = Mapping[str, Sequence[Any]]
"""A stretch of a table: as many values of each of `COLUMNS`, None is unknown."""


def write_csv(stretches: Iterable[Columns], stream: TextIO) -> int:
    """Write a header and the rows as CSV, unknown values as nothing; the number of rows.

    Floats are the shortest text that reads back the same.
    """
    writer = csv.writer(CsvLines(stream), lineterminator=CsvLines.END)
    writer.writerow(COLUMNS)
    count = 0
    for columns in stretches:
        told = dict(columns)
        told["higher_is_better"] = [_CSV_WORDS[one] for one in columns["higher_is_better"]]
        writer.writerows(zip(*(told[name] for name in COLUMNS), strict=True))
        count += len(columns["score"])
    return count


def write_jsonl(stretches: Iterable[Columns], stream: TextIO) -> int:
    """Write one JSON object a line, unknown values as null; the number of rows."""
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
    count = 0
    for columns in stretches:
        rows = zip(*(columns[name] for name in COLUMNS), strict=True)
        lines = [encoder.encode(dict(zip(COLUMNS, row, strict=True))) for row in rows]
        stream.write("".join(f"{line}\n" for line in lines))
        count += len(lines)
    return count


def write_parquet(stretches: Iterable[Columns], path: Path) -> int:
    """Write a Parquet file; the number of rows.

    Raises:
        StorageError: the file cannot be written.
    """
    whole: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for columns in stretches:
        for name in COLUMNS:
            whole[name] += columns[name]
    try:
        _write_parquet(whole, path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error}") from error
    return len(whole["score"])


_CSV_WORDS = {True: "true", False: "false", None: None}
