"""`cems history`: what was generated, what it cost, how it scored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli.output import money, usd_per_thousand
from cems_tui.text import counted

if TYPE_CHECKING:
    from cems_tui.domain.generation import Generation
    from cems_tui.settings import Settings
    from cems_tui.store.statistics import FunctionStats, Stats


history = typer.Typer(
    help="What was generated, what it cost, how it scored.", rich_markup_mode=None
)

ID_CHARACTERS = 26

SessionName = Annotated[
    str | None, typer.Option("--session", metavar="NAME", help="Only this session.")
]


def register(app: typer.Typer) -> None:
    app.add_typer(history, name="history")


@history.command("ls")
def ls(
    search: Annotated[
        str | None, typer.Option("--search", metavar="WORDS", help="Only prompts with these words.")
    ] = None,
    session: SessionName = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """List pictures, newest first."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile

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


@history.command("show")
def show(
    picture: Annotated[str, typer.Argument(metavar="ID", help="A picture's id, or its beginning.")],
    json: o.Json = False,
) -> None:
    """Print a picture's record; the same as `cems why`."""
    from cems_tui.cli.commands.why import why

    why(picture, json)


@history.command("stats")
def stats(session: SessionName = None, json: o.Json = False) -> None:
    """Print counts, costs and scores, overall and by function."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile

    profile = Profile.current()
    with profile.history() as store:
        found = store.stats(session=session)
    if json:
        output.json_document(found.to_json())
        return
    for line in stats_lines(found, profile.settings):
        output.line(line)


@history.command("path")
def path(json: o.Json = False) -> None:
    """Print where the database and the pictures are."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile

    profile = Profile.current()
    database, pictures = profile.paths.database, profile.pictures
    if json:
        output.json_document({"database": str(database), "pictures": str(pictures)})
        return
    output.line(str(database))
    output.line(str(pictures))


def _print_table(generations: list[Generation], *, filtered: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from cems_tui.cli import output
    from cems_tui.profile import Profile
    from cems_tui.text import one_line

    if not generations and filtered:
        output.note("no picture is like that")
        return
    if not generations:
        output.note('nothing was generated yet; try: cems generate "a red car"')
        return
    settings = Profile.current().settings
    per_usd = settings.pricing.per_usd
    unit = output.unit_per_thousand(settings)
    table = Table(box=None, pad_edge=False)
    table.add_column("id", no_wrap=True, min_width=ID_CHARACTERS)  # whole: it is copied
    for name in ("when", "function", "scores", unit, "prompt"):
        table.add_column(name, justify="right" if name == unit else "left", no_wrap=True)
    for generation in generations:
        scores = " ".join(f"{s.metric} {s.value:.2f}" for s in generation.scores)
        cost = "—" if generation.cost_usd is None else f"{generation.cost_usd * 1000 * per_usd:.4f}"
        table.add_row(
            generation.id,
            generation.created[:19].replace("T", " "),
            generation.executed,
            scores or "—",
            cost,
            Text(one_line(generation.prompt, 60)),
        )
    output.console().print(table)


# `cems history stats` in words: what is known, and what is not.


def stats_lines(stats: Stats, settings: Settings) -> Iterator[str]:
    """Totals first, then savings, then a line a function."""
    yield (
        f"{counted(stats.pictures, 'picture')} in {counted(stats.sessions, 'session')}, "
        f"{stats.failures} failed"
    )
    if not stats.pictures:
        return
    loading = money(stats.load_cost_usd, settings)
    yield f"cost      {money(stats.cost_usd, settings)}{_beside(stats.unpriced, 'unpriced')}"
    yield f"loading   {loading}{_beside(stats.load_unpriced, 'unpriced')}"
    saved = stats.savings
    if saved.estimated_usd is not None:
        yield (
            f"saved     ~{money(saved.estimated_usd, settings)} against always drawing with the "
            f"dearest candidate (estimated, {counted(saved.compared, 'picture')} compared)"
        )
    known = " · ".join(f"{k} {v:.2f}" for k, v in stats.seconds.items() if v is not None)
    yield f"seconds   {known or '—'}"
    yield ""
    for function in stats.functions:
        yield _function_line(function, settings)


def _function_line(function: FunctionStats, settings: Settings) -> str:
    mean = usd_per_thousand(
        function.mean_cost_usd,
        estimated=False,
        per_usd=settings.pricing.per_usd,
        currency=settings.pricing.currency,
    )
    scores = "  ".join(
        f"{score.metric} {score.mean:.3f} ({score.count}, {score.scorer.split(':')[0]})"
        for score in function.scores
    )
    return (
        f"{function.function:<20} {function.pictures:>5} pictures  {mean:>10} per 1,000  "
        f"{_seconds(function.mean_seconds)} s  {scores or 'not scored'}"
    )


def _beside(count: int, what: str) -> str:
    return f" ({count} {what} beside)" if count else ""


def _seconds(seconds: float | None) -> str:
    return "—" if seconds is None else f"{seconds:.3f}"
