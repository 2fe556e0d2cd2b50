"""`cems bench import|ls|report|rm`: score tables in, listed, summed up, and out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli.asking import Yes

BenchName = Annotated[str, typer.Argument(metavar="B", help="The benchmark.")]


def register(bench: typer.Typer) -> None:
    for name, command in (("import", import_table), ("ls", ls), ("report", report), ("rm", rm)):
        bench.command(name)(command)


def import_table(
    table: Annotated[
        Path,
        typer.Argument(metavar="TABLE", help="CSV, TSV, JSON Lines or Parquet, a score a row."),
    ],
    name: Annotated[str, typer.Option(metavar="B", help="What the benchmark is called.")],
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Take a score table in as a benchmark: the whole of it, or nothing."""
    from cems_tui.cli import benching_tables

    benching_tables.import_table(table, name, json=json, quiet=quiet)


def ls(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """List the benchmarks, newest first."""
    from cems_tui.cli import benching_tables

    benching_tables.ls(json=json, quiet=quiet)


def report(
    name: BenchName,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page of its own.")
    ] = None,
    json: o.Json = False,
) -> None:
    """Print what each function scored and cost, on every metric and in every group."""
    from cems_tui.cli import benching_tables

    benching_tables.report(name, html, json=json)


def rm(
    name: BenchName,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, remove nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Forget a benchmark with all its scores."""
    from cems_tui.cli import benching_tables

    benching_tables.remove(name, dry_run=dry_run, yes=yes)
