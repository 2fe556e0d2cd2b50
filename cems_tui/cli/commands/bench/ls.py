"""`cems bench ls`: the benchmarks there are."""

from __future__ import annotations

from dataclasses import replace

from cems_tui.bench.gallery import lock_of
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.text_layout import Column
from cems_tui.paths import Paths
from cems_tui.profile import Profile
from cems_tui.store.benches import BenchSummary
from cems_tui.text import byte_count, visible
from cems_tui.views.figures import UNKNOWN


def ls(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """List the benchmarks, newest first."""
    profile = Profile.current()
    with profile.history() as store:
        found = [_as_it_is(one, profile.paths) for one in store.benches.summaries()]
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
    names = ("prompts", "functions", "cells", "failed")
    columns = (
        Column("name"),
        Column("created", spare=2),
        Column("status"),
        *(Column(name, right=True, spare=1 if name == "functions" else 0) for name in names),
        Column("USD", right=True),
        Column("pictures", right=True, spare=3),
    )
    output.table(
        columns,
        [
            (
                one.name,
                one.created[:16].replace("T", " "),
                one.status,
                *(f"{count:,}" for count in (one.prompts, one.functions, one.cells, one.failed)),
                UNKNOWN if one.cost_usd is None else f"{one.cost_usd:.4g}",
                byte_count(one.picture_bytes) if one.picture_bytes else UNKNOWN,
            )
            for one in found
        ],
    )


def _as_it_is(one: BenchSummary, paths: Paths) -> BenchSummary:
    """What a kill left as running is stopped."""
    dead = one.status == "running" and lock_of(one.name, paths).holder() is None
    return replace(one, status="stopped") if dead else one
