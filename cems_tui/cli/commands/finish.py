"""`cems finish`: the drafts that are worth it, drawn again with a dearer function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.commands.generate import make_all
from cems_tui.cli.options import not_negative
from cems_tui.domain.decision import Candidate, Policy
from cems_tui.domain.generation import Generation
from cems_tui.domain.request import Request, new_id
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.routing.decide.tries import finisher_of
from cems_tui.services.planner import Planner
from cems_tui.store.database import Store
from cems_tui.text import counted, visible
from cems_tui.views.figures import Money


def finish(
    ids: Annotated[
        list[str],
        typer.Argument(metavar="ID…", help="Pictures worth it, as `history ls` has them."),
    ],
    function: Annotated[
        str,
        typer.Option(metavar="NAME", help="What draws; `auto`: the best expected that is dearer."),
    ] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the bill, draw nothing.")
    ] = False,
    wait: Annotated[
        float | None, typer.Option(metavar="[S]", help="Wait for the device, S seconds at most.")
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> int:
    """Draw kept drafts again with a dearer function; print the bill of each stage.

    Draw many cheap seeds first (`generate -n 12 --function NAME`), look at them, and name the ones
    to keep. Prompt, size and seed stay. Drafts are the seeds that were drawn like those named, in
    the same session.
    """
    not_negative("--wait", wait)
    profile = Profile.current()
    money = output.money_of(profile.settings)
    with profile.history() as store:
        kept = _kept(store, ids)
        drafts = _drafts(store, kept)
    if dry_run:
        with profile.planner() as planner:
            plan = [_finishing(one, function, planner) for one in kept]
        for one, (_, candidate) in zip(kept, plan, strict=True):
            if json:
                said = {"id": one.id, "function": candidate.function}
                output.json_line(said | {"cost_usd": candidate.cost_usd})
            else:
                output.line(f"{one.id} {visible(candidate.function)}")
        expected = [candidate.cost_usd for _, candidate in plan]
        for line in bill_lines(drafts, expected, money, estimated=True):
            output.note(line)
        output.note("nothing was drawn")
        return 0
    with profile.command_engine(wait_seconds=wait or 0.0) as engine:
        requests = [_finishing(one, function, engine.planner)[0] for one in kept]
        code = make_all(requests, engine, engine.session.run, json=json, quiet=quiet)
        made = [engine.store.generation(one.id) for one in requests if engine.store.has(one.id)]
        if not quiet:
            for line in bill_lines(drafts, [one.cost_usd for one in made], money):
                output.note(line)
    return code


def _kept(store: Store, ids: Sequence[str]) -> list[Generation]:
    """The named pictures, each once.

    Raises:
        UnknownName, UsageError: an id is of none, or of several.
    """
    return list({(one := store.generation(name)).id: one for name in ids}.values())


def _drafts(store: Store, kept: Iterable[Generation]) -> list[float | None]:
    """What each draft cost, those that were not kept too."""
    found: dict[str, float | None] = {}
    for one in kept:
        found |= store.drafts_beside(one.id)
    return list(found.values())


def _finishing(draft: Generation, function: str, planner: Planner) -> tuple[Request, Candidate]:
    """The picture that follows a draft, and what is expected of it.

    Raises:
        UsageError: nothing dearer is installed, priced and foreseen, or the draft's own function
            was named.
        CemsError: as `Planner.decide`.
    """
    policy = Policy("lambda", 0.0) if function == "auto" else Policy.pinned(function)
    request = Request(
        id=new_id(),
        prompt=draft.prompt,
        policy=policy,
        policy_is_explicit=True,
        seed=draft.seed,
        width=draft.width,
        height=draft.height,
        negative=draft.negative,
        score=planner.settings.generation.score,
    )
    if function == draft.executed:
        raise UsageError(f"{draft.id} was drawn with {function} already", "Name another function.")
    planner.check([request])
    decision = planner.decide(request, frozenset(), installed_only=True)
    candidate = finisher_of(decision, draft.executed) if function == "auto" else decision.chosen
    if candidate is None:
        raise UsageError(
            f"no installed function is known to be dearer than {draft.executed}, which drew "
            f"{draft.id}",
            "Name one: cems finish ID --function NAME.",
        )
    return replace(request, policy=Policy.pinned(candidate.function)), candidate


def bill_lines(
    drafts: Sequence[float | None],
    finished: Sequence[float | None],
    money: Money,
    *,
    estimated: bool = False,
) -> list[str]:
    """A line for each stage, and one for both.

    Args:
        drafts: US dollars of each; None is unknown.
        estimated: of what is finished nothing is measured yet.
    """
    stages = (
        ("drafts", drafts, False),
        ("finished", finished, estimated),
        ("together", [*drafts, *finished], estimated),
    )
    return [f"{name:<9} {_stage_words(costs, money, guess)}" for name, costs, guess in stages]


def _stage_words(costs: Sequence[float | None], money: Money, estimated: bool) -> str:
    known = [usd for usd in costs if usd is not None]
    total = money.total(sum(known) if known else None, estimated=estimated and bool(known))
    words = f"{counted(len(costs), 'picture')}, {total}"
    unpriced = len(costs) - len(known)
    return f"{words} ({unpriced} unpriced beside)" if unpriced and known else words
