"""`cems bench report`: a benchmark summed up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cems_tui.bench import plots
from cems_tui.bench.analysis import Analysis
from cems_tui.bench.report import BenchReport, FunctionRow, predictions, read_report
from cems_tui.bench.report_html import headroom_words, report_page
from cems_tui.bench.report_tables import TableName, write_table
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.text_layout import Column
from cems_tui.domain.bench import CellKey
from cems_tui.files import SHARED, write_text
from cems_tui.profile import Profile
from cems_tui.routing.evaluation.evaluate import Interval
from cems_tui.text import one_line, visible
from cems_tui.views.figures import UNKNOWN, Money
from cems_tui.views.scales import constants_lines, labels

WORST_TOLD = 5
FEATURES_TOLD = 5


def report(
    name: Annotated[str, typer.Argument(metavar="B", help="The benchmark.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page of its own.")
    ] = None,
    csv: Annotated[
        TableName | None,
        typer.Option(
            "--csv",
            metavar="TABLE",
            help="Print one table: functions, strategies, wins, variance, features, steps or "
            "prompts.",
        ),
    ] = None,
    router: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose choices; else the best single function's."),
    ] = None,
    json: o.Json = False,
) -> None:
    """Print what each function scored and cost, on every metric and in every group."""
    output.only_one(**{"--json": json, "--csv": csv is not None})
    profile = Profile.current()
    with profile.history() as store:
        checkpoint = None if router is None else profile.shelf().named(router)
        predict = predictions(checkpoint)
        found = read_report(store.benches, name, profile.pricing, predict, router or "")
        pictures = store.benches.pictures(name) if html is not None else {}
    money = output.money_of(profile.settings)
    if html is not None:
        first = _first_pictures(pictures)
        page = report_page(found, money, lambda prompt, function: first.get((prompt, function)))
        write_text(html, page, mode=SHARED)
        output.note(f"wrote {html}")
        if not plots.can_plot():
            output.note(plots.MISSING)
    if json:
        output.json_document(found.to_json())
    elif csv is not None:
        write_table(found, csv, output.data_stream())
    elif html is None:
        _print_report(found, money)


def _first_pictures(pictures: dict[CellKey, Path]) -> dict[tuple[str, str], Path]:
    """Of each prompt and function the picture of the first seed."""
    found: dict[tuple[str, str], Path] = {}
    for key in sorted(pictures, key=lambda key: key.seed):
        found.setdefault((key.prompt_id, key.function), pictures[key])
    return found


def _print_report(report: BenchReport, money: Money) -> None:
    called = labels((metric.metric, metric.scorer) for metric in report.metrics)
    columns = (
        Column("function"),
        Column("group", spare=4),
        Column("mean", right=True),
        Column("95 %", right=True),
        Column("scores", right=True, spare=2),
        Column("missing", right=True, spare=1),
        Column(money.unit, right=True),
        Column("won", right=True, spare=3),
    )
    for metric in report.metrics:
        direction = "" if metric.higher_is_better else ", lower is better"
        output.line(f"{called[metric.metric, metric.scorer]}{direction}")
        output.table(columns, [_cells(row, money) for row in metric.functions])
        if metric.zero_mix:
            corners = " → ".join(corner.function for corner in metric.zero_mix)
            output.line(f"best random mixes (zero-mix): {corners}")
        if metric.analysis is not None:
            _print_analysis(metric.analysis, money)
        output.line()
    for text in (*_words(report), *_correlations(report)):
        output.line(text)
    for text in constants_lines(called):
        output.line(text)
    if report.drift is not None:
        output.line(f"the last third of its pictures took {report.drift:.2f} × the first")
    for note in report.notes:
        output.note(f"note: {note}")


def _print_analysis(found: Analysis, money: Money) -> None:
    columns = (
        Column("strategy"),
        Column("quality", right=True),
        Column("95 %", right=True, spare=2),
        Column(money.unit, right=True),
        Column("seconds", right=True, spare=3),
    )
    output.table(
        columns,
        [
            (
                one.name,
                f"{one.quality.value:.4g}",
                _range(one.quality, ".4g"),
                _figure(money.thousand(one.cost_usd)),
                _figure(one.seconds),
            )
            for one in found.strategies
        ],
    )
    for text in (*_lines(found), *_worst(found)):
        output.line(text)


def _lines(found: Analysis) -> Iterator[str]:
    if found.headroom is not None:
        yield headroom_words(found)
    if found.variance is not None:
        v = found.variance
        parts = {"prompts": v.prompt, "functions": v.function, "their interaction": v.interaction}
        if v.seed is not None:
            parts["seeds"] = v.seed
        told = ", ".join(
            f"{name} {one.value:.0%} {_range(one, '.0%')}" for name, one in parts.items()
        )
        beside = "" if v.seed is not None else " (seeds within it: there are no repeats)"
        yield f"variance of scores: {told}{beside}"
    for win in found.wins:
        told = ", ".join(f"{other} {share.value:.0%}" for other, share in win.over.items())
        yield f"{win.function} wins over {told}"
    for row in plots.strongest(found, FEATURES_TOLD):
        suits = max(row.advantage, key=lambda name: row.advantage[name].value)
        yield (
            f"more {row.feature}: r with the score {row.score.value:+.2f} "
            f"{_range(row.score, '+.2f')}; suits {suits} ({row.advantage[suits].value:+.2f})"
        )
    for curve in found.steps:
        where = "" if curve.group is None else f" ({curve.group})"
        told = ", ".join(f"{steps}: {one.value:.4g}" for steps, one in curve.points)
        yield f"{curve.net}{where} by steps: {told}"


def _worst(found: Analysis) -> Iterator[str]:
    worst = [row for row in found.prompts[:WORST_TOLD] if row.regret > 0]
    if worst:
        yield f"worst routed ({found.routed_by}):"
    for row in worst:
        yield (
            f"  −{row.regret:.3g}: {row.picked}, better {row.best}: "
            f"{one_line(visible(row.prompt), 60)}"
        )


def _words(report: BenchReport) -> Iterator[str]:
    for one in report.words:
        group = "all" if one.group is None else one.group
        deviation = UNKNOWN if one.deviation is None else f"{one.deviation:.1f}"
        yield (
            f"words a prompt ({group}): {one.least} to {one.most}, mean {one.mean:.1f}, "
            f"sd {deviation}"
        )


def _correlations(report: BenchReport) -> Iterator[str]:
    for one in report.correlations:
        if one.function is None:
            yield (
                f"Pearson's r of {one.metrics[0]} and {one.metrics[1]}: {one.r.value:.3f} "
                f"{_range(one.r, '.3f')} over {one.pictures:,} pictures"
            )


def _range(interval: Interval, form: str) -> str:
    return f"[{interval.ci95[0]:{form}}, {interval.ci95[1]:{form}}]"


def _figure(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.4g}"


def _cells(row: FunctionRow, money: Money) -> tuple[str, ...]:
    price = money.thousand(row.cost_usd)
    return (
        row.function,
        "all" if row.group is None else row.group,
        UNKNOWN if row.mean is None else f"{row.mean:.4g}",
        UNKNOWN if row.ci95 is None else f"{row.ci95[0]:.4g} … {row.ci95[1]:.4g}",
        f"{row.count:,}",
        f"{row.missing:,}",
        UNKNOWN if price is None else f"{price:.4g}",
        UNKNOWN if row.won is None else f"{row.won:.1%}",
    )
