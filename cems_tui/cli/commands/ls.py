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
from cems_tui.cli.text_layout import Column
from cems_tui.profile import Profile
from cems_tui.text import byte_count, counted, visible
from cems_tui.views.figures import UNKNOWN
from cems_tui.views.model_list import (
    ADDS,
    DISK,
    FIT,
    LICENCE,
    SIGNS,
    STEPS,
    gigabytes,
    marks,
    steps,
)
from cems_tui.views.price_card import INSTALLED, MISSING

LEGEND = "adds: CEMS score, ≤+ by routing   ★ recommended"
"""What else the cells of the table mean."""

STEPS_CELLS = 10
"""Of the steps of a model's functions; `cems show` tells all."""

_COLUMNS = (
    Column(""),
    Column("model"),
    Column(""),
    Column(DISK, right=True),
    Column("here"),
    Column(ADDS, right=True, spare=1),
    Column(STEPS, spare=3),
    Column(LICENCE, words="cut", least=8, spare=2),
)


def ls(
    fits: Annotated[
        bool, typer.Option("--fits", help="Only those that this machine holds whole.")
    ] = False,
    paths: o.Paths = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """List the models: those that draw, installed ones first, then those that help."""
    profile = Profile.current()
    with profile.planner() as planner:
        found = planner.catalog.models().values()
        models = sorted(found, key=lambda model: (model.family == "support", not model.installed))
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
        if paths:
            output.line()
            output.table(
                (Column("model"), Column("path", words="fold")),
                [(row["model"], row["path"]) for row in rows if row["path"] is not None],
            )


def disk_bytes(folders: Iterable[Path]) -> int:
    """Bytes the folders take together: a file that several link to is there once."""
    found = {}
    for folder in folders:
        for file in folder.rglob("*"):
            if file.is_file():
                told = file.stat()
                found[told.st_dev, told.st_ino] = told.st_size
    return sum(found.values())


def _helps(row: Mapping[str, Any]) -> bool:
    """Whether it draws nothing itself."""
    helps: bool = row["family"] == "support"
    return helps


def print_models(rows: Sequence[dict[str, Any]], total_bytes: int) -> None:
    """The table of `cems ls`: models that draw, then those that help, then the total."""
    sizes = gigabytes([_bytes(row) for row in rows], [_estimated(row) for row in rows])
    drawing = [_cells(row, size) for row, size in zip(rows, sizes, strict=True) if not _helps(row)]
    helping = [_cells(row, size) for row, size in zip(rows, sizes, strict=True) if _helps(row)]
    lines = drawing
    if helping:
        lines += [("",) * len(_COLUMNS), ("", "support models", *("",) * 4, "role", ""), *helping]
    output.table(_COLUMNS, lines, gap=" ")
    installed = sum(row["installed"] for row in rows)
    output.line(f"total {byte_count(total_bytes)} in {counted(installed, 'model')}")
    output.line(SIGNS, hang=0)
    output.line(LEGEND, hang=0)


def _cells(row: dict[str, Any], size: str) -> tuple[str, ...]:
    return (
        INSTALLED if row["installed"] else MISSING,
        visible(row["model"]),
        marks(gated=row["gated"], noncommercial=row["noncommercial"]),
        size,
        held(row),
        row["adds"] or UNKNOWN,
        row["role"] or steps([name.split("@")[-1] for name in row["functions"]], STEPS_CELLS),
        visible(str(row["licence"])),
    )


def held(row: Mapping[str, Any]) -> str:
    """How this machine holds a model of `ls --json`, in words; a star where it is recommended."""
    verdict: Verdict = row["verdict"]
    return FIT[verdict] + (" ★" if row["recommended"] is not None else "")


def _bytes(row: Mapping[str, Any]) -> int | None:
    """Bytes on the disk; of a model that is not installed those to fetch."""
    found: int | None = row["bytes"]
    return row["footprint"]["download_bytes"] if found is None else found


def _estimated(row: Mapping[str, Any]) -> bool:
    return row["bytes"] is None and row["footprint"]["provenance"] == "estimated"
