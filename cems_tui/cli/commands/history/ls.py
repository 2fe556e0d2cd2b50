"""`cems history ls`: the pictures, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.text_layout import Column
from cems_tui.domain.generation import Generation
from cems_tui.profile import Profile
from cems_tui.text import one_line
from cems_tui.views.figures import UNKNOWN
from cems_tui.views.scales import Scale, labels

PROMPT_CHARACTERS = 100
"""Of a prompt in a list; `cems why` tells all of it."""


def ls(
    search: Annotated[
        str | None,
        typer.Option(
            "--search",
            metavar="SEARCH",
            help=(
                "Words of the prompt, and model: function: router: session: score: cost: rating: "
                'star: since: until:, as in "red car score:>5 since:7d".'
            ),
        ),
    ] = None,
    sort: Annotated[
        Literal["newest", "oldest", "cost", "score", "rating"],
        typer.Option(help="What comes first; cost, score and rating: the highest."),
    ] = "newest",
    trash: Annotated[bool, typer.Option("--trash", help="What is in the trash.")] = False,
    session: o.SessionName = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    paths: o.Paths = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """List pictures, newest first."""
    with Profile.current().history() as store:
        generations = store.generations(search, session, limit, sort=sort, hidden=trash)
        short = store.short_ids([made.id for made in generations])
    if json:
        output.json_document([generation.to_json() for generation in generations])
    elif quiet:
        for generation in generations:
            output.line(generation.id)
    else:
        _print_table(generations, short, filtered=bool(search or session or trash), paths=paths)
        if len(generations) == limit:
            output.note(f"the first {limit} are shown; --limit shows more")


def _print_table(
    generations: list[Generation], short: Mapping[str, str], *, filtered: bool, paths: bool
) -> None:
    if not generations and filtered:
        output.note("no picture is like that")
        return
    if not generations:
        output.note('nothing was generated yet; try: cems generate "a red car"')
        return
    settings = Profile.current().settings
    money = output.money_of(settings)
    called = labels((s.metric, s.scorer) for one in generations for s in one.scores)
    prices = [money.thousand(made.cost_usd) for made in generations]
    columns = (
        Column("id"),
        Column("when", spare=2),
        Column("function"),
        Column("scores", spare=1),
        Column(money.unit, right=True),
        Column("path" if paths else "prompt", words="fold" if paths else "cut"),
    )
    output.table(
        columns,
        [
            (
                short[made.id],
                made.created[:16].replace("T", " "),
                made.executed,
                _scores(made, called) or UNKNOWN,
                UNKNOWN if price is None else f"{price:.4f}",
                str(made.image) if paths else one_line(made.prompt, PROMPT_CHARACTERS),
            )
            for made, price in zip(generations, prices, strict=True)
        ],
    )


def _scores(made: Generation, called: Mapping[Scale, str]) -> str:
    return " ".join(f"{called[s.metric, s.scorer]} {s.value:.2f}" for s in made.scores)
