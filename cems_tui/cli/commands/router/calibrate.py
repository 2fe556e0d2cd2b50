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
    called: Annotated[
        str | None,
        typer.Option("--name", metavar="NEW", help="What to call it; NAME-calibrated."),
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Make a router of another whose scale is that of the instrument here; no pick changes.

    It is used where the other was; `cems router rollback` goes back.
    """
    profile = Profile.current()
    before = profile.routers.asked_by_default()
    card = profile.trainer.calibrate(name, bench, called)
    assert card.scale is not None, "it was just fitted"
    takes_over = before == name
    if takes_over:
        profile.routers.use(card.name, force=True)  # its verdict is that of the one it maps
    if json:
        document = {"router": card.name, "of": name, "in_use": takes_over, "metric": card.metric}
        output.json_document({**document, **asdict(card.scale)})
    elif quiet:
        output.line(card.name)
    else:
        output.line(f"{card.name}: {card.metric} = {card.scale.told}")
        if takes_over:
            output.line(f"in use in the place of {name}; `cems router rollback` goes back to it")
        else:
            output.line(f"{name} is left as it is; `cems router use {card.name}` asks the new one")
