"""`cems bench run`: prompts × functions × seeds, scored, resumable."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from cems_tui import paths
from cems_tui.bench.bill import CellEstimate, DiskBill, bill, plan_of
from cems_tui.bench.gallery import Gallery, Kind, lock_of
from cems_tui.bench.prompts import PromptLine
from cems_tui.bench.ray_workers import ray_workers, require_ray
from cems_tui.bench.run import BenchOutcome, Budget, CellDone, SessionMaker, run_bench
from cems_tui.bench.workload import (
    Stock,
    Work,
    disk_of,
    estimate,
    gallery_of,
    installed,
    work_of,
)
from cems_tui.cancel import was_interrupted
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.commands.bench.prompts import prompts_named
from cems_tui.cli.failures import Failure, print_failure
from cems_tui.cli.notes import tell_wait
from cems_tui.cli.options import not_negative
from cems_tui.domain.bench import BenchPlan, making_of, refuse_changed
from cems_tui.errors import ModelMissing, UsageError
from cems_tui.locks import Holder
from cems_tui.profile import Engine, Profile
from cems_tui.scoring.instruments import metrics_of
from cems_tui.services.planner import Planner
from cems_tui.services.scorers import Scorers
from cems_tui.store.benches import Benches
from cems_tui.text import byte_count, counted
from cems_tui.views.bill import bill_words, duration
from cems_tui.views.figures import Money

DEFAULT_METRICS = "nima,clip"

MOST_BYTES = 2**40
"""That a worker keeps of pictures: each goes as soon as it was handed over."""

NICENESS = 10
"""Of 19: how far a benchmark stands behind what is run by hand."""


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
    on: Annotated[
        Literal["here", "ray"],
        typer.Option(help="This device, or every one of a Ray cluster (RAY_ADDRESS)."),
    ] = "here",
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
    if on == "ray":
        require_ray()
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
    with profile.engine(wait_seconds=wait or 0.0, yields=on == "here", on_wait=tell_wait) as engine:
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
            on_ray=on == "ray",
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


# What `bench run` and `bench rescore` do and tell, before, meanwhile and after.


def carry_out(
    work: Work,
    engine: Engine,
    profile: Profile,
    scorers: Scorers,
    *,
    resume: bool,
    retry_failed: bool,
    keeps: bool,
    budget: Budget | None,
    json: bool,
    quiet: bool,
    read_only: bool = False,
    on_ray: bool = False,
) -> int:
    """Do what is left of a benchmark, tell each cell and then the whole; the exit code.

    Args:
        read_only: read kept pictures, draw none.
        on_ray: have the workers of a Ray cluster draw.
    """

    def tell(done: CellDone) -> None:
        if json:
            output.json_line(done.to_json())
        elif quiet:
            output.line(done.key.prompt_id)
        else:
            _tell_progress(done)

    for text in _gone_words(work):
        output.note(text)
    _give_way()
    planner, benches = engine.planner, engine.store.benches
    kept = profile.settings.benchmark
    gallery = gallery_of(work.plan.name, profile.paths, kept, benches, keeps=keeps)
    maker = SessionMaker(
        engine.session,
        planner.catalog,
        planner.pricing,
        work.plan.metrics,
        profile.paths.database.parent,
        judges=scorers.bench_panel(
            planner, work.plan.metrics, work.plan.functions, engine.scorer_room
        ),
        gallery=gallery,
        learn=planner.learn,
    )

    def foresee(function: str) -> CellEstimate:
        return work.estimates.get(function, CellEstimate(None, None))

    stock = Stock(work, profile.catalog_stamp, profile.catalog, output.note)
    try:
        with ExitStack() as stack:
            stack.enter_context(lock_of(work.plan.name, profile.paths))
            draw = None
            if on_ray:
                open_maker = WorkerMaker(work.plan, gallery.kind if gallery else None)
                draw, workers = stack.enter_context(ray_workers(open_maker, gallery))
                output.note(f"{counted(workers, 'worker')} of Ray")
            outcome = run_bench(
                work.plan,
                maker,
                benches,
                tell,
                was_interrupted,
                resume=resume,
                retry_failed=retry_failed,
                budget=budget,
                groups=work.groups,
                able=stock.able,
                foresee=foresee,
                read_only=read_only,
                give_way=lambda: engine.give_way(was_interrupted, _tell_given),
                draw=draw,
            )
    except KeyboardInterrupt:
        output.note(f"benchmark {work.plan.name} was stopped; run it again to go on")
        raise
    return _tell_outcome(work.plan.name, outcome, gallery, output.money_of(planner.settings))


@dataclass(frozen=True)
class WorkerMaker:
    """Opens what draws in a worker: with its host's models, in a home of its own."""

    plan: BenchPlan
    kind: Kind | None
    """Of the pictures' files; None keeps none."""

    @contextmanager
    def __call__(self, home: Path) -> Iterator[SessionMaker]:
        """As `OpenMaker`.

        Raises:
            UsageError: a function is not the one that the benchmark began with.
            CemsError: nothing can be drawn.
        """
        here = paths.current()
        profile = Profile(replace(here, data=home, state=home / "state"))
        with suppress(FileExistsError):  # a try before this one made it
            profile.paths.models.symlink_to(here.models)
        with profile.engine() as engine:
            planner, metrics = engine.planner, self.plan.metrics
            for name in self.plan.functions:
                refuse_changed(self.plan, name, making_of(planner.function(name)))
            yield SessionMaker(
                engine.session,
                planner.catalog,
                planner.pricing,
                metrics,
                home,
                judges=profile.scorers.bench_panel(
                    planner, metrics, self.plan.functions, engine.scorer_room
                ),
                gallery=self.kind and Gallery(home, home / "drawn", self.kind, MOST_BYTES),
            )


def _give_way() -> None:
    """Leave the processor to whoever sits before it: a benchmark has time."""
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(NICENESS)


def _tell_given(holder: Holder) -> None:
    output.note(f"the device goes to {holder}; the benchmark goes on when it is free")


def _tell_progress(done: CellDone) -> None:
    failed = f"  failed: {done.error}" if done.error else ""
    text = f"{done.number}/{done.total} {done.key.function} seed {done.key.seed}{failed}"
    if done.error or not sys.stderr.isatty():
        if done.error or done.number == done.total or done.number % 100 == 0:
            output.note(text)
        return
    output.progress(text, last=done.number == done.total)


def _tell_outcome(name: str, outcome: BenchOutcome, gallery: Gallery | None, money: Money) -> int:
    unknown = outcome.made > 0 and outcome.unpriced == outcome.made
    cost = "unknown" if unknown else money.total(outcome.spent_usd)
    beside = f" ({outcome.unpriced} unpriced beside)" if outcome.unpriced and not unknown else ""
    read = f", {outcome.read} read" if outcome.read else ""
    output.note(
        f"benchmark {name}: {outcome.made} made{read}, {outcome.failed} failed, "
        f"{outcome.skipped} kept from before, {outcome.left} left; cost {cost}{beside}, loading "
        "not in it"
    )
    for text in _foresight_words(outcome, money):
        output.note(text)
    if outcome.drift is not None:
        output.note(f"the last third of its pictures took {outcome.drift:.2f} × the first")
    if gallery is not None and gallery.refused:
        output.note(
            f"{counted(gallery.refused, 'picture')} not kept: benchmark.quota_gb is used up; "
            "`cems bench rm B --pictures` frees what another one holds"
        )
    if outcome.unreadable:
        output.note(
            f"{counted(outcome.unreadable, 'cell')} without a metric of this benchmark: no picture "
            "was kept to read it off"
        )
    if outcome.ended != "done":
        print_failure(Failure(outcome.message, outcome.hint, outcome.exit_code))
    return outcome.exit_code


def _foresight_words(outcome: BenchOutcome, money: Money) -> Iterator[str]:
    """What the bill said before, beside what it came to."""
    told = []
    if outcome.foreseen_usd and not outcome.unpriced:
        said = money.total(outcome.foreseen_usd, estimated=True)
        error = outcome.spent_usd / outcome.foreseen_usd - 1
        told.append(f"{said}, it came to {money.total(outcome.spent_usd)} ({_signed(error)})")
    if outcome.foreseen_seconds:
        said = duration(outcome.foreseen_seconds)
        error = outcome.billed_seconds / outcome.foreseen_seconds - 1
        took = duration(outcome.billed_seconds).removeprefix("~")
        told.append(f"{said} of drawing, it took {took} ({_signed(error)})")
    if told:
        yield f"the bill said {'; and '.join(told)}"


def _signed(error: float) -> str:
    return f"{'−' if error < 0 else '+'}{abs(error):.0%}"


def _gone_words(work: Work) -> Iterator[str]:
    if work.gone:
        yield (
            f"{', '.join(work.gone)} not installed any more: "
            f"{counted(work.cells_left_out, 'cell')} left out"
        )


def work_words(work: Work, disk: DiskBill | None) -> Iterator[str]:
    """What a bill does not say of the work: what is done, what is read, what the disk holds."""
    done = work.plan.size - len(work.tasks) - work.cells_left_out
    if done:
        yield f"{done:,} of {counted(work.plan.size, 'cell')} done before"
    if work.reads:
        yield f"{counted(work.reads, 'kept picture')} to read, not to draw"
    if work.tasks and work.plan.metrics:
        yield (
            "how long reading takes is not known yet"
            if work.score_seconds is None
            else f"reading them: {duration(work.score_seconds)} beside"
        )
    yield from _gone_words(work)
    if work.unreadable:
        yield (
            f"{counted(work.unreadable, 'cell')} without a picture to read a metric off: it stays "
            "missing"
        )
    if disk is not None and work.drawn:
        least = "at most " if disk.at_most else "~"
        yield (
            f"pictures: {least}{byte_count(disk.picture_bytes)} on disk; "
            f"{byte_count(max(0, disk.quota_left_bytes))} left of benchmark.quota_gb, "
            f"{byte_count(disk.free_bytes)} free"
        )
        if not disk.fits:
            yield "that may be more than there is room for: --no-pictures keeps scores alone"
