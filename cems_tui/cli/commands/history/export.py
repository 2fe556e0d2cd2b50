"""`cems history export`: the history as a table, and its pictures."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import typer

from cems_tui.cli import output
from cems_tui.cli.commands.history.rm import Search
from cems_tui.errors import UsageError
from cems_tui.files import SHARED, whole_file, whole_text
from cems_tui.profile import Profile
from cems_tui.services.history import History, columns, flat
from cems_tui.store.database import Store
from cems_tui.text import CsvLines, counted, spreadsheet_cell


def export(
    format: Annotated[
        Literal["jsonl", "csv", "parquet"],
        typer.Option(help="jsonl: the objects of `generate --json`; csv, parquet: one flat row."),
    ] = "jsonl",
    search: Search = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write there instead of stdout.")
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", metavar="DIR", help="Copy the pictures there instead."),
    ] = None,
    strip: Annotated[
        bool, typer.Option("--strip", help="With --pictures: without their receipts.")
    ] = False,
) -> None:
    """Print the history as a table, or copy its pictures."""
    if strip and pictures is None:
        raise UsageError("--strip goes with --pictures", "A table has no receipts.")
    if format == "parquet" and out is None and pictures is None:
        raise UsageError("Parquet does not go to stdout", "Name a file with --out.")
    with Profile.current().history() as store:
        if pictures is not None:
            made = store.generations(search)
            count = History(store).hand_on(made, pictures, stripped=strip)
            output.line(f"{counted(count, 'picture')} in {pictures.absolute()}")
        elif format == "parquet" and out is not None:
            with whole_file(out, mode=SHARED) as file:
                _write_parquet(store, search, Path(file.name))
        elif out is not None:
            with whole_text(out, mode=SHARED) as stream:
                _write(store, search, format, stream)
        else:
            _write(store, search, format, output.data_stream())


def _write(store: Store, search: str | None, format: str, stream: TextIO) -> None:
    if format == "jsonl":
        for row in store.export_rows(search):
            stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        return
    # a column of a metric may come with the last picture: rows wait in a file for the header
    with tempfile.TemporaryFile("w+", encoding="utf-8") as waiting:
        names: dict[str, None] = {}
        for row in _flat(store, search):
            names |= dict.fromkeys(row)
            waiting.write(json.dumps(row) + "\n")
        waiting.seek(0)
        writer = csv.DictWriter(CsvLines(stream), list(names), lineterminator=CsvLines.END)
        writer.writerow({name: spreadsheet_cell(name) for name in names})
        for line in waiting:
            writer.writerow({name: spreadsheet_cell(one) for name, one in json.loads(line).items()})


def _write_parquet(store: Store, search: str | None, path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    rows = [
        {**row, "seed": str(row["seed"]), "policy_value": _text(row["policy_value"])}
        for row in _flat(store, search)
    ]
    table = {name: [row.get(name) for row in rows] for name in columns(iter(rows))}
    parquet.write_table(pyarrow.table(table), path)


def _flat(store: Store, search: str | None) -> Iterator[dict[str, Any]]:
    return map(flat, store.export_rows(search))


def _text(value: Any) -> str | None:
    """A seed may be too large for a column of numbers, a policy's value a name: both are text."""
    return None if value is None else str(value)
