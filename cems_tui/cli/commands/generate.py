"""`cems generate`: route, generate, score and record every prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from cems_tui.bench.prompts import PromptLine
from cems_tui.cancel import Stop, was_interrupted
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.budget import (
    SharedBudget,
    check_energy,
    energy_line,
    loads_count,
    planned,
    spent_before,
)
from cems_tui.cli.failures import Failure, failure_of, print_failure
from cems_tui.cli.narrator import Narrator
from cems_tui.cli.notes import NoteTeller, tell_wait
from cems_tui.cli.options import (
    PictureOptions,
    RoutingOptions,
    TriesOptions,
    not_negative,
    requests_of,
    with_groups,
)
from cems_tui.cli.price_card import print_decision
from cems_tui.domain.bill import bill_of
from cems_tui.domain.generation import Generation
from cems_tui.domain.job import Foreseen, QueuedJob
from cems_tui.domain.request import ANY_SEED, MAX_SEED, Event, Request
from cems_tui.errors import (
    BudgetReached,
    CemsError,
    GenerationError,
    Interrupted,
    StorageError,
    UsageError,
)
from cems_tui.profile import CommandEngine, Profile
from cems_tui.services.loop.drafts import Tries
from cems_tui.services.planner import Planner
from cems_tui.services.queue.foresight import foreseen
from cems_tui.services.queue.outlook import waiting_of
from cems_tui.services.queue.runner import JobGone, QueueRunner, jobs_of
from cems_tui.services.queue.turn_order import in_turn
from cems_tui.services.refusal import refusal_of
from cems_tui.store.queue import JobPlace
from cems_tui.text import counted
from cems_tui.views.bill import bill_words
from cems_tui.views.worth import drift_lines

GO_ON = "`cems queue run` goes on with them, `cems queue ls` shows them"

Draw = Callable[[Request, Callable[[Event], None], Stop], Generation]

STOPS_AT_ONCE = (BudgetReached, StorageError, Interrupted)
"""Errors after which no further picture is tried (exit codes 6, 8 and 130)."""


@dataclass(frozen=True, slots=True)
class DrawingOptions:
    """How to draw, as given on the command line."""

    seed: Annotated[int | None, typer.Option(help="The first picture's seed; -1 is any.")] = None
    pictures: PictureOptions = field(default_factory=PictureOptions)
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where pictures go.")] = None
    no_score: Annotated[bool, typer.Option("--no-score", help="Do not score.")] = False
    session: Annotated[
        str | None, typer.Option(metavar="NAME", help="Open or continue a named session.")
    ] = None
    timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds one picture may take.")
    ] = None

    def checked(self) -> DrawingOptions:
        """These options, if they can be followed.

        Raises:
            UsageError: a value out of range.
        """
        self.pictures.checked()
        if self.seed is not None and not ANY_SEED <= self.seed <= MAX_SEED:
            raise UsageError(
                f"--seed {self.seed} is out of range", f"Give 0 to {MAX_SEED}, or -1 for any."
            )
        not_negative("--timeout", self.timeout)
        if self.session is not None and not self.session.strip():
            raise UsageError("--session has no name", "Give it a name, or leave it out.")
        return self


@with_groups
def generate(
    *,
    prompts: o.Prompts = None,
    file: o.PromptFile = None,
    choice: RoutingOptions,
    drawing: DrawingOptions,
    tries: TriesOptions,
    session_budget: o.SessionBudget = None,
    session_energy: o.SessionEnergy = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the bill, draw nothing.")
    ] = False,
    order: Annotated[
        Literal["fifo", "family"], typer.Option(help="As given, or by model to load less.")
    ] = "fifo",
    wait: Annotated[
        float | None, typer.Option(metavar="[S]", help="Wait for the device, S seconds at most.")
    ] = None,
    keep_alive: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES", help="Keep the engine for the next command; 0 ends it after this."
        ),
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> int:
    """Route, generate, score and record a picture of each prompt."""
    lines = o.prompt_lines(prompts, file, quiet=quiet)
    not_negative("--session-budget", session_budget)
    not_negative("--session-energy", session_energy)
    not_negative("--wait", wait)
    not_negative("--keep-alive", keep_alive)
    profile = Profile.current()
    check_tries(tries, choice, drawing, session_budget, session_energy)
    if tries.best_of is not None and choice.budget_per_image is not None:
        budget, choice = choice.budget_per_image, replace(choice, budget_per_image=None)
    else:
        budget = None
    if dry_run:
        with profile.planner() as planner, profile.history() as store:
            requests = drawing_requests(lines, choice, drawing, planner)
            if tries.any:
                plans = Tries(tries.escalate, tries.tries(), budget, planner, store)
                requests = [each for one in requests for each in plans.at_most(one)]
                output.note("at most these are drawn")
            if session_budget is not None:
                spent = spent_before(drawing.session, load_cost=loads_count(requests))
                requests = planned(requests, planner, session_budget, spent)
            if session_energy is not None:
                output.note(energy_line(requests, planner, session_energy))
            return print_bill(requests, planner, json=json, quiet=quiet)
    with profile.command_engine(
        session_name=drawing.session,
        wait_seconds=wait or 0.0,
        pictures=drawing.out,
        keep_alive_minutes=keep_alive,
        on_wait=tell_wait,
    ) as engine:
        requests = drawing_requests(lines, choice, drawing, engine.planner)
        as_planned = requests
        if session_budget is not None:
            spent = engine.spent_usd(load_cost=loads_count(requests))
            as_planned = planned(requests, engine.planner, session_budget, spent)
        told: list[Foreseen] = []
        if order == "family":
            told = [foreseen(engine.planner, one) for one in as_planned]
            places = turns_of(told)
            requests = [requests[place] for place in places]
            as_planned = [as_planned[place] for place in places]
            told = [told[place] for place in places]
        draw: Draw = engine.session.run
        if tries.any:
            plans = Tries(tries.escalate, tries.tries(), budget, engine.planner, engine.store)
            draw = partial(plans.draw, engine.session, only_kept=quiet)
        make = partial(
            make_all,
            json=json,
            quiet=quiet,
            session_budget=session_budget,
            session_energy=session_energy,
        )
        if len(requests) == 1:
            return make(requests, engine, draw)
        with profile.queue_runner(engine.store) as runner:
            kept = [replace(one, session=engine.session_id) for one in as_planned]
            numbers = runner.add(jobs_of(kept, told, budget_usd=session_budget))
            try:
                return make(requests, engine, draw, rows=Rows(runner, numbers))
            finally:
                if left := runner.leave():
                    output.note(f"{counted(left, 'picture')} left in the queue: {GO_ON}")


def check_tries(
    tries: TriesOptions,
    choice: RoutingOptions,
    drawing: DrawingOptions,
    session_budget: float | None,
    session_energy: float | None,
) -> None:
    """Refuse what several tries of a picture cannot go with.

    Raises:
        UsageError: they are judged by scores that are not read, or what they may cost is not told.
    """
    if not tries.any:
        return
    name = "--escalate" if tries.escalate else "--best-of"
    if drawing.no_score:
        raise UsageError(f"{name} goes by scores, and --no-score reads none", "Drop one of them.")
    held_to = "--session-budget" if session_energy is None else "--session-energy"
    if session_budget is not None or session_energy is not None:
        raise UsageError(
            f"{name} cannot be held to {held_to}: what follows depends on scores",
            "Use `--best-of N --budget-per-image USD`, or drop one of them.",
        )
    if tries.escalate and choice.function != "auto":
        raise UsageError("--escalate chooses the functions itself", "Name a --pool instead.")
    if tries.best_of == "auto" and choice.budget_per_image is None:
        raise UsageError(
            "--best-of auto has no budget to choose by",
            "Say what all tries of a picture may cost: --budget-per-image USD.",
        )


def drawing_requests(
    lines: Sequence[PromptLine],
    choice: RoutingOptions,
    drawing: DrawingOptions,
    planner: Planner,
) -> list[Request]:
    """One request a picture, as prompts and options make them together.

    Raises:
        UsageError: one cannot be followed.
    """
    requests = []
    asked = requests_of(lines, choice, drawing.pictures, planner.settings, planner.check)
    for line, request in zip(lines, asked, strict=True):
        first_seed = line.seed if line.seed is not None else drawing.seed
        for index in range(drawing.pictures.count):
            seed = (
                None
                if first_seed is None or first_seed == ANY_SEED
                else (first_seed + index) % (MAX_SEED + 1)
            )
            requests.append(
                replace(
                    request,
                    id=planner.new_id(),
                    seed=seed,
                    score=not drawing.no_score and planner.settings.generation.score,
                    out_dir=drawing.out,
                    deadline_seconds=drawing.timeout,
                )
            )
    return requests


def print_bill(requests: Sequence[Request], planner: Planner, *, json: bool, quiet: bool) -> int:
    """What the pictures would cost, before any work."""
    decisions, highest, tell = [], 0, NoteTeller()
    for request in requests:
        decision = planner.decide(request, frozenset(), installed_only=True)
        print_decision(decision, planner.settings, json=json, quiet=quiet, tell=tell)
        if (refused := refusal_of(decision)) is not None:
            print_failure(failure_of(refused, interrupted=False))
            highest = max(highest, refused.exit_code)
        decisions.append(decision)
    tell.close()
    told = bill_of(map(planner.bill_line, decisions), loads_included=loads_count(requests))
    output.note(bill_words(told, output.money_of(planner.settings), "nothing was generated"))
    return highest


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a command's pictures: what is not done when it ends is not lost."""

    runner: QueueRunner
    numbers: Mapping[str, int]

    def begin(self, request: Request) -> QueuedJob | None:
        """The picture's job, begun; None when somebody took it out of the queue."""
        return self.runner.begin(self.numbers[request.id])

    def work(self, job: QueuedJob) -> AbstractContextManager[Stop]:
        """A block that draws it."""
        return self.runner.work(job, was_interrupted)


def turns_of(told: Sequence[Foreseen]) -> list[int]:
    """The places of pictures that are handed in together, in the order they are drawn."""
    seen = [JobPlace.of(place, "", "batch", one) for place, one in enumerate(told)]
    return [turn.number for turn in in_turn(waiting_of(seen), "family")]


def make_all(
    requests: Sequence[Request],
    engine: CommandEngine,
    draw: Draw,
    *,
    json: bool,
    quiet: bool,
    session_budget: float | None = None,
    session_energy: float | None = None,
    rows: Rows | None = None,
) -> int:
    """Draw the requests one after the other; the highest exit code of all.

    Args:
        draw: makes one picture; as `Session.run`.
        session_budget: US dollars the session may cost.
        session_energy: watt-hours it may take.
        rows: their rows of the queue; None where they have none.

    Raises:
        CemsError: of what stops at once.
    """
    narrator = Narrator(engine.planner.settings, json=json, quiet=quiet, total=len(requests))
    budget = SharedBudget.of(requests, engine, session_budget)
    highest, made = 0, 0
    for number, given in enumerate(requests):
        request = given
        drawn: AbstractContextManager[Stop] = nullcontext(was_interrupted)
        if rows is not None:
            job = rows.begin(given)
            if job is None:
                output.note(f"{given.id} was taken out of the queue")
                continue
            drawn = rows.work(job)
        try:
            if budget is not None:
                request = budget.next(number)
            if session_energy is not None:
                check_energy(request, engine, session_energy)
            with drawn as stop:
                generation = draw(request, narrator, stop)
            made += 1
            highest = max(highest, scoring_code(generation))
        except JobGone as gone:
            narrator.close()
            output.note(str(gone))
        except BrokenPipeError:
            raise  # nobody reads on; the picture is made
        except KeyboardInterrupt:
            narrator.close()
            if made:
                output.note(f"{made} of {len(requests)} pictures were finished and kept")
            raise
        except Exception as error:
            narrator.close()
            failure = failure_of(error, interrupted=was_interrupted())
            engine.record_failure(request, failure.message, failure.exit_code)
            if not isinstance(error, CemsError) or isinstance(error, STOPS_AT_ONCE):
                if made:
                    output.note(f"{made} of {len(requests)} pictures were finished and kept")
                raise
            print_failure(failure)
            highest = max(highest, failure.exit_code)
    narrator.end()
    for line in drift_lines(engine.store.drifts()) if made and not quiet else ():
        output.note(line)
    return highest


def scoring_code(generation: Generation) -> int:
    """0, or 1 of a picture that could not be scored, which is told."""
    if generation.score_error is None:
        return 0
    print_failure(
        Failure(
            f"{generation.id} was drawn and kept, but not scored: {generation.score_error}",
            GenerationError.hint,
            GenerationError.exit_code,
        )
    )
    return GenerationError.exit_code
