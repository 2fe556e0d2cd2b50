"""`cems bench`: prompts × functions × seeds, scored, resumable; and score tables in and out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cems_tui.cli import bench_tables
from cems_tui.cli import options as o
from cems_tui.errors import UsageError

if TYPE_CHECKING:
    from cems_tui.bench.plan import BenchPlan
    from cems_tui.bench.prompt_sets import PromptLine
    from cems_tui.planner import Planner

bench = typer.Typer(
    help="Measure functions on prompts; take score tables in.", rich_markup_mode=None
)

DEFAULT_METRICS = "nima,clip"
STARTER_PROMPTS = 300
"""Prompts in the set called `starter`."""


def register(app: typer.Typer) -> None:
    bench_tables.register(bench)
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
    from cems_tui.cli import benching

    return benching.run(
        lambda planner: _plan(planner, name, prompts, functions, seeds, metrics),
        benching.RunOptions(resume, retry_failed, dry_run, budget, wait).checked(),
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
    from cems_tui.cli import benching

    benching.export(name, format, out)


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
    from cems_tui import scorer_wiring
    from cems_tui.bench.plan import plan_of
    from cems_tui.errors import ModelMissing
    from cems_tui.quality.instruments import metrics_of

    if functions is None:
        chosen = [function.name for function in planner.catalog.installed()]
    else:
        chosen = _names("--functions", functions)
    for function in chosen:
        if not planner.function(function).installed:
            raise ModelMissing(f"{function} is not installed", "`cems ls` shows what is.")
    read = metrics_of(",".join(_names("--metrics", metrics)))
    plan = plan_of(name, _prompt_lines(prompts), chosen, seeds, read)
    scorer_wiring.require(planner, read, chosen)
    return plan


def _prompt_lines(prompts: str) -> list[PromptLine]:
    from cems_tui.bench.prompt_sets import PromptLine, read_prompts

    if prompts == "starter" and not Path(prompts).exists():
        from cems_tui.starter.benchmark_prompts import benchmark_prompts

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
