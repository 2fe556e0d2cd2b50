"""`cems router train`: from scores to a router."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.domain.decision import FeatureSet
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.evaluation.rival import BETTER, Against
from cems_tui.routing.evaluation.verdict import refusal
from cems_tui.services.router_trainer import Reading


def train(
    bench: Annotated[str, typer.Option(metavar="B", help="The benchmark to learn from.")],
    name: Annotated[str, typer.Option(metavar="R", help="What the router is called.")],
    kind: Annotated[
        str, typer.Option(help="ensemble, ridge, knn, clusters, transformer or cems.")
    ] = "ensemble",
    metric: Annotated[
        str | None, typer.Option(help="What it predicts; mixed where nima and clip exist.")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="instant (letters), text (and what they mean, by a sentence encoder) or clip "
            "(by a pipeline's text tower)."
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="The encoder of text or clip features: a folder, or an installed pipeline."
        ),
    ] = None,
    tower: Annotated[
        str | None, typer.Option(help="cems alone: tuned or frozen; frozen suits a CPU.")
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            "--lr",
            metavar="X",
            min=1e-9,
            max=1.0,
            help="cems and transformer: the learning rate; the recipe's own by default.",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=10_000,
            help="cems and transformer: how often all prompts are gone over.",
        ),
    ] = None,
    extend: Annotated[
        str | None,
        typer.Option(metavar="R", help="Add the benchmark's new functions to a clusters router."),
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Train a router on a benchmark of one's own and say whether it is worth using."""
    trainer = Profile.current().trainer
    if extend is not None:
        card = trainer.extend(bench, name, extend, output.note)
    else:
        reading = Reading(encoder, _tuned(tower), lr, epochs)
        reads = _features(features, named_a_tower=encoder is not None or tower is not None)
        card = trainer.train(bench, name, kind, metric, output.note, reads, reading)
    print_trained(card, json=json, quiet=quiet)


def _features(said: str | None, *, named_a_tower: bool) -> FeatureSet | None:
    """What to read; None is what the kind reads by default."""
    if said is None:
        return "clip" if named_a_tower else None
    if said == "instant" and not named_a_tower:
        return "instant"
    if said == "text":
        return "text"
    if said == "clip":
        return "clip"
    if said == "instant":
        raise UsageError("instant features read no text tower", "Drop --encoder and --tower.")
    raise UsageError(f"there are no {said!r} features", "Choose instant, text or clip.")


def _tuned(said: str | None) -> bool | None:
    if said not in (None, "tuned", "frozen"):
        raise UsageError(f"a tower cannot be {said!r}", "Choose tuned or frozen.")
    return None if said is None else said == "tuned"


def tell_outlook(card: Card) -> None:
    """How a fresh router fares beside the one in use, and what more prompts would bring."""
    figures = card.evaluation
    if (kept := figures.get("against")) is None:
        return
    beside = Against.from_json(kept)
    output.line(f"{card.name} {beside.told}")
    if "headroom" not in figures or beside.verdict == BETTER:
        return
    more, head = figures["more_prompts"], figures["headroom"]
    if more is None:
        output.line(
            f"nothing to win here: what {beside.router} leaves open your prompts do not tell "
            f"either; headroom {head:.4g} {card.metric}, luck included"
        )
    elif more:
        output.line(f"about {more:,} prompts more until it can win, if they go on like these")


def print_trained(
    card: Card, *, json: bool, quiet: bool, more: Mapping[str, Any] | None = None
) -> None:
    """A fresh router on stdout.

    Args:
        more: what its JSON says beside its figures.
    """
    if json:
        told = {"router": card.name, "metric": card.metric, **card.evaluation, **(more or {})}
        output.json_document({**told, "summary": card.summary})
    elif quiet:
        output.line(card.name)
    else:
        output.line(card.summary)
        tell_outlook(card)
        if (why := refusal(card)) is not None:
            output.note(f"note: {why}")
