"""`cems router retrain`: what one's own pairs bear out beyond the router in use."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.bench.bill import CellEstimate, bill
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.commands.router.train import print_trained
from cems_tui.domain.bench import CellKey, Task
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.services.router_trainer import NotEnoughPairs
from cems_tui.store.votes import METRIC as VOTE
from cems_tui.text import counted


def retrain(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="The router to start from; the one in use."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="What it predicts.")] = None,
    tables: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="B", help="An imported table that counts as one's own."),
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Learn from one's own prompts what the router in use does not know, as a new one.

    Differences are learned from prompts with scores of two functions or more: those of `bench run`,
    and what was drawn with several. The new router starts from the one in use, takes what held-out
    prompts bear out, and is compared with it. Readings of one instrument are learned from.
    """
    profile = Profile.current()
    try:
        card = profile.trainer.retrain(name, metric, output.note, tuple(tables or ()))
    except NotEnoughPairs as error:
        hint = _votes(error) if metric == VOTE else _supply(profile, error)
        raise UsageError(str(error), hint) from error
    print_trained(card, json=json, quiet=quiet)


def _votes(error: NotEnoughPairs) -> str:
    """What supplies votes on prompts that nobody voted on."""
    return (
        f"`cems vote` asks for them: about {error.missing} prompts more. "
        f"`cems shadow run --pictures {error.missing}` draws pairs to vote on."
    )


def _supply(profile: Profile, error: NotEnoughPairs) -> str:
    """What to run for the pairs that are missing, how long it takes and what it costs."""
    with profile.planner() as planner:
        installed = [one.name for one in planner.catalog.installed()]
        functions = [name for name in error.functions if name in installed]
        if len(functions) < 2:
            return (
                "Fewer than two of its functions are installed: import scores of them, "
                "`cems bench import TABLE --name B`, then `cems router retrain --from B`."
            )

        def estimate(function: str) -> CellEstimate:
            known = planner.function(function)
            expected = planner.expected(known, known.width, known.height)
            priced = planner.pricing.of(expected)
            return CellEstimate(expected.seconds, priced.usd, expected.load_seconds)

        cells = [
            Task(CellKey(str(number), function, 0))
            for function in functions
            for number in range(error.missing)
        ]
        told = bill(cells, estimate)
    time = f"~{told.seconds / 60:.0f} minutes" if not told.untimed else "of unknown time"
    price = f"~${told.cost_usd:.4f}" if not told.unpriced else "of unknown price"
    return (
        f"`cems bench run --prompts history --name own` supplies them ({error.missing} prompts "
        f"more with {counted(len(functions), 'function')}: {time}, {price}); "
        f"`cems shadow run --pictures {error.missing}` draws pairs of what was drawn before."
    )
