"""`cems why`: the receipt of a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.price_card import price_card, print_explanation, receipt_lines
from cems_tui.domain.generation import Generation
from cems_tui.profile import Profile
from cems_tui.store.receipts import read_receipt
from cems_tui.views.scales import constants_lines, labels


def why(
    picture: Annotated[str, typer.Argument(metavar="IMAGE.png|ID", help="A picture or its id.")],
    json: o.Json = False,
) -> None:
    """Print why a picture was drawn the way it was: pick, runners-up, prices, scores."""
    generation = find_generation(picture)
    profile = Profile.current()
    told = profile.explainer().explain(generation.decision)
    if json:
        output.json_document({**generation.to_json(), "explanation": told.to_json()})
        return
    settings = profile.settings
    console = output.console()
    console.print(price_card(generation.decision, settings, console.width))
    print_explanation(told, settings)
    notes = [f"note    {note.text}" for note in generation.decision.notes]
    for line in (*notes, *receipt_lines(generation, settings), *_predicted(generation)):
        output.line(line)


def find_generation(picture: str) -> Generation:
    """The record of a PNG (from its receipt alone) or of an id (from the database).

    Raises:
        UsageError: no such file or id, or the file has no receipt.
    """
    path = Path(picture)
    if picture and (path.suffix.lower() == ".png" or path.exists()):
        return Generation.from_json(read_receipt(path))
    with Profile.current().history() as store:
        return store.generation(picture)


def _predicted(generation: Generation) -> list[str]:
    """Predicted beside measured, in the metric's unit."""
    chosen = generation.decision.chosen
    lines = []
    if chosen is not None and chosen.quality is not None:
        got = generation.foreseen_score
        told = "not scored on that scale" if got is None else f"{got.value:.3f}"
        interval = ""
        if chosen.interval is not None:
            interval = f" ({chosen.interval[0]:.3f}…{chosen.interval[1]:.3f})"
        lines.append(
            f"quality {generation.decision.metric}: expected {chosen.quality:.3f}{interval}, "
            f"measured {told}"
        )
    called = labels((score.metric, score.scorer) for score in generation.scores)
    for score in generation.scores:
        lines.append(f"scorer  {score.metric}: {score.scorer}")
    return [*lines, *(f"scale   {text}" for text in constants_lines(called))]
