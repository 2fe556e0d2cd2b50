"""`cems ls`: the models there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cems_tui.catalog.fit import Verdict
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.model_row import keys, model_row
from cems_tui.domain.function import Model
from cems_tui.profile import Profile
from cems_tui.text import byte_count, counted, one_line, visible

LEGEND = "held: whole, in parts, no   adds: CEMS score, ≤+ by routing   ★ recommended"
"""What the cells of a table of models mean."""

_WORDS: dict[Verdict, str] = {
    "fits": "whole",
    "fits with offload": "parts",
    "does not fit": "no",
    "unknown": "—",
}

_UNKNOWN = "—"

_HEADINGS = ("", "model", "size", "held", "adds", "functions", "licence")

_LEAST_LICENCE = 8
"""Characters of a licence that are shown in any terminal."""


def ls(
    fits: Annotated[
        bool, typer.Option("--fits", help="Only those that this machine holds whole.")
    ] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """List the models: those that draw, installed ones first, then those that help."""
    profile = Profile.current()
    with profile.planner() as planner:
        found = planner.catalog.models().values()
        models = sorted(found, key=lambda model: (_helps(model), not model.installed))
        here = profile.survey(planner)
        rows = [model_row(m, planner) | keys(here.of(m.name)) for m in models]
    if fits:
        rows = [row for row in rows if row["verdict"] == "fits"]
    if json:
        output.json_document(rows)
    elif quiet:
        for row in rows:
            output.line(row["model"])
    else:
        folders = [Path(row["path"]) for row in rows if row["path"] is not None]
        print_models(rows, disk_bytes(folders))


def disk_bytes(folders: Iterable[Path]) -> int:
    """Bytes the folders take together: a file that several link to is there once."""
    found = {}
    for folder in folders:
        for file in folder.rglob("*"):
            if file.is_file():
                told = file.stat()
                found[told.st_dev, told.st_ino] = told.st_size
    return sum(found.values())


def _helps(model: Model) -> bool:
    """Whether it draws nothing itself."""
    return model.family == "support"


def print_models(rows: Sequence[dict[str, Any]], total_bytes: int) -> None:
    """The table of `cems ls`: models that draw, then those that help, then the total."""
    from rich.table import Table

    drawing = [row for row in rows if row["family"] != "support"]
    helping = [row for row in rows if row["family"] == "support"]
    lines = [
        _cells(row, "@" + " ".join(n.split("@")[-1] for n in row["functions"])) for row in drawing
    ]
    if helping:
        lines += [("",) * len(_HEADINGS), ("", "support models", "", "", "", "role", "")]
    lines += [_cells(row, row["role"] or "") for row in helping]
    console = output.console()
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in _HEADINGS:
        table.add_column(name, justify="right" if name in ("size", "adds") else "left")
    for line in _one_line_each(lines, console.width):
        table.add_row(*line)
    console.print(table)
    installed = sum(row["installed"] for row in rows)
    console.print(
        f"○ installed   ⇣ not installed, ~ estimated   total {byte_count(total_bytes)} "
        f"in {counted(installed, 'model')}"
    )
    console.print(LEGEND)


def _cells(row: dict[str, Any], what: str) -> tuple[str, ...]:
    sign = "○" if row["installed"] else "⇣"
    adds = row["adds"] or _UNKNOWN
    return sign, visible(row["model"]), _size(row), held(row), adds, what, visible(_licence(row))


def held(row: Mapping[str, Any]) -> str:
    """How this machine holds a model of `ls --json`, in a word; a star where it is recommended."""
    verdict: Verdict = row["verdict"]
    return _WORDS[verdict] + (" ★" if row["recommended"] is not None else "")


def _one_line_each(lines: Sequence[tuple[str, ...]], width: int) -> list[tuple[str, ...]]:
    """The lines with their last cell cut, so that each fits the width where that is possible."""
    columns = list(zip(_HEADINGS, *lines, strict=True))[:-1]
    taken = sum(max(len(cell) for cell in column) + 1 for column in columns)
    room = max(_LEAST_LICENCE, width - taken)
    return [(*line[:-1], one_line(line[-1], room)) for line in lines]


def _size(row: dict[str, Any]) -> str:
    """Bytes on the disk; of a model that is not installed those to fetch."""
    if row["bytes"] is not None:
        return byte_count(row["bytes"])
    to_fetch = row["footprint"]["download_bytes"]
    if to_fetch is None:
        return _UNKNOWN
    return ("~" if row["footprint"]["provenance"] == "estimated" else "") + byte_count(to_fetch)


def _licence(row: dict[str, Any]) -> str:
    flags = [flag for flag in ("gated", "noncommercial") if row[flag]]
    return (f"[{', '.join(flags)}] " if flags else "") + str(row["licence"])
