"""`cems router ls|show|rm`: the routers at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli.asking import Yes
from cems_tui.errors import UsageError

if TYPE_CHECKING:
    from cems_tui.routing.card import Card

Name = Annotated[str, typer.Argument(metavar="NAME", help="The router.")]


def register(router: typer.Typer) -> None:
    for name, command in (("ls", ls), ("show", show), ("rm", rm)):
        router.command(name)(command)


def ls(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """List the routers, with what each is worth; * is the one that is asked."""
    from cems_tui.cli import output
    from cems_tui.routers.choice import asked_by_default
    from cems_tui.wiring import router_shelf

    shelf = router_shelf()
    cards, asked = shelf.cards(), asked_by_default()
    if json:
        output.json_document([{**_line(card), "in_use": card.name == asked} for card in cards])
        return
    for card in cards:
        if quiet:
            output.line(card.name)
        else:
            mark = "*" if card.name == asked else " "
            output.line(f"{mark} {card.name:<20} {card.summary}")


def show(name: Name, json: o.Json = False) -> None:
    """Print a router's card, its verdict, and why it would be refused."""
    from cems_tui.cli import output
    from cems_tui.routing.refusal import refusal
    from cems_tui.wiring import router_shelf

    card = router_shelf().named(name).card
    why = refusal(card)
    if json:
        row = card.to_json(card.training.table)
        output.json_document({"router": card.name, "refusal": why, **row})
        return
    output.line(card.summary)
    for text in _card_lines(card):
        output.line(text)
    if why is not None:
        output.line(f"refused    {why}")


def rm(
    name: Name,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, remove nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Remove a router of one's own; the shipped ones stay."""
    from cems_tui.cli import output
    from cems_tui.cli.asking import agreed
    from cems_tui.routers import choice, files

    own = files.own_files(name)
    if dry_run:
        output.line(f"would remove {', '.join(str(file) for file in own)}; nothing was removed")
        return
    if name == choice.in_use() and not files.is_shipped(name):
        raise UsageError(
            f"router {name} is in use", "`cems router rollback`, or use another one, first."
        )
    if not agreed(f"Remove the router {name}?", yes=yes):
        output.note("nothing was removed")
        return
    files.remove(own)
    output.note(f"removed the router {name}")


def _line(card: Card) -> dict[str, object]:
    return {
        "router": card.name,
        "kind": card.kind,
        "metric": card.metric,
        "functions": list(card.functions),
        "prompts": card.training.prompts,
        "verdict": card.verdict,
        "created": card.created,
    }


def _card_lines(card: Card) -> list[str]:
    """A card for people."""
    from cems_tui.routing.verdict_words import verdict_in_words

    scorers = ", ".join(f"{m}: {s or 'unknown'}" for m, s in card.scorers.items()) or "—"
    lines = [
        f"functions  {', '.join(card.functions)}",
        f"scorers    {scorers}",
        f"trained    {card.created} on {card.training.table}",
        f"interval   {card.interval}",
    ]
    if "quality_vs_best_single" in card.evaluation:
        lines.append(f"verdict    {verdict_in_words(card.evaluation)}")
    if card.scale is not None:
        lines.append(f"scale      {card.scale.told}")
    return lines
