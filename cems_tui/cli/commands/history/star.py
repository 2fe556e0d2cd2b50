"""`cems history star`: pictures to find again."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import output
from cems_tui.profile import Profile


def star(
    pictures: Annotated[list[str], typer.Argument(metavar="ID…", help="Ids, or their beginnings.")],
    off: Annotated[bool, typer.Option("--off", help="Take the star back.")] = False,
) -> None:
    """Star pictures, or take their stars back."""
    with Profile.current().records() as store:
        for made in [store.generation(one) for one in pictures]:
            store.star(made.id, starred=not off)
            output.line(f"{made.id}: {'no star' if off else 'starred'}")
