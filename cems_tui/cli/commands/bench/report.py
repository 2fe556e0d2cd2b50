"""`cems bench report`: a benchmark summed up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cems_tui.bench.report import BenchReport, FunctionRow, report_of
from cems_tui.bench.report_html import report_page
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.text_layout import Column
from cems_tui.files import SHARED, write_text
from cems_tui.profile import Profile
from cems_tui.score_tables.formats import parse_columns
from cems_tui.views.figures import UNKNOWN, Money
from cems_tui.views.scales import constants_lines, labels


def report(
    name: Annotated[str, typer.Argument(metavar="B", help="The benchmark.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page of its own.")
    ] = None,
    json: o.Json = False,
) -> None:
    """Print what each function scored and cost, on every metric and in every group."""
    profile = Profile.current()
    with profile.history() as store:
        table = parse_columns(store.benches.columns(name), name)
        scorers = store.benches.scorers(name)
        seconds = store.benches.seconds(name)
        contention = store.benches.contention(name)
    settings = profile.settings
    found = report_of(name, table, profile.pricing, scorers, seconds, contention)
    if html is not None:
        write_text(html, report_page(found), mode=SHARED)
        output.note(f"wrote {html}")
    if json:
        output.json_document(found.to_json())
    elif html is None:
        _print_report(found, output.money_of(settings))


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
        output.line()
    for text in constants_lines(called):
        output.line(text)
    if report.drift is not None:
        output.line(f"the last third of its pictures took {report.drift:.2f} × the first")
    for note in report.notes:
        output.note(f"note: {note}")


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
