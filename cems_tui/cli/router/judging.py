"""`cems router eval|diff`: what a router is worth, and what changes from one to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cems_tui.cli import options as o

if TYPE_CHECKING:
    from cems_tui.routing.difference import Difference

Metric = Annotated[
    str | None, typer.Option("--metric", metavar="M", help="The scale to judge by; the router's.")
]
SHOWN_CHANGES = 20


def register(router: typer.Typer) -> None:
    router.command("eval")(evaluate)
    router.command("diff")(diff)


def evaluate(
    name: Annotated[str, typer.Argument(metavar="R", help="The router.")],
    bench: Annotated[str, typer.Option(metavar="B", help="The benchmark to judge it on.")],
    metric: Metric = None,
    split: Annotated[
        Literal["all", "test", "groups"] | None,
        typer.Option(help="Held-out prompts where it was trained, else all; or group by group."),
    ] = None,
    json: o.Json = False,
) -> None:
    """Judge a router on a benchmark: against each function alone, mixes of them, and an oracle."""
    from cems_tui.cli import output
    from cems_tui.routers.tables import scored_bench
    from cems_tui.routing.judging import judge
    from cems_tui.wiring import router_shelf

    checkpoint = router_shelf().named(name)
    scored = scored_bench(bench)
    if metric is None:
        output.note(f"judged by {checkpoint.metric}; --metric chooses another")
    figures = judge(checkpoint, scored.table, metric=metric, prices=scored.prices, split=split)
    for text in figures["notes"]:
        output.note(f"note: {text}")
    if json:
        output.json_document({"bench": bench, **figures})
    else:
        _print_figures(figures)


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A router.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other router.")],
    bench: Annotated[str, typer.Option(metavar="T", help="The benchmark with the prompts.")],
    metric: Metric = None,
    tradeoff: Annotated[
        float, typer.Option(metavar="0..1", min=0.0, max=1.0, help="The dial of both.")
    ] = 1.0,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Print which prompts change function from router A to B, and what that is worth."""
    from cems_tui.cli import output
    from cems_tui.routers.tables import scored_bench
    from cems_tui.routing.difference import difference
    from cems_tui.wiring import router_shelf

    shelf, scored = router_shelf(), scored_bench(bench)
    found = difference(
        shelf.named(a),
        shelf.named(b),
        scored.table,
        metric=metric,
        prices=scored.prices,
        tradeoff=tradeoff,
    )
    for text in found.notes:
        output.note(f"note: {text}")
    if json:
        output.json_document({"bench": bench, **found.to_json()})
    elif quiet:
        for one in found.changes:
            output.line(one.prompt_id)
    else:
        _print_difference(found)


def _print_figures(figures: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from cems_tui.cli import output
    from cems_tui.text import visible

    table = Table(box=None, pad_edge=False)
    for column in ("strategy", str(figures["metric"]), "$/1,000"):
        table.add_column(visible(column), justify="left" if column == "strategy" else "right")
    for one in figures["strategies"]:
        table.add_row(
            Text(visible(one["name"])),
            "—" if one["quality"] is None else f"{one['quality']:.4g}",
            "—" if one["cost_usd"] is None else f"{one['cost_usd'] * 1000:.4g}",
        )
    output.console().print(table)
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


def _print_difference(found: Difference) -> None:
    from cems_tui.cli import output
    from cems_tui.text import one_line

    for one in found.changes[:SHOWN_CHANGES]:
        quality = "—" if one.quality_delta is None else f"{one.quality_delta:+.3g}"
        cost = "—" if one.cost_delta_usd is None else f"{one.cost_delta_usd * 1000:+.3g} $/1,000"
        output.line(
            f"{one_line(one.a, 20):<20} → {one_line(one.b, 20):<20} {quality:>8} {cost:>16}  "
            f"{one_line(one.prompt, 60)}"
        )
    if len(found.changes) > SHOWN_CHANGES:
        output.line(f"… and {len(found.changes) - SHOWN_CHANGES:,} more (--json prints all)")
    quality = "unknown" if found.quality_delta is None else f"{found.quality_delta:+.4g}"
    cost = (
        "unknown"
        if found.cost_delta_usd is None
        else f"{found.cost_delta_usd * 1000:+.4g} $ per 1,000 pictures"
    )
    output.line(
        f"{len(found.changes):,} of {found.prompts:,} prompts change function from {found.a} to "
        f"{found.b}; over all prompts {found.metric} {quality}, price {cost}"
    )
