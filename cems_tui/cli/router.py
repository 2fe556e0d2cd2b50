"""`cems router`: train a router on a benchmark, list the routers, look at one."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import options as o

router = typer.Typer(help="Train routers and look at them.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    app.add_typer(router, name="router")


@router.command("train")
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
    if json:
        output.json_document({"router": card.name, "metric": card.metric, **card.evaluation})
    elif quiet:
        output.line(card.name)
    else:
        output.line(card.summary)


@router.command("ls")
def ls(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """List the routers, with what each is worth."""
    from cems_tui.cli import output
    from cems_tui.wiring import router_shelf

    cards = router_shelf().cards()
    if json:
        output.json_document(
            [
                {
                    "router": card.name,
                    "kind": card.kind,
                    "metric": card.metric,
                    "functions": list(card.functions),
                    "prompts": card.training.prompts,
                    "verdict": card.verdict,
                }
                for card in cards
            ]
        )
        return
    for card in cards:
        output.line(card.name if quiet else f"{card.name:<20} {card.summary}")


@router.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The router.")], json: o.Json = False
) -> None:
    """Print a router's card."""
    from cems_tui.cli import output
    from cems_tui.wiring import router_shelf

    card = router_shelf().named(name).card
    if json:
        output.json_document({"router": card.name, **card.to_json(card.training.table)})
        return
    output.line(card.summary)
    output.line(f"functions  {', '.join(card.functions)}")
    output.line(f"scorers    {', '.join(f'{m}: {s}' for m, s in card.scorers.items()) or '—'}")
    output.line(f"trained    {card.created} on {card.training.table}")
    output.line(f"interval   {card.interval}")
