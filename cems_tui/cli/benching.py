"""The work of `cems bench run` and `cems bench export`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cems_tui.cli import output
from cems_tui.cli.failures import Failure, print_failure
from cems_tui.cli.options import not_negative
from cems_tui.errors import StorageError, UsageError
from cems_tui.interrupts import was_interrupted
from cems_tui.text import counted

if TYPE_CHECKING:
    from cems_tui.bench.plan import BenchPlan, Bill, CellEstimate
    from cems_tui.bench.run import BenchOutcome, CellDone
    from cems_tui.planner import Planner
    from cems_tui.wiring import Engine


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run a benchmark, as given on the command line."""

    resume: bool
    retry_failed: bool
    dry_run: bool
    budget_usd: float | None
    wait_seconds: float | None

    def checked(self) -> RunOptions:
        """These options, if they can be followed.

        Raises:
            UsageError: a value out of range.
        """
        not_negative("--budget", self.budget_usd)
        not_negative("--wait", self.wait_seconds)
        return self


def run(
    plan_for: Callable[[Planner], BenchPlan], chosen: RunOptions, *, json: bool, quiet: bool
) -> int:
    """Run a benchmark, or tell what it would take; the exit code."""
    from cems_tui import wiring

    if chosen.dry_run:
        with wiring.open_planner() as planner:
            return _tell_bill(plan_for(planner), planner, json=json)
    with wiring.open_engine(wait_seconds=chosen.wait_seconds or 0.0) as engine:
        return _run(plan_for(engine.planner), engine, chosen, json=json, quiet=quiet)


def _run(plan: BenchPlan, engine: Engine, chosen: RunOptions, *, json: bool, quiet: bool) -> int:
    from cems_tui import scorer_wiring
    from cems_tui.bench.maker import SessionMaker
    from cems_tui.bench.run import Budget, run_bench

    planner = engine.planner
    budget = None
    if chosen.budget_usd is not None:
        budget = Budget(chosen.budget_usd, lambda function: estimate(planner, function))
    judges = scorer_wiring.bench_panel(planner, plan.metrics, plan.functions)
    _tell_ranges(plan, planner)
    maker = SessionMaker(
        engine.session, planner.catalog, planner.pricing, plan.metrics, lambda event: None, judges
    )

    def tell(done: CellDone) -> None:
        if json:
            output.json_line(done.to_json())
        elif quiet:
            output.line(done.key.prompt_id)
        else:
            _tell_progress(done)

    try:
        outcome = run_bench(
            plan,
            maker,
            engine.store.benches,
            tell,
            was_interrupted,
            resume=chosen.resume,
            retry_failed=chosen.retry_failed,
            budget=budget,
        )
    except KeyboardInterrupt:
        output.note(f"benchmark {plan.name} was stopped; run it again to go on")
        raise
    return _tell_outcome(plan.name, outcome)


def _tell_ranges(plan: BenchPlan, planner: Planner) -> None:
    """Say what a mixed score is made of."""
    from cems_tui import scorer_wiring

    if "mixed" not in plan.metrics:
        return
    found = scorer_wiring.require(planner, plan.metrics, plan.functions)
    ranges = scorer_wiring.mixed_ranges(planner, found)
    if ranges is not None:
        output.note(f"mixed is {ranges}")


def estimate(planner: Planner, function: str) -> CellEstimate:
    """What one picture of a function should take on this machine."""
    from cems_tui.bench.plan import CellEstimate

    known = planner.function(function)
    expected = planner.expected(known, known.width, known.height)
    return CellEstimate(expected.seconds, planner.pricing.of(expected).usd, expected.load_seconds)


def _tell_bill(plan: BenchPlan, planner: Planner, *, json: bool) -> int:
    from cems_tui.bench.plan import bill

    told: Bill = bill(plan.keys(), lambda function: estimate(planner, function))
    if json:
        output.json_line(told.to_json())
        return 0
    minutes = "unknown time" if told.cells == told.untimed else f"~{told.seconds / 60:.1f} minutes"
    price = "unpriced" if told.cells == told.unpriced else f"~${told.cost_usd:.6f}"
    output.line(f"{counted(told.cells, 'picture')}, {minutes}, {price}; nothing was drawn")
    return 0


def _tell_progress(done: CellDone) -> None:
    failed = f"  failed: {done.error}" if done.error else ""
    text = f"{done.number}/{done.total} {done.key.function} seed {done.key.seed}{failed}"
    if done.error or not sys.stderr.isatty():
        if done.error or done.number == done.total or done.number % 100 == 0:
            output.note(text)
        return
    end = "\n" if done.number == done.total else ""
    output.narrate(f"\r\x1b[2K{text}", end)


def _tell_outcome(name: str, outcome: BenchOutcome) -> int:
    unknown = outcome.made > 0 and outcome.unpriced == outcome.made
    cost = "unknown" if unknown else f"${outcome.spent_usd:.3g}"
    beside = f" ({outcome.unpriced} unpriced beside)" if outcome.unpriced and not unknown else ""
    output.note(
        f"benchmark {name}: {outcome.made} made, {outcome.failed} failed, {outcome.skipped} kept "
        f"from before, {outcome.left} left; cost {cost}{beside}"
    )
    if outcome.ended != "done":
        print_failure(Failure(outcome.message, outcome.hint, outcome.exit_code))
    return outcome.exit_code


def export(name: str, format: Literal["csv", "jsonl", "parquet"], out: Path | None) -> None:
    """A benchmark as a score table on stdout or in a file.

    Raises:
        UnknownName: there is no such benchmark.
        UsageError: Parquet was asked for on stdout.
        StorageError: the file cannot be written.
    """
    from cems_tui.bench import export as tables
    from cems_tui.wiring import open_history

    with open_history() as store:
        rows = store.benches.long_rows(name)
        if format == "parquet":
            if out is None:
                raise UsageError("Parquet does not go to stdout", "Name a file with --out.")
            with appearing(out) as temporary:
                tables.write_parquet(rows, temporary)
            return
        write = tables.write_csv if format == "csv" else tables.write_jsonl
        if out is None:
            write(rows, sys.stdout)
            return
        with (
            appearing(out) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as stream,
        ):
            write(rows, stream)


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A name to write to; the file then appears whole under its own name, or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    if path.is_dir():
        raise StorageError(f"cannot write {path}: it is a folder", "Name a file.")
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
