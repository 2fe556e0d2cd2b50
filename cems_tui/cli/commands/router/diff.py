"""`cems router diff`: what changes from one router to another."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.text_layout import Column
from cems_tui.profile import Profile
from cems_tui.routing.evaluation.compare import Difference, difference
from cems_tui.text import one_line

SHOWN_CHANGES = 20
PROMPT_CHARACTERS = 60


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A router.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other router.")],
    bench: Annotated[str, typer.Option(metavar="T", help="The benchmark with the prompts.")],
    metric: o.Metric = None,
    tradeoff: Annotated[
        float, typer.Option(metavar="0..1", min=0.0, max=1.0, help="The dial of both.")
    ] = 1.0,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Print which prompts change function from router A to B, and what that is worth."""
    profile = Profile.current()
    shelf, scored = profile.shelf(), profile.scores.bench(bench)
    found = difference(
        shelf.named(a),
        shelf.named(b),
        scored.table,
        metric=metric,
        prices=scored.prices,
        tradeoff=tradeoff,
    )
    for text in found.notes:
        output.note(f"note: {text}")
    if json:
        output.json_document({"bench": bench, **found.to_json()})
    elif quiet:
        for one in found.changes:
            output.line(one.prompt_id)
    else:
        _print_difference(found)


def _print_difference(found: Difference) -> None:
    output.table(
        (
            Column("from"),
            Column("to"),
            Column(found.metric, right=True),
            Column("$/1,000", right=True),
            Column("prompt", words="cut"),
        ),
        [
            (
                one.a,
                one.b,
                "—" if one.quality_delta is None else f"{one.quality_delta:+.3g}",
                "—" if one.cost_delta_usd is None else f"{one.cost_delta_usd * 1000:+.3g}",
                one_line(one.prompt, PROMPT_CHARACTERS),
            )
            for one in found.changes[:SHOWN_CHANGES]
        ],
    )
    if len(found.changes) > SHOWN_CHANGES:
        output.line(f"… and {len(found.changes) - SHOWN_CHANGES:,} more (--json prints all)")
    quality = "unknown" if found.quality_delta is None else f"{found.quality_delta:+.4g}"
    cost = (
        "unknown"
        if found.cost_delta_usd is None
        else f"{found.cost_delta_usd * 1000:+.4g} $ per 1,000 pictures"
    )
    output.line(
        f"{len(found.changes):,} of {found.prompts:,} prompts change function from {found.a} to "
        f"{found.b}; over all prompts {found.metric} {quality}, price {cost}"
    )
