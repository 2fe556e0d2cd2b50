"""`cems router retrain`: what one's own pairs bear out beyond the router in use."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cems_tui.bench.bill import Supply, supply_of
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.commands.router.train import print_trained
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.training.own_pairs import NEEDED
from cems_tui.services.router_trainer import NotEnoughPairs, Prospect
from cems_tui.store.votes import METRIC as VOTE
from cems_tui.text import counted
from cems_tui.views.bill import supply_words


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
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only say what there is to learn from, and what is missing."
        ),
    ] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Learn from one's own prompts what the router in use does not know, as a new one.

    Differences are learned from prompts with scores of two functions or more: those of `bench run`,
    and what was drawn with several. The new router starts from the one in use, takes what held-out
    prompts bear out, and is compared with it. Readings of one instrument are learned from.
    """
    profile = Profile.current()
    also = tuple(tables or ())
    if dry_run:
        _tell(profile, profile.trainer.prospect(name, metric, output.note, also), json=json)
        return
    try:
        card = profile.trainer.retrain(name, metric, output.note, also)
    except NotEnoughPairs as error:
        hint = _votes(error) if metric == VOTE else _supply(profile, error)
        raise UsageError(str(error), hint) from error
    supply = _outlook(profile, card)
    more: dict[str, Any] = {"supply": None if supply is None else supply.to_json()}
    print_trained(card, json=json, quiet=quiet, more=more)
    if supply is not None and not (json or quiet):
        output.line(
            f"`cems bench run --prompts history --name own` draws them: {_words(profile, supply)}"
        )


def _tell(profile: Profile, found: Prospect, *, json: bool) -> None:
    """What a retraining would start from and learn from."""
    supply = None
    if found.missing:
        with profile.planner() as planner:
            supply = supply_of(planner, found.functions, found.missing)
    if json:
        output.json_document(
            {
                "router": None if found.base is None else found.base.name,
                "metric": found.metric,
                "functions": list(found.functions),
                "pairs": found.found,
                "needed": NEEDED,
                "missing": found.missing,
                "singles": found.singles,
                "seen": found.seen,
                "enough": found.enough,
                "supply": None if supply is None else supply.to_json(),
            }
        )
        return
    start = "a router by itself" if found.base is None else f"beyond {found.base.name}"
    output.line(f"{counted(found.found, 'pair')} of about {NEEDED} to learn {start} from")
    if supply is not None:
        output.line(f"missing: {_words(profile, supply)}")


def _outlook(profile: Profile, card: Card) -> Supply | None:
    """What the prompts would take that a router lacks to be told apart from the one in use."""
    more = card.evaluation.get("more_prompts")
    if not more:
        return None
    with profile.planner() as planner:
        return supply_of(planner, card.functions, more)


def _words(profile: Profile, supply: Supply) -> str:
    return supply_words(supply.to_json(), output.money_of(profile.settings))


def _votes(error: NotEnoughPairs) -> str:
    """What supplies votes on prompts that nobody voted on."""
    return (
        f"`cems vote` asks for them: about {error.missing} prompts more. "
        f"`cems shadow run --pictures {error.missing}` draws pairs to vote on."
    )


def _supply(profile: Profile, error: NotEnoughPairs) -> str:
    """What to run for the pairs that are missing, how long it takes and what it costs."""
    with profile.planner() as planner:
        supply = supply_of(planner, error.functions, error.missing)
    if supply.bill is None:
        return (
            "Fewer than two of its functions are installed: import scores of them, "
            "`cems bench import TABLE --name B`, then `cems router retrain --from B`."
        )
    return (
        f"`cems bench run --prompts history --name own` supplies them ({_words(profile, supply)}); "
        f"`cems shadow run --pictures {error.missing}` draws pairs of what was drawn before."
    )
