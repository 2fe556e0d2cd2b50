"""`cems bench report`: a benchmark summed up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cems_tui.bench.report import BenchReport, report_of
from cems_tui.bench.report_html import report_page
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.files import SHARED, write_text
from cems_tui.profile import Profile
from cems_tui.score_tables.formats import parse_columns
from cems_tui.text import visible
from cems_tui.views.figures import Money
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
    settings = profile.settings
    found = report_of(name, table, profile.pricing, scorers, seconds)
    if html is not None:
        write_text(html, report_page(found), mode=SHARED)
        output.note(f"wrote {html}")
    if json:
        output.json_document(found.to_json())
    elif html is None:
        _print_report(found, output.money_of(settings))


def _print_report(report: BenchReport, money: Money) -> None:
    from rich.table import Table
    from rich.text import Text

    console = output.console()
    called = labels((metric.metric, metric.scorer) for metric in report.metrics)
    for metric in report.metrics:
        direction = "" if metric.higher_is_better else ", lower is better"
        table = Table(
            box=None,
            pad_edge=False,
            title=Text(f"{visible(metric.metric)}{direction}", style="bold"),
            title_justify="left",
        )
        names = ("function", "group", "mean", "95 %", "scores", "missing", money.unit, "won")
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
                "—" if (price := money.thousand(row.cost_usd)) is None else f"{price:.4g}",
                "—" if row.won is None else f"{row.won:.1%}",
            )
        console.print(table)
        if metric.zero_mix:
            corners = " → ".join(visible(corner.function) for corner in metric.zero_mix)
            console.print(Text(f"best random mixes (zero-mix): {corners}"))
        console.print()
    for text in constants_lines(called):
        console.print(Text(text))
    if report.drift is not None:
        console.print(Text(f"the last third of its pictures took {report.drift:.2f} × the first"))
    for note in report.notes:
        output.note(f"note: {visible(note)}")
