"""`cems router train|retrain`: from scores to a router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cems_tui.cli import options as o

if TYPE_CHECKING:
    from cems_tui.routing.card import Card


def register(router: typer.Typer) -> None:
    router.command("train")(train)
    router.command("retrain")(retrain)


def train(
    bench: Annotated[str, typer.Option(metavar="B", help="The benchmark to learn from.")],
    name: Annotated[str, typer.Option(metavar="R", help="What the router is called.")],
    kind: Annotated[str, typer.Option(help="knn, ridge or ensemble.")] = "ensemble",
    metric: Annotated[
        str | None, typer.Option(help="What it predicts; mixed where nima and clip exist.")
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Train a router on a benchmark of one's own and say whether it is worth using."""
    from cems_tui.cli import output
    from cems_tui.router_training import train_router

    card = train_router(bench, name, kind, metric, output.note)
    print_trained(card, json=json, quiet=quiet)


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
    from cems_tui.cli import output
    from cems_tui.router_retraining import retrain_router

    card = retrain_router(name, metric, output.note)
    print_trained(card, json=json, quiet=quiet)


def print_trained(card: Card, *, json: bool, quiet: bool) -> None:
    """A fresh router on stdout."""
    from cems_tui.cli import output
    from cems_tui.routing.refusal import refusal

    if json:
        output.json_document({"router": card.name, "metric": card.metric, **card.evaluation})
    elif quiet:
        output.line(card.name)
    else:
        output.line(card.summary)
        if (why := refusal(card)) is not None:
            output.note(f"note: {why}")
