"""`cems history ls`: the pictures, newest first."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.domain.generation import Generation
from cems_tui.profile import Profile
from cems_tui.text import one_line
from cems_tui.views.scales import labels

ID_CHARACTERS = 26


def ls(
    search: Annotated[
        str | None, typer.Option("--search", metavar="WORDS", help="Only prompts with these words.")
    ] = None,
    session: o.SessionName = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """List pictures, newest first."""
    with Profile.current().history() as store:
        generations = store.generations(search=search, session=session, limit=limit)
    if json:
        output.json_document([generation.to_json() for generation in generations])
    elif quiet:
        for generation in generations:
            output.line(generation.id)
    else:
        _print_table(generations, filtered=bool(search or session))
        if len(generations) == limit:
            output.note(f"the newest {limit} are shown; --limit shows more")


def _print_table(generations: list[Generation], *, filtered: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    if not generations and filtered:
        output.note("no picture is like that")
        return
    if not generations:
        output.note('nothing was generated yet; try: cems generate "a red car"')
        return
    settings = Profile.current().settings
    money = output.money_of(settings)
    unit = money.unit
    table = Table(box=None, pad_edge=False)
    table.add_column("id", no_wrap=True, min_width=ID_CHARACTERS)  # whole: it is copied
    for name in ("when", "function", "scores", unit, "prompt"):
        table.add_column(name, justify="right" if name == unit else "left", no_wrap=True)
    called = labels((s.metric, s.scorer) for one in generations for s in one.scores)
    for generation in generations:
        scores = " ".join(f"{called[s.metric, s.scorer]} {s.value:.2f}" for s in generation.scores)
        price = money.thousand(generation.cost_usd)
        cost = "—" if price is None else f"{price:.4f}"
        table.add_row(
            generation.id,
            generation.created[:19].replace("T", " "),
            generation.executed,
            scores or "—",
            cost,
            Text(one_line(generation.prompt, 60)),
        )
    output.console().print(table)
