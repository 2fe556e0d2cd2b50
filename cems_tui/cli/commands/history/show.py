"""`cems history show`: a picture's record."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli.commands.why import why


def show(
    picture: Annotated[str, typer.Argument(metavar="ID", help="A picture's id, or its beginning.")],
    json: o.Json = False,
) -> None:
    """Print a picture's record; the same as `cems why`."""
    why(picture, json)
