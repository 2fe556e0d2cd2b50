"""`cems router import`: a router from one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.profile import Profile


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `router export` wrote.")],
    name: Annotated[
        str | None, typer.Option(metavar="R", help="Call it this; else as it was called.")
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Take a router in, checked whole before anything is kept."""
    card = Profile.current().routers.take_in(file, name)
    if json:
        output.json_document(
            {
                "router": card.name,
                "kind": card.kind,
                "metric": card.metric,
                "functions": list(card.functions),
                "verdict": card.verdict,
            }
        )
    else:
        output.line(card.name if quiet else f"{card.name}: {card.summary}")
