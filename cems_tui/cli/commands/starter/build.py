"""`cems starter build`: the pack from its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cems_tui.cli import output
from cems_tui.starter.recipe.training.build import Build
from cems_tui.starter.recipe.training.recipe import Recipe
from cems_tui.starter.recipe.training.resume import adopt_pack


def build(
    work: Annotated[Path, typer.Option(metavar="DIR", help="Data and checkpoints, to go on from.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the pack goes.")],
    stage: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this stage; may be repeated.")
    ] = None,
    continue_from: Annotated[
        Path | None, typer.Option(metavar="PACK", help="A pack whose weights to go on from.")
    ] = None,
) -> None:
    """Rebuild the pack from its recipe: hours on a CPU, stopped and resumed at any time."""
    made = Build(work, out, Recipe(), output.note)
    if continue_from is not None:
        adopt_pack(made, continue_from)
    made.run(stage)
