"""`cems bench run`: prompts × functions × seeds, scored, resumable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from cems_tui.bench.bill import DiskBill, bill, plan_of
from cems_tui.bench.prompts import PromptLine
from cems_tui.bench.run import Budget
from cems_tui.bench.work import Work, disk_of, estimate, installed, work_of
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.bench_narrator import carry_out, work_words
from cems_tui.cli.bench_prompts import prompts_named
from cems_tui.cli.options import not_negative
from cems_tui.domain.bench import BenchPlan, making_of
from cems_tui.errors import ModelMissing, UsageError
from cems_tui.profile import Profile
from cems_tui.scoring.instruments import metrics_of
from cems_tui.services.planner import Planner
from cems_tui.services.scorers import Scorers
from cems_tui.store.benches import Benches
from cems_tui.views.bill import bill_words

DEFAULT_METRICS = "nima,clip"


def run(
    prompts: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|SET",
            help="A file, or a set of `cems bench prompts`: spectrum, starter, history:QUERY, …",
        ),
    ] = None,
    functions: Annotated[
        str | None, typer.Option(metavar="A,B", help="Which functions; all installed ones.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Pictures of each prompt and function; 1.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="M,N",
            help="What to read, nima,clip of a new one: nima, clip, mixed, aesthetic, pickscore, "
            "sharpness.",
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What the benchmark is called.")] = "default",
    resume: Annotated[
        bool, typer.Option("--resume", help="Let a benchmark of that name grow.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try failed pictures again.")
    ] = False,
    no_pictures: Annotated[
        bool, typer.Option("--no-pictures", help="Keep scores and measurements alone.")
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

    def work_for(planner: Planner, benches: Benches) -> Work:
        old = benches.find_plan(name)
        lines = _prompt_lines(prompts, profile, old)
        plan = _plan(planner, name, lines, functions, seeds, metrics, old)
        return work_of(
            plan, old, planner, profile.scorers, benches, resume=resume, retry_failed=retry_failed
        )

    if dry_run:
        with profile.history() as store:
            work = work_for(profile.planner_over(store), store.benches)
            kept = profile.settings.benchmark
            disk = disk_of(work, profile.paths, kept, store.benches, keeps=not no_pictures)
            return _tell_bill(work, disk, json=json)
    with profile.engine(wait_seconds=wait or 0.0) as engine:
        work = work_for(engine.planner, engine.store.benches)
        _tell_ranges(work, profile.scorers)
        budgeted = None
        if budget is not None:
            budgeted = Budget(budget, lambda function: estimate(engine.planner, function))
        return carry_out(
            work,
            engine,
            profile,
            profile.scorers,
            resume=resume,
            retry_failed=retry_failed,
            keeps=not no_pictures,
            budget=budgeted,
            json=json,
            quiet=quiet,
        )


def _tell_ranges(work: Work, scorers: Scorers) -> None:
    """Say what a mixed score is made of."""
    if "mixed" not in work.plan.metrics:
        return
    found = scorers.require(work.planner, work.plan.metrics, work.plan.functions)
    ranges = scorers.mixed_ranges(work.planner, found)
    if ranges is not None:
        output.note(f"mixed is {ranges}")


def _tell_bill(work: Work, disk: DiskBill | None, *, json: bool) -> int:
    told = bill(work.tasks, work.estimates.__getitem__, work.groups)
    if json:
        output.json_line(
            {
                "cells": told.pictures,
                **told.to_json(),
                "reads": work.reads,
                "kept": work.plan.size - len(work.tasks) - work.cells_left_out,
                "left_out": work.cells_left_out,
                "score_seconds": work.score_seconds,
                "picture_bytes": None if disk is None else disk.picture_bytes,
                "picture_bytes_at_most": disk is not None and disk.at_most,
                "quota_left_bytes": None if disk is None else disk.quota_left_bytes,
                "free_bytes": None if disk is None else disk.free_bytes,
            }
        )
        return 0
    nothing = "nothing is left to draw"
    words = bill_words(told, output.money_of(work.planner.settings)) if told.pictures else nothing
    output.line(words)
    for text in work_words(work, disk):
        output.line(text)
    return 0


def _plan(
    planner: Planner,
    name: str,
    lines: Sequence[PromptLine],
    functions: str | None,
    seeds: int | None,
    metrics: str | None,
    old: BenchPlan | None,
) -> BenchPlan:
    """The benchmark asked for; what is not said is as in the one of that name.

    Raises:
        UsageError: an unknown metric or function.
        ModelMissing: a function that is not installed.
    """
    if functions is not None:
        chosen = _names("--functions", functions)
        for function in chosen:
            if not planner.function(function).installed:
                raise ModelMissing(f"{function} is not installed", "`cems ls` shows what is.")
    elif old is not None:
        chosen = list(old.functions)
    else:
        chosen = [function.name for function in planner.catalog.installed()]
    if metrics is None and old is not None:
        read = old.metrics
    else:
        read = metrics_of(",".join(_names("--metrics", metrics or DEFAULT_METRICS)))
    makings = {one: making_of(planner.function(one)) for one in chosen if installed(planner, one)}
    count = seeds if seeds is not None else 1
    plan = plan_of(name, lines, chosen, count, read, makings)
    return plan if old is None or seeds is not None else replace(plan, seeds=old.seeds)


def _prompt_lines(prompts: str | None, profile: Profile, old: BenchPlan | None) -> list[PromptLine]:
    """The prompts of a file, or of a set; unsaid, those of the benchmark that is there.

    Raises:
        UsageError: they cannot be read, or nothing was drawn yet.
    """
    if prompts is None:
        if old is None:
            raise UsageError(
                "there are no prompts to draw", "Name a file or a set with --prompts: `starter`."
            )
        return [PromptLine(one.prompt, group=one.group) for one in old.prompts]
    return prompts_named(prompts, profile)


def _names(option: str, text: str) -> list[str]:
    """The names of an option's list, each once.

    Raises:
        UsageError: there is none.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise UsageError(f"{option} names nothing", "Give names with commas: a,b.")
    return names
