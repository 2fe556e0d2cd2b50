"""`cems router calibrate`: a router's scale mapped to one's own instrument."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.profile import Profile


def calibrate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The router.")],
    bench: Annotated[
        str | None,
        typer.Option(metavar="B", help="Scores to fit it to; one's own history and benchmarks."),
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Map what a router predicts to the instrument that reads scores here; no pick changes."""
    card = Profile.current().trainer.calibrate(name, bench)
    assert card.scale is not None, "it was just fitted"
    if json:
        output.json_document({"router": card.name, "metric": card.metric, **asdict(card.scale)})
    elif quiet:
        output.line(card.name)
    else:
        output.line(f"{card.name}: {card.metric} = {card.scale.told}")
