"""`cems history`: what was generated, what it cost, how it scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cems_tui.cli import options as o

if TYPE_CHECKING:
    from cems_tui.record import Generation

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
    from cems_tui.wiring import open_history

    with open_history() as store:
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
    from cems_tui.cli.why import why

    why(picture, json)


@history.command("stats")
def stats(session: SessionName = None, json: o.Json = False) -> None:
    """Print counts, costs and scores, overall and by function."""
    from cems_tui.cli import output
    from cems_tui.cli.statistics import stats_lines
    from cems_tui.wiring import open_history, open_planner_settings

    with open_history() as store:
        found = store.stats(session=session)
    if json:
        output.json_document(found.to_json())
        return
    for line in stats_lines(found, open_planner_settings()):
        output.line(line)


@history.command("path")
def path(json: o.Json = False) -> None:
    """Print where the database and the pictures are."""
    from cems_tui import paths
    from cems_tui.cli import output
    from cems_tui.settings import pictures_folder
    from cems_tui.wiring import open_planner_settings

    database, pictures = paths.current().database, pictures_folder(open_planner_settings())
    if json:
        output.json_document({"database": str(database), "pictures": str(pictures)})
        return
    output.line(str(database))
    output.line(str(pictures))


def _print_table(generations: list[Generation], *, filtered: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from cems_tui.cli import output
    from cems_tui.text import one_line
    from cems_tui.wiring import open_planner_settings

    if not generations and filtered:
        output.note("no picture is like that")
        return
    if not generations:
        output.note('nothing was generated yet; try: cems generate "a red car"')
        return
    settings = open_planner_settings()
    per_usd = settings["pricing.per_usd"]
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
