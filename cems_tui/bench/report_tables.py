"""The tables of a report as plain rows: what CSV holds, and what the page and the terminal show."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TextIO

from cems_tui.bench.analysis import Analysis
from cems_tui.bench.report import BenchReport, MetricReport
from cems_tui.routing.evaluation.evaluate import Interval
from cems_tui.text import CsvLines, spreadsheet_cell

TableName = Literal["functions", "strategies", "wins", "variance", "features", "steps", "prompts"]
"""The tables there are."""

Cells = Sequence[Any]


def write_table(report: BenchReport, name: TableName, stream: TextIO) -> int:
    """Write one table as CSV with its head; exact figures, US dollars, empty where unknown.

    Returns:
        The number of rows.
    """
    rows = list(table_rows(report, name))
    writer = csv.writer(CsvLines(stream), lineterminator=CsvLines.END)
    writer.writerow(HEADS[name])
    writer.writerows(map(spreadsheet_cell, row) for row in rows)  # None is written as nothing
    return len(rows)


HEADS: dict[str, tuple[str, ...]] = {
    "functions": (
        "metric", "group", "function", "mean", "ci95_low", "ci95_high", "prompts", "scores",
        "missing", "cost_usd", "won",
    ),
    "strategies": (
        "metric", "strategy", "quality", "ci95_low", "ci95_high", "cost_usd", "seconds",
    ),
    "wins": ("metric", "function", "over", "share", "ci95_low", "ci95_high"),
    "variance": ("metric", "source", "share", "ci95_low", "ci95_high"),
    "features": (
        "metric", "group", "feature", "of", "function", "value", "ci95_low", "ci95_high",
    ),
    "steps": ("metric", "group", "net", "steps", "mean", "ci95_low", "ci95_high"),
    "prompts": (
        "metric", "prompt_id", "prompt", "group", "routed_by", "picked", "best", "regret",
    ),
}  # fmt: skip


def table_rows(report: BenchReport, name: TableName) -> Iterator[Cells]:
    """The rows of a table, in the order of `HEADS`."""
    for metric in report.metrics:
        if name == "functions":
            yield from _functions(metric)
        elif metric.analysis is not None:
            for row in _analysed(metric.analysis, name):
                yield (metric.metric, *row)


def _functions(metric: MetricReport) -> Iterator[Cells]:
    for row in metric.functions:
        low, high = row.ci95 or (None, None)
        yield (
            metric.metric,
            row.group,
            row.function,
            row.mean,
            low,
            high,
            row.prompts,
            row.count,
            row.missing,
            row.cost_usd,
            row.won,
        )


def _analysed(found: Analysis, name: TableName) -> Iterator[Cells]:
    if name == "strategies":
        for one in found.strategies:
            yield (one.name, *_three(one.quality), one.cost_usd, one.seconds)
    elif name == "wins":
        for win in found.wins:
            for other, share in win.over.items():
                yield (win.function, other, *_three(share))
    elif name == "variance" and found.variance is not None:
        for source in ("prompt", "function", "interaction", "seed"):
            interval = getattr(found.variance, source)
            if interval is not None:
                yield (source, *_three(interval))
    elif name == "features":
        for feature in found.features:
            said = (feature.group, feature.feature)
            yield (*said, "r with the mean score", None, *_three(feature.score))
            for function, r in feature.advantage.items():
                yield (*said, "r with the advantage", function, *_three(r))
            for function, (least, most) in feature.won.items():
                yield (*said, "won, least third", function, *_three(least))
                yield (*said, "won, most third", function, *_three(most))
    elif name == "steps":
        for curve in found.steps:
            for steps, quality in curve.points:
                yield (curve.group, curve.net, steps, *_three(quality))
    elif name == "prompts":
        for row in found.prompts:
            yield (
                row.prompt_id,
                row.prompt,
                row.group,
                found.routed_by,
                row.picked,
                row.best,
                row.regret,
            )


def _three(interval: Interval) -> tuple[float, float, float]:
    return (interval.value, *interval.ci95)
