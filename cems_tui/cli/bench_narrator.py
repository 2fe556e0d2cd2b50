"""What `bench run` and `bench rescore` tell of their work, before, meanwhile and after."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress

from cems_tui.bench.bill import CellEstimate, DiskBill
from cems_tui.bench.gallery import Gallery
from cems_tui.bench.run import BenchOutcome, Budget, CellDone, SessionMaker, run_bench
from cems_tui.bench.work import Work, gallery_of
from cems_tui.cancel import was_interrupted
from cems_tui.cli import output
from cems_tui.cli.failures import Failure, print_failure
from cems_tui.profile import Engine, Profile
from cems_tui.services.scorers import Scorers
from cems_tui.text import byte_count, counted
from cems_tui.views.bill import duration
from cems_tui.views.figures import Money

NICENESS = 10
"""Of 19: how far a benchmark stands behind what is run by hand."""


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
) -> int:
    """Do what is left of a benchmark, tell each cell and then the whole; the exit code.

    Args:
        read_only: read kept pictures, draw none.
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
        judges=scorers.bench_panel(planner, work.plan.metrics, work.plan.functions),
        gallery=gallery,
        learn=planner.learn,
    )

    def foresee(function: str) -> CellEstimate:
        return work.estimates.get(function, CellEstimate(None, None))

    try:
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
            able=frozenset(work.able),
            foresee=foresee,
            read_only=read_only,
        )
    except KeyboardInterrupt:
        output.note(f"benchmark {work.plan.name} was stopped; run it again to go on")
        raise
    return _tell_outcome(work.plan.name, outcome, gallery, output.money_of(planner.settings))


def _give_way() -> None:
    """Leave the processor to whoever sits before it: a benchmark has time."""
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(NICENESS)


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
