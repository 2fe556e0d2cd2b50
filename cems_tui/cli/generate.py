"""`cems generate`: route, generate, score and record every prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cems_tui.cli import options as o


def register(app: typer.Typer) -> None:
    app.command("generate")(generate)


def generate(
    prompts: o.Prompts = None,
    file: o.PromptFile = None,
    function: o.Function = "auto",
    pool: o.Pool = None,
    tradeoff: o.Tradeoff = None,
    budget_per_image: o.BudgetPerImage = None,
    floor: o.Floor = None,
    tolerance: o.Tolerance = None,
    lambda_: o.Lambda = None,
    router: o.Router = None,
    load_cost: o.LoadCost = None,
    seed: Annotated[int | None, typer.Option(help="The first picture's seed.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", help="Pictures of each prompt.")] = 1,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Pixels.")] = None,
    negative: Annotated[str, typer.Option(metavar="TEXT", help="What to avoid.")] = "",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where pictures go.")] = None,
    no_score: Annotated[bool, typer.Option("--no-score", help="Do not score.")] = False,
    session: Annotated[
        str | None, typer.Option(metavar="NAME", help="Open or continue a named session.")
    ] = None,
    session_budget: o.SessionBudget = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the bill, draw nothing.")
    ] = False,
    order: Annotated[
        Literal["fifo", "family"], typer.Option(help="As given, or by model to load less.")
    ] = "fifo",
    wait: Annotated[
        float | None, typer.Option(metavar="[S]", help="Wait for the device, S seconds at most.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds one picture may take.")
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> int:
    """Route, generate, score and record a picture of each prompt."""
    from cems_tui.cli import generating

    return generating.run(
        o.prompt_lines(prompts, file),
        o.RoutingOptions(
            function, pool, tradeoff, budget_per_image, floor, tolerance, lambda_, router, load_cost
        ).checked(),
        generating.DrawingOptions(
            seed=seed,
            count=count,
            size=size,
            negative=negative,
            out=out,
            score=not no_score,
            session=session,
            session_budget=session_budget,
            dry_run=dry_run,
            order=order,
            wait=wait,
            timeout=timeout,
        ).checked(),
        json=json,
        quiet=quiet,
    )
