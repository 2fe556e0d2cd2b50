"""`cems route`: the price card and the decision, nothing generated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cems_tui.cli import options as o

if TYPE_CHECKING:
    from cems_tui.bench.prompt_sets import PromptLine
    from cems_tui.events import Request
    from cems_tui.planner import Planner
    from cems_tui.routers.explaining import Explainer
    from cems_tui.routing.decision import RoutingDecision
    from cems_tui.routing.explanation import Explanation
    from cems_tui.settings import Settings


def register(app: typer.Typer) -> None:
    app.command("route")(route)


def route(
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
    session_budget: o.SessionBudget = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why, and what would change it.")
    ] = False,
) -> None:
    """Print the price card and the decision of each prompt; generate nothing."""
    from cems_tui import wiring
    from cems_tui.cli.budgeting import loads_count, planned, spent_before

    choice = o.RoutingOptions(
        function, pool, tradeoff, budget_per_image, floor, tolerance, lambda_, router, load_cost
    ).checked()
    o.not_negative("--session-budget", session_budget)
    lines = o.prompt_lines(prompts, file)
    with wiring.open_planner() as planner:
        explainer = explainer_of(planner) if explain and (json or not quiet) else None
        requests = [request_of(line, choice, planner.settings, len(lines)) for line in lines]
        if session_budget is not None:
            spent = spent_before(None, load_cost=loads_count(requests))
            requests = planned(requests, planner, session_budget, spent, installed_only=False)
        for request in requests:
            decision = planner.decide(request, frozenset(), installed_only=False)
            told = explainer.explain(decision, request.load_cost) if explainer else None
            print_decision(decision, planner.settings, json=json, quiet=quiet, told=told)


def request_of(
    line: PromptLine, choice: o.RoutingOptions, settings: Settings, prompts: int
) -> Request:
    """The request that a prompt and the command's options make together."""
    from cems_tui.events import Request
    from cems_tui.ids import new_id

    policy, explicit = choice.policy(settings, line)
    return Request(
        id=new_id(),
        prompt=line.prompt,
        policy=policy,
        policy_is_explicit=explicit,
        pool=choice.pool_names(),
        router=choice.router,
        load_cost=choice.counts_load(settings, prompts),
        seed=line.seed,
        width=line.width,
        height=line.height,
        negative=line.negative,
    )


def explainer_of(planner: Planner) -> Explainer:
    """Who tells why the planner decides as it does."""
    from cems_tui.routers.explaining import open_explainer

    return open_explainer(planner.shelf)


def print_decision(
    decision: RoutingDecision,
    settings: Settings,
    *,
    json: bool,
    quiet: bool,
    told: Explanation | None = None,
) -> None:
    """One decision on stdout: JSON, a name, or the card, with its explanation where asked for."""
    from cems_tui.cli import output

    if json:
        said = {} if told is None else {"explanation": told.to_json()}
        output.json_line({**decision.to_json(), **said})
    elif quiet:
        output.line(decision.choice or "")
    else:
        from cems_tui.cli.card import explanation_table, price_card

        console = output.console()
        console.print(price_card(decision, settings, console.width))
        if told is not None:
            console.print(explanation_table(told, settings))
        for text in (*decision.notes, *filter(None, [decision.refusal])):
            output.note(f"note: {text}")
        console.print()
