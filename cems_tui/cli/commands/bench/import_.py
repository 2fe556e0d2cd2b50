"""`cems bench import`: a score table as a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.profile import Profile
from cems_tui.score_tables.formats import read_table
from cems_tui.text import counted


def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="TABLE", help="CSV, TSV, JSON Lines or Parquet, a score a row."),
    ],
    name: Annotated[str, typer.Option(metavar="B", help="What the benchmark is called.")],
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Take a score table in as a benchmark: the whole of it, or nothing."""
    table = read_table(file, output.note)
    with Profile.current().records() as store:
        rows = store.benches.import_table(name, table, file.name)
    missing = table.missing_cells()
    if json:
        output.json_document(
            {
                "bench": name,
                "rows": rows,
                "prompts": len(table.prompts),
                "functions": list(table.functions),
                "metrics": list(table.metrics),
                "missing": missing,
            }
        )
        return
    if quiet:
        output.line(name)
        return
    output.line(
        f"{name}: {counted(rows, 'row')}, {counted(len(table.prompts), 'prompt')}, "
        f"{counted(len(table.functions), 'function')}, "
        f"metrics {', '.join(table.metrics)}"
    )
    cells = ", ".join(f"{count:,} of {metric}" for metric, count in missing.items())
    output.line(f"missing cells: {cells}")
