"""`cems bench run`: prompts × functions × seeds, scored, resumable."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from cems_tui.bench.bill import CellEstimate, bill, held_together, plan_of
from cems_tui.bench.prompts import PromptLine, read_prompts
from cems_tui.bench.run import BenchOutcome, Budget, CellDone, SessionMaker, run_bench
from cems_tui.cancel import was_interrupted
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.failures import Failure, print_failure
from cems_tui.cli.options import not_negative
from cems_tui.domain.bench import BenchPlan
from cems_tui.errors import ModelMissing, UsageError
from cems_tui.profile import Engine, Profile
from cems_tui.scoring.instruments import metrics_of
from cems_tui.services.planner import Planner
from cems_tui.services.scorers import Scorers
from cems_tui.starter.benchmark_prompts import benchmark_prompts
from cems_tui.views.bill import bill_words
from cems_tui.views.figures import Money

DEFAULT_METRICS = "nima,clip"

STARTER_PROMPTS = 300
"""Prompts in the set called `starter`."""

HISTORY_PROMPTS = 120
"""The most prompts in the set called `history`, the latest: about what retraining needs."""

LATEST_PICTURES = 2_000
"""Pictures that the prompts of the history are looked for among."""


def run(
    prompts: Annotated[
        str,
        typer.Option(
            metavar="FILE|SET",
            help="A prompt file; `starter`, or `history`: the latest prompts of one's own.",
        ),
    ],
    functions: Annotated[
        str | None, typer.Option(metavar="A,B", help="Which functions; all installed ones.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Pictures of each prompt and function.")] = 1,
    metrics: Annotated[
        str,
        typer.Option(
            metavar="M,N", help="What to read: nima, clip, mixed, aesthetic, pickscore, sharpness."
        ),
    ] = DEFAULT_METRICS,
    name: Annotated[str, typer.Option(help="What the benchmark is called.")] = "default",
    resume: Annotated[
        bool, typer.Option("--resume", help="Let a benchmark of that name grow.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try failed pictures again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what it would take, draw nothing.")
    ] = False,
    budget: Annotated[
        float | None, typer.Option(metavar="USD", help="US dollars; stop before it costs more.")
    ] = None,
    wait: Annotated[
        float | None, typer.Option(metavar="[S]", help="Wait for the device, S seconds at most.")
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> int:
    """Draw and score every prompt with every function and seed; continue where it stopped."""
    not_negative("--budget", budget)
    not_negative("--wait", wait)
    profile = Profile.current()
    scorers = profile.scorers

    def plan_for(planner: Planner) -> BenchPlan:
        lines = _prompt_lines(prompts, profile)
        plan = _plan(planner, name, lines, functions, seeds, metrics)
        scorers.require(planner, plan.metrics, plan.functions)
        return plan

    def tell(done: CellDone) -> None:
        if json:
            output.json_line(done.to_json())
        elif quiet:
            output.line(done.key.prompt_id)
        else:
            _tell_progress(done)

    if dry_run:
        with profile.planner() as planner:
            return _tell_bill(plan_for(planner), planner, json=json)
    with profile.engine(wait_seconds=wait or 0.0) as engine:
        plan = plan_for(engine.planner)
        outcome = _draw(
            plan,
            engine,
            scorers,
            tell,
            resume=resume,
            retry_failed=retry_failed,
            budget_usd=budget,
        )
        return _tell_outcome(plan.name, outcome, output.money_of(engine.planner.settings))


def _draw(
    plan: BenchPlan,
    engine: Engine,
    scorers: Scorers,
    tell: Callable[[CellDone], None],
    *,
    resume: bool,
    retry_failed: bool,
    budget_usd: float | None,
) -> BenchOutcome:
    planner = engine.planner
    budget = None
    if budget_usd is not None:
        budget = Budget(budget_usd, lambda function: estimate(planner, function))
    judges = scorers.bench_panel(planner, plan.metrics, plan.functions, engine.scorer_room)
    _tell_ranges(plan, planner, scorers)
    maker = SessionMaker(
        engine.session, planner.catalog, planner.pricing, plan.metrics, lambda event: None, judges
    )
    try:
        return run_bench(
            plan,
            maker,
            engine.store.benches,
            tell,
            was_interrupted,
            resume=resume,
            retry_failed=retry_failed,
            budget=budget,
            groups=held_together(
                {name: estimate(planner, name) for name in plan.functions},
                planner.weight_budget_bytes,
            ),
        )
    except KeyboardInterrupt:
        output.note(f"benchmark {plan.name} was stopped; run it again to go on")
        raise


def _tell_ranges(plan: BenchPlan, planner: Planner, scorers: Scorers) -> None:
    """Say what a mixed score is made of."""
    if "mixed" not in plan.metrics:
        return
    found = scorers.require(planner, plan.metrics, plan.functions)
    ranges = scorers.mixed_ranges(planner, found)
    if ranges is not None:
        output.note(f"mixed is {ranges}")


def estimate(planner: Planner, function: str) -> CellEstimate:
    """What one picture of a function should take on this machine."""
    known = planner.function(function)
    expected = planner.expected(known, known.width, known.height)
    return CellEstimate(
        expected.seconds,
        planner.pricing.of(expected).usd,
        expected.load_seconds,
        planner.pricing.load_usd(expected.load_seconds, expected.load_bytes, resident=False),
        expected.load_bytes,
        known.model.name,
    )


def _tell_bill(plan: BenchPlan, planner: Planner, *, json: bool) -> int:
    told = bill(plan.keys(), lambda function: estimate(planner, function))
    if json:
        output.json_line({"cells": told.pictures, **told.to_json()})
    else:
        output.line(bill_words(told, output.money_of(planner.settings)))
    return 0


def _tell_progress(done: CellDone) -> None:
    failed = f"  failed: {done.error}" if done.error else ""
    text = f"{done.number}/{done.total} {done.key.function} seed {done.key.seed}{failed}"
    if done.error or not sys.stderr.isatty():
        if done.error or done.number == done.total or done.number % 100 == 0:
            output.note(text)
        return
    output.progress(text, last=done.number == done.total)


def _tell_outcome(name: str, outcome: BenchOutcome, money: Money) -> int:
    unknown = outcome.made > 0 and outcome.unpriced == outcome.made
    cost = "unknown" if unknown else money.total(outcome.spent_usd)
    beside = f" ({outcome.unpriced} unpriced beside)" if outcome.unpriced and not unknown else ""
    output.note(
        f"benchmark {name}: {outcome.made} made, {outcome.failed} failed, {outcome.skipped} kept "
        f"from before, {outcome.left} left; cost {cost}{beside}, loading not in it"
    )
    if outcome.drift is not None:
        output.note(f"the last third of its pictures took {outcome.drift:.2f} × the first")
    if outcome.ended != "done":
        print_failure(Failure(outcome.message, outcome.hint, outcome.exit_code))
    return outcome.exit_code


def _plan(
    planner: Planner,
    name: str,
    lines: Sequence[PromptLine],
    functions: str | None,
    seeds: int,
    metrics: str,
) -> BenchPlan:
    """The benchmark asked for.

    Raises:
        UsageError: an unknown metric or function.
        ModelMissing: a function that is not installed.
    """
    if functions is None:
        chosen = [function.name for function in planner.catalog.installed()]
    else:
        chosen = _names("--functions", functions)
    for function in chosen:
        if not planner.function(function).installed:
            raise ModelMissing(f"{function} is not installed", "`cems ls` shows what is.")
    read = metrics_of(",".join(_names("--metrics", metrics)))
    return plan_of(name, lines, chosen, seeds, read)


def _prompt_lines(prompts: str, profile: Profile) -> list[PromptLine]:
    """The prompts of a file, or of a set.

    Raises:
        UsageError: they cannot be read, or nothing was drawn yet.
    """
    if prompts == "history" and not Path(prompts).exists():
        with profile.history() as store:
            drawn = store.generations(limit=LATEST_PICTURES)
        latest = dict.fromkeys(one.prompt for one in drawn if not one.negative)
        if not latest:
            raise UsageError(
                "there is no prompt in the history", "Draw some: cems generate PROMPT."
            )
        return [PromptLine(prompt) for prompt in list(latest)[:HISTORY_PROMPTS]]
    if prompts == "starter" and not Path(prompts).exists():
        return [
            PromptLine(prompt=prompt, group=group)
            for prompt, group in benchmark_prompts(STARTER_PROMPTS)
        ]
    return read_prompts(prompts)


def _names(option: str, text: str) -> list[str]:
    """The names of an option's list, each once.

    Raises:
        UsageError: there is none.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise UsageError(f"{option} names nothing", "Give names with commas: a,b.")
    return names
