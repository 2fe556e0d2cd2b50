"""`cems bench export`: a benchmark as a score table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cems_tui.bench.public_table import public_stretches
from cems_tui.cli import output
from cems_tui.errors import UsageError
from cems_tui.files import SHARED, whole_file, whole_text
from cems_tui.profile import Profile
from cems_tui.score_tables import formats as tables


def export(
    name: Annotated[str, typer.Argument(metavar="B", help="The benchmark.")],
    format: Annotated[
        Literal["csv", "jsonl", "parquet"], typer.Option(help="Of the table.")
    ] = "csv",
    public: Annotated[
        bool,
        typer.Option("--public", help="Fit to be shared: no paths, no ids, no names of raters."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write there instead of stdout.")
    ] = None,
) -> None:
    """Print a benchmark as a score table, one score a row."""
    with Profile.current().history() as store:
        stretches = store.benches.stretches(name)
        if public:
            stretches = public_stretches(stretches)
        if format == "parquet":
            if out is None:
                raise UsageError("Parquet does not go to stdout", "Name a file with --out.")
            with whole_file(out, mode=SHARED) as file:
                tables.write_parquet(stretches, Path(file.name))
            return
        write = tables.write_csv if format == "csv" else tables.write_jsonl
        if out is None:
            write(stretches, output.data_stream())
            return
        with whole_text(out, mode=SHARED) as stream:
            write(stretches, stream)
