"""`cems router retrain`: a router trained anew on one's own scores."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.commands.router.train import print_trained
from cems_tui.profile import Profile


def retrain(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="The router to train anew; its kind and metric stay."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="What it predicts.")] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Train on one's own scored pictures and benchmarks, under a fresh name.

    Readings of one instrument are learned from, those of the instrument with the most. Votes and
    shadow pairs join them once there are any: no command makes them yet.
    """
    card = Profile.current().trainer.retrain(name, metric, output.note)
    print_trained(card, json=json, quiet=quiet)
