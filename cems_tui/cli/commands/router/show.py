"""`cems router show`: a router's card."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.domain.score import MixedConstants
from cems_tui.profile import Profile
from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.evaluation.rival import Against
from cems_tui.routing.evaluation.verdict import refusal, verdict_in_words, verdict_words


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The router.")], json: o.Json = False
) -> None:
    """Print a router's card, its verdict, and why it would be refused."""
    shelf = Profile.current().shelf()
    card = shelf.named(name).card
    why = refusal(card)
    if json:
        row = card.to_json(shelf.digest(name) or "unknown")
        words = verdict_words(card.evaluation)
        output.json_document({"router": card.name, "refusal": why, **row, "verdict_words": words})
        return
    output.line(card.summary)
    for text in _card_lines(card):
        output.line(text)
    if why is not None:
        output.line(f"refused    {why}")


def _read(card: Card) -> str:
    """What it reads of a prompt."""
    if card.encoder is None:
        return "a prompt's letters (instant)"
    what = "a prompt's letters, and the sentence encoder"
    if card.feature_set == "clip":
        what = "the CLIP text tower"
    return f"{what} {card.encoder.id} ({card.feature_set}), {card.encoder.sha256}"


def _card_lines(card: Card) -> list[str]:
    """A card for people."""
    scorers = ", ".join(f"{m}: {s or 'unknown'}" for m, s in card.scorers.items()) or "—"
    lines = [
        f"functions  {', '.join(card.functions)}",
        f"reads      {_read(card)}",
        f"scorers    {scorers}",
        f"trained    {card.created} on {card.training.table}",
        f"interval   {card.interval}",
    ]
    if "quality_vs_best_single" in card.evaluation:
        lines.append(f"verdict    {verdict_in_words(card.evaluation)}")
    if (kept := card.evaluation.get("against")) is not None:
        lines.append(f"beside     {card.name} {Against.from_json(kept).told}")
    lines += [f"recipe     {text}" for text in card.evaluation.get("training_notes", ())]
    lines += [
        f"learned    from {point['prompts']:,} prompts: {point['quality']:+.4g} {card.metric} "
        f"[{point['interval'][0]:+.4g}, {point['interval'][1]:+.4g}]"
        for point in card.evaluation.get("learning_curve", ())
    ]
    if (outside := card.outside) is not None:
        prompts = sum(band.prompts for band in outside.bands)
        lines.append(
            f"outside    of the vocabulary: what {prompts:,} prompts scored, in "
            f"{len(outside.bands)} bands; pictures of {len(outside.sizes)} sizes never taught"
        )
    if card.mixed is not None:
        lines.append(f"mixed is   {MixedConstants.of(card.mixed)}")
    if card.scale is not None:
        lines.append(f"scale      {card.scale.told}")
    return lines
