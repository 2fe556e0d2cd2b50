"""The work of `cems bench run` and `cems bench export`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cems_tui.cancel import was_interrupted
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.failures import Failure, print_failure
from cems_tui.cli.options import Yes, agreed, not_negative
from cems_tui.errors import UsageError
from cems_tui.files import SHARED, whole_file, whole_text, write_text
from cems_tui.text import counted, visible

if TYPE_CHECKING:
    from cems_tui.bench.plan import Bill, CellEstimate
    from cems_tui.bench.prompts import PromptLine
    from cems_tui.bench.report import BenchReport
    from cems_tui.bench.run import BenchOutcome, CellDone
    from cems_tui.domain.bench import BenchPlan
    from cems_tui.profile import Engine
    from cems_tui.services.planner import Planner


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


def run_bench(
    plan_for: Callable[[Planner], BenchPlan], chosen: RunOptions, *, json: bool, quiet: bool
) -> int:
    """Run a benchmark, or tell what it would take; the exit code."""
    from cems_tui import profile

    if chosen.dry_run:
        with profile.open_planner() as planner:
            return _tell_bill(plan_for(planner), planner, json=json)
    with profile.open_engine(wait_seconds=chosen.wait_seconds or 0.0) as engine:
        return _run(plan_for(engine.planner), engine, chosen, json=json, quiet=quiet)


def _run(plan: BenchPlan, engine: Engine, chosen: RunOptions, *, json: bool, quiet: bool) -> int:
    from cems_tui.bench.run import Budget, SessionMaker, run_bench
    from cems_tui.services import scorers

    planner = engine.planner
    budget = None
    if chosen.budget_usd is not None:
        budget = Budget(chosen.budget_usd, lambda function: estimate(planner, function))
    judges = scorers.bench_panel(planner, plan.metrics, plan.functions)
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
    from cems_tui.services import scorers

    if "mixed" not in plan.metrics:
        return
    found = scorers.require(planner, plan.metrics, plan.functions)
    ranges = scorers.mixed_ranges(planner, found)
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


def export_bench(name: str, format: Literal["csv", "jsonl", "parquet"], out: Path | None) -> None:
    """A benchmark as a score table on stdout or in a file.

    Raises:
        UnknownName: there is no such benchmark.
        UsageError: Parquet was asked for on stdout.
        StorageError: the file cannot be written.
    """
    from cems_tui.profile import open_history
    from cems_tui.score_tables import files as tables

    with open_history() as store:
        rows = store.benches.long_rows(name)
        if format == "parquet":
            if out is None:
                raise UsageError("Parquet does not go to stdout", "Name a file with --out.")
            with whole_file(out, mode=SHARED) as file:
                tables.write_parquet(rows, Path(file.name))
            return
        write = tables.write_csv if format == "csv" else tables.write_jsonl
        if out is None:
            write(rows, sys.stdout)
            return
        with whole_text(out, mode=SHARED) as stream:
            write(rows, stream)


# `cems bench`: prompts × functions × seeds, scored, resumable; and score tables in and out.

bench = typer.Typer(
    help="Measure functions on prompts; take score tables in.", rich_markup_mode=None
)

DEFAULT_METRICS = "nima,clip"
STARTER_PROMPTS = 300
"""Prompts in the set called `starter`."""


def register(app: typer.Typer) -> None:
    register_tables(bench)
    app.add_typer(bench, name="bench")


@bench.command("run")
def run(
    prompts: Annotated[str, typer.Option(metavar="FILE|SET", help="A prompt file, or `starter`.")],
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
        float | None, typer.Option(metavar="USD", help="Stop before it costs more.")
    ] = None,
    wait: Annotated[
        float | None, typer.Option(metavar="[S]", help="Wait for the device, S seconds at most.")
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> int:
    """Draw and score every prompt with every function and seed; continue where it stopped."""

    return run_bench(
        lambda planner: _plan(planner, name, prompts, functions, seeds, metrics),
        RunOptions(resume, retry_failed, dry_run, budget, wait).checked(),
        json=json,
        quiet=quiet,
    )


@bench.command("export")
def export(
    name: Annotated[str, typer.Argument(metavar="B", help="The benchmark.")],
    format: Annotated[
        Literal["csv", "jsonl", "parquet"], typer.Option(help="Of the table.")
    ] = "csv",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write there instead of stdout.")
    ] = None,
) -> None:
    """Print a benchmark as a score table, one score a row."""

    export_bench(name, format, out)


def _plan(
    planner: Planner,
    name: str,
    prompts: str,
    functions: str | None,
    seeds: int,
    metrics: str,
) -> BenchPlan:
    """The benchmark asked for.

    Raises:
        UsageError: unreadable prompts, an unknown metric or function.
        ModelMissing: a function that is not installed, or the weights that read a metric.
    """
    from cems_tui.bench.plan import plan_of
    from cems_tui.errors import ModelMissing
    from cems_tui.scoring.instruments import metrics_of
    from cems_tui.services import scorers

    if functions is None:
        chosen = [function.name for function in planner.catalog.installed()]
    else:
        chosen = _names("--functions", functions)
    for function in chosen:
        if not planner.function(function).installed:
            raise ModelMissing(f"{function} is not installed", "`cems ls` shows what is.")
    read = metrics_of(",".join(_names("--metrics", metrics)))
    plan = plan_of(name, _prompt_lines(prompts), chosen, seeds, read)
    scorers.require(planner, read, chosen)
    return plan


def _prompt_lines(prompts: str) -> list[PromptLine]:
    from cems_tui.bench.prompts import PromptLine, read_prompts

    if prompts == "starter" and not Path(prompts).exists():
        from cems_tui.starter.prompts import benchmark_prompts

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


# `cems bench import|ls|report|rm`: score tables in, listed, summed up, and out.

BenchName = Annotated[str, typer.Argument(metavar="B", help="The benchmark.")]


def register_tables(bench: typer.Typer) -> None:
    for name, command in (("import", import_table), ("ls", ls), ("report", report), ("rm", rm)):
        bench.command(name)(command)


def import_table(
    table: Annotated[
        Path,
        typer.Argument(metavar="TABLE", help="CSV, TSV, JSON Lines or Parquet, a score a row."),
    ],
    name: Annotated[str, typer.Option(metavar="B", help="What the benchmark is called.")],
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Take a score table in as a benchmark: the whole of it, or nothing."""

    import_scores(table, name, json=json, quiet=quiet)


def ls(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """List the benchmarks, newest first."""

    list_benches(json=json, quiet=quiet)


def report(
    name: BenchName,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page of its own.")
    ] = None,
    json: o.Json = False,
) -> None:
    """Print what each function scored and cost, on every metric and in every group."""

    report_bench(name, html, json=json)


def rm(
    name: BenchName,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, remove nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Forget a benchmark with all its scores."""

    remove(name, dry_run=dry_run, yes=yes)


# The work of `cems bench import|ls|report|rm`.


def import_scores(path: Path, name: str, *, json: bool, quiet: bool) -> None:
    """A score table in the database, and what was found in it.

    Raises:
        UsageError: the table cannot be taken, or the name is blank or taken.
        StorageError: the database cannot be written; then nothing is kept.
    """
    from cems_tui.profile import open_records
    from cems_tui.score_tables.files import read_table

    table = read_table(path, output.note)
    with open_records() as store:
        rows = store.benches.import_table(name, table, path.name)
    missing = table.missing_cells()
    if json:
        output.json_document(
            {
                "bench": name,
                "rows": rows,
                "prompts": len(table.prompts),
                "functions": list(table.functions),
                "metrics": list(table.metrics),
                "missing": missing,
            }
        )
        return
    if quiet:
        output.line(visible(name))
        return
    output.line(
        f"{visible(name)}: {counted(rows, 'row')}, {counted(len(table.prompts), 'prompt')}, "
        f"{counted(len(table.functions), 'function')}, "
        f"metrics {visible(', '.join(table.metrics))}"
    )
    cells = ", ".join(f"{count:,} of {visible(metric)}" for metric, count in missing.items())
    output.line(f"missing cells: {cells}")


def list_benches(*, json: bool, quiet: bool) -> None:
    """Every benchmark on stdout."""
    from cems_tui.profile import open_history

    with open_history() as store:
        found = store.benches.summaries()
    if json:
        output.json_document([one.to_json() for one in found])
        return
    if quiet:
        for one in found:
            output.line(visible(one.name))
        return
    if not found:
        output.note("there is no benchmark yet; try: cems bench run --prompts starter")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("name", "created", "status", "prompts", "functions", "cells", "failed", "USD"):
        number = column not in ("name", "created", "status")
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for one in found:
        table.add_row(
            Text(visible(one.name)),
            one.created[:19].replace("T", " "),
            one.status,
            *(f"{count:,}" for count in (one.prompts, one.functions, one.cells, one.failed)),
            "—" if one.cost_usd is None else f"{one.cost_usd:.4g}",
        )
    output.console().print(table)


def report_bench(name: str, html: Path | None, *, json: bool) -> None:
    """A benchmark summed up, on stdout or as a page.

    Raises:
        UnknownName: there is no such benchmark.
        StorageError: the page cannot be written.
    """
    from cems_tui.bench.report import report_of
    from cems_tui.domain.pricing import Pricing
    from cems_tui.profile import open_history, open_planner_settings
    from cems_tui.score_tables.files import parse_columns

    with open_history() as store:
        table = parse_columns(store.benches.columns(name), name)
        scorers = store.benches.scorers(name)
    settings = open_planner_settings()
    pricing = Pricing(float(settings["pricing.usd_per_gb_second"]))
    found = report_of(name, table, pricing, scorers)
    if html is not None:
        from cems_tui.bench.report_html import report_page

        write_text(html, report_page(found), mode=SHARED)
        output.note(f"wrote {html}")
    if json:
        output.json_document(found.to_json())
    elif html is None:
        _print_report(found, output.unit_per_thousand(settings), settings["pricing.per_usd"])


def _print_report(report: BenchReport, unit: str, per_usd: float) -> None:
    from rich.table import Table
    from rich.text import Text

    console = output.console()
    for metric in report.metrics:
        direction = "" if metric.higher_is_better else ", lower is better"
        table = Table(
            box=None,
            pad_edge=False,
            title=Text(f"{visible(metric.metric)}{direction}", style="bold"),
            title_justify="left",
        )
        names = ("function", "group", "mean", "95 %", "scores", "missing", unit, "won")
        for column in names:
            left = column in ("function", "group")
            table.add_column(column, justify="left" if left else "right", no_wrap=True)
        for row in metric.functions:
            table.add_row(
                Text(visible(row.function)),
                Text("all" if row.group is None else visible(row.group)),
                "—" if row.mean is None else f"{row.mean:.4g}",
                "—" if row.ci95 is None else f"{row.ci95[0]:.4g} … {row.ci95[1]:.4g}",
                f"{row.count:,}",
                f"{row.missing:,}",
                "—" if row.cost_usd is None else f"{row.cost_usd * 1000 * per_usd:.4g}",
                "—" if row.won is None else f"{row.won:.1%}",
            )
        console.print(table)
        if metric.zero_mix:
            corners = " → ".join(visible(corner.function) for corner in metric.zero_mix)
            console.print(Text(f"best random mixes (zero-mix): {corners}"))
        console.print()


def remove(name: str, *, dry_run: bool, yes: bool) -> None:
    """The benchmark gone, once the user agreed.

    Raises:
        UnknownName: there is no such benchmark.
        UsageError: nobody can be asked.
    """
    from cems_tui.profile import open_history, open_records

    with open_history() as store:
        one = store.benches.summary(name)
    what = f"the benchmark {visible(name)} with {counted(one.cells + one.failed, 'cell')}"
    if dry_run:
        output.line(f"would remove {what}; nothing was removed")
        return
    if not agreed(f"Remove {what}?", yes=yes):
        output.note("nothing was removed")
        return
    with open_records() as store:
        store.benches.remove(name)
    output.note(f"removed {what}")
