"""`cems bench ls`: the benchmarks there are."""

from __future__ import annotations

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.profile import Profile
from cems_tui.text import visible


def ls(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """List the benchmarks, newest first."""
    with Profile.current().history() as store:
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
