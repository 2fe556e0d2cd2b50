"""`cems router eval`: what a router is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.text_layout import Column
from cems_tui.profile import Profile
from cems_tui.routing.evaluation.judge import judge
from cems_tui.text import visible


def evaluate(
    name: Annotated[str, typer.Argument(metavar="R", help="The router.")],
    bench: Annotated[str, typer.Option(metavar="B", help="The benchmark to judge it on.")],
    metric: o.Metric = None,
    split: Annotated[
        Literal["all", "test", "groups"] | None,
        typer.Option(help="Held-out prompts where it was trained, else all; or group by group."),
    ] = None,
    json: o.Json = False,
) -> None:
    """Judge a router on a benchmark: against each function alone, mixes of them, and an oracle."""
    profile = Profile.current()
    checkpoint = profile.shelf().named(name)
    scored = profile.scores.bench(bench)
    if metric is None:
        output.note(f"judged by {checkpoint.metric}; --metric chooses another")
    figures = judge(
        checkpoint,
        scored.table,
        metric=metric,
        prices=scored.prices,
        split=split,
        scorers=scored.scorers,
    )
    for text in figures["notes"]:
        output.note(f"note: {text}")
    if json:
        output.json_document({"bench": bench, **figures})
    else:
        _print_figures(figures)


def _print_figures(figures: Mapping[str, Any]) -> None:
    output.table(
        (
            Column("strategy"),
            Column(str(figures["metric"]), right=True),
            Column("$/1,000", right=True),
        ),
        [
            (
                one["name"],
                "—" if one["quality"] is None else f"{one['quality']:.4g}",
                "—" if one["cost_usd"] is None else f"{one['cost_usd'] * 1000:.4g}",
            )
            for one in figures["strategies"]
        ],
    )
    for group, part in figures.get("groups", {}).items():
        output.line(f"{visible(group)}: {_short(part)}")
    latency = figures["latency_ms"]
    output.line(f"asked in {latency['p50']:.2f} ms (p50), {latency['p95']:.2f} ms (p95)")
    output.line(f"{figures['router']} {visible(figures['verdict_in_words'])}")


def _short(figures: Mapping[str, Any]) -> str:
    difference, area = figures["quality_vs_best_single"], figures["area_recovered"]
    low, high = difference["ci95"]
    text = (
        f"{figures['verdict']} on {figures['prompts']:,} prompts, "
        f"{difference['value']:+.3g} [{low:+.3g}, {high:+.3g}] against {figures['best_single']}"
    )
    return text if area is None else f"{text}, area recovered {area['value']:.1%}"
