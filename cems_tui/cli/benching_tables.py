"""The work of `cems bench import|ls|report|rm`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cems_tui.cli import output
from cems_tui.cli.asking import agreed
from cems_tui.text import counted, visible

if TYPE_CHECKING:
    from cems_tui.bench.report import BenchReport


def import_table(path: Path, name: str, *, json: bool, quiet: bool) -> None:
    """A score table in the database, and what was found in it.

    Raises:
        UsageError: the table cannot be taken, or the name is blank or taken.
        StorageError: the database cannot be written; then nothing is kept.
    """
    from cems_tui.bench.table import read_table
    from cems_tui.wiring import open_records

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


def ls(*, json: bool, quiet: bool) -> None:
    """Every benchmark on stdout."""
    from cems_tui.wiring import open_history

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


def report(name: str, html: Path | None, *, json: bool) -> None:
    """A benchmark summed up, on stdout or as a page.

    Raises:
        UnknownName: there is no such benchmark.
        StorageError: the page cannot be written.
    """
    from cems_tui.bench.report import report_of
    from cems_tui.bench.table import parse_table
    from cems_tui.cli.benching import appearing
    from cems_tui.pricing import Pricing
    from cems_tui.wiring import open_history, open_planner_settings

    with open_history() as store:
        table = parse_table(enumerate(store.benches.long_rows(name), 1), name)
        scorers = store.benches.scorers(name)
    settings = open_planner_settings()
    pricing = Pricing(float(settings["pricing.usd_per_gb_second"]))
    found = report_of(name, table, pricing, scorers)
    if html is not None:
        from cems_tui.bench.report_html import report_page

        with appearing(html) as temporary:
            temporary.write_text(report_page(found), encoding="utf-8")
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
    from cems_tui.wiring import open_history, open_records

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
