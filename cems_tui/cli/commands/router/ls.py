"""`cems router ls`: the routers at hand."""

from __future__ import annotations

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.text_layout import Column
from cems_tui.profile import Profile
from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.evaluation.verdict import verdict_label, verdict_words


def ls(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """List the routers, with what each is worth; * is the one that is asked."""
    profile = Profile.current()
    cards, asked = profile.shelf().cards(), profile.routers.asked_by_default()
    if json:
        output.json_document([{**_line(card), "in_use": card.name == asked} for card in cards])
        return
    if quiet:
        for card in cards:
            output.line(card.name)
        return
    output.table(
        (Column(""), Column("router"), Column("what it is", words="fold"), Column("worth")),
        [
            ("*" if one.name == asked else "", one.name, one.summary, verdict_label(one.evaluation))
            for one in cards
        ],
        titles=False,
    )


def _line(card: Card) -> dict[str, object]:
    return {
        "router": card.name,
        "kind": card.kind,
        "metric": card.metric,
        "functions": list(card.functions),
        "prompts": card.training.prompts,
        "verdict": card.verdict,
        "verdict_words": verdict_words(card.evaluation),
        "created": card.created,
    }
