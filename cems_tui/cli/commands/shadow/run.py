"""`cems shadow run`: some past prompts drawn again now."""

from __future__ import annotations

from random import SystemRandom
from typing import Annotated

import typer

from cems_tui.cancel import was_interrupted
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.commands.generate import scoring_code
from cems_tui.cli.commands.shadow.status import limits_words
from cems_tui.cli.failures import failure_of, print_failure
from cems_tui.cli.narrator import Narrator
from cems_tui.cli.options import ShadowBudget, ShadowPictures, ShadowSeconds, not_negative
from cems_tui.errors import BudgetReached, CemsError, UsageError
from cems_tui.profile import Profile
from cems_tui.services.loop.shadow import LEAVES_IT_OPEN, Limits, ShadowWork, followed, today
from cems_tui.store.shadows import SESSION, Spent
from cems_tui.text import counted
from cems_tui.views.worth import regret_lines


def run(
    budget: ShadowBudget = None,
    seconds: ShadowSeconds = None,
    pictures: ShadowPictures = None,
    wait: Annotated[
        float | None, typer.Option(metavar="[S]", help="Wait for the device, S seconds at most.")
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> int:
    """Draw some past prompts now with functions that were not chosen.

    A picture is drawn by lot among the routed and scored ones, and then a function among those
    that could have drawn it. Without a budget of its own the command takes what is left of the
    day's. The pictures are in the session `shadow`; they are pairs for `router retrain`, can be
    voted on, and measure what routing gives up.
    """
    for name, value in (("--budget", budget), ("--seconds", seconds), ("--pictures", pictures)):
        not_negative(name, value)
    not_negative("--wait", wait)
    profile = Profile.current()
    given = Limits(budget, seconds, pictures)
    daily = Limits.of_day(profile.settings.shadow)
    if not (given.any or daily.any):
        raise UsageError(
            "there is no budget to draw within",
            "Give one: cems shadow run --pictures 8, --seconds 60 or --budget 0.0001.",
        )
    with profile.command_engine(session_name=SESSION, wait_seconds=wait or 0.0) as engine:
        store = engine.store
        before = store.shadows.spent(today()) if given.any else Spent(0, 0.0, 0.0)
        limits = given if given.any else daily
        work = ShadowWork(store, engine.planner, SystemRandom())
        narrator = Narrator(engine.planner.settings, json=json, quiet=quiet, total=1)
        highest, made = 0, 0
        while True:
            left = limits.less(store.shadows.spent(today()).since(before))
            try:
                found = work.next(left, engine.session.resident())
            except BudgetReached as reached:
                if not made and not highest:
                    raise
                output.note(str(reached))
                break
            if found is None:
                output.note("no routed and scored picture is left to be drawn again")
                break
            lot, request = found
            try:
                drawn = followed(store, lot, request, engine.session, narrator, was_interrupted)
                made += 1
                highest = max(highest, scoring_code(drawn))
            except (BrokenPipeError, *LEAVES_IT_OPEN):
                narrator.close()
                raise
            except CemsError as error:
                narrator.close()
                failure = failure_of(error, interrupted=False)
                engine.record_failure(request, failure.message, failure.exit_code)
                print_failure(failure)
                highest = max(highest, failure.exit_code)
        narrator.end()
        spent = store.shadows.spent(today()).since(before)
        if not (json or quiet):
            output.note(
                f"{counted(made, 'picture')} drawn again within {limits_words(limits)}: "
                f"${spent.cost_usd:.3g}, {spent.seconds:.1f} s"
            )
            for line in regret_lines(store.measured_regret(), output.money_of(profile.settings)):
                output.note(line)
    return highest
