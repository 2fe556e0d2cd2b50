"""`cems ls`: the models there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.model_row import keys, model_row, uses
from cems_tui.cli.text_layout import Column
from cems_tui.domain.function import Model
from cems_tui.profile import Profile
from cems_tui.services.library import ModelFacts
from cems_tui.text import byte_count, counted
from cems_tui.views.figures import UNKNOWN
from cems_tui.views.model_list import ADDS, DISK, LICENCE, SIGNS, STEPS, ModelRow
from cems_tui.views.model_list import rows as rows_of

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
    with profile.history() as store:
        planner = profile.planner_over(store)
        here = profile.survey(planner)
        library = profile.library(store, planner, here)
        found = [facts for facts in library.models if not fits or facts.fit == "fits"]
        found.sort(key=lambda facts: (_helps(facts.model), not facts.model.installed))
        used = store.uses()
        rows = [
            model_row(one.model, planner) | keys(here.of(one.name)) | uses(one.model, planner, used)
            for one in found
        ]
    if json:
        output.json_document(rows)
        return
    if quiet:
        for facts in found:
            output.line(facts.name)
        return
    print_models(found)
    if paths:
        output.line()
        output.table(
            (Column("model"), Column("path", words="fold")),
            [(f.name, str(f.model.path)) for f in found if f.model.path is not None],
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


def _helps(model: Model) -> bool:
    """Whether it draws nothing itself."""
    return model.family == "support"


def print_models(models: Sequence[ModelFacts]) -> None:
    """The table of `cems ls`: models that draw, then those that help, then the total."""
    listed = list(zip(models, rows_of(models, steps_cells=STEPS_CELLS), strict=True))
    lines = [_cells(row) for facts, row in listed if not _helps(facts.model)]
    helping = [_cells(row) for facts, row in listed if _helps(facts.model)]
    if helping:
        lines += [("",) * len(_COLUMNS), ("", "support models", *("",) * 4, "role", ""), *helping]
    output.table(_COLUMNS, lines, gap=" ")
    installed = [facts.model.path for facts in models if facts.model.path is not None]
    total = byte_count(disk_bytes(installed))
    output.line(f"total {total} in {counted(len(installed), 'model')}")
    output.line(SIGNS, hang=0)
    output.line(LEGEND, hang=0)


def _cells(row: ModelRow) -> tuple[str, ...]:
    adds = row.adds or UNKNOWN
    return (row.sign, row.name, row.marks, row.disk, row.here, adds, row.gives, row.licence)
