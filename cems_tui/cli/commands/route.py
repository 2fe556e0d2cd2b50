"""`cems route`: the price card and the decision, nothing generated."""

from __future__ import annotations

from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.budget import loads_count, planned, spent_before
from cems_tui.cli.notes import NoteTeller
from cems_tui.cli.options import PictureOptions, RoutingOptions, requests_of, with_groups
from cems_tui.cli.price_card import print_decision
from cems_tui.domain.bill import bill_of
from cems_tui.profile import Profile
from cems_tui.services.refusal import refusal_of
from cems_tui.views.bill import bill_words


@with_groups
def route(
    *,
    prompts: o.Prompts = None,
    file: o.PromptFile = None,
    choice: RoutingOptions,
    pictures: PictureOptions,
    session_budget: o.SessionBudget = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why, and what would change it.")
    ] = False,
) -> None:
    """Print the price card and the decision of each prompt; generate nothing."""
    o.not_negative("--session-budget", session_budget)
    lines = o.prompt_lines(prompts, file, quiet=quiet)
    profile = Profile.current()
    with profile.planner() as planner:
        explainer = profile.explainer(planner.shelf) if explain and (json or not quiet) else None
        requests = requests_of(lines, choice, pictures, planner.settings, planner.check_pinned)
        if session_budget is not None:
            spent = spent_before(None, load_cost=loads_count(requests))
            each = [request for request in requests for _ in range(pictures.count)]
            followed = planned(each, planner, session_budget, spent, installed_only=False)
            requests = followed[:: pictures.count]
        bill, tell = [], NoteTeller()
        for request in requests:
            decision = planner.decide(request, frozenset(), installed_only=False)
            refused = refusal_of(decision) if request.policy.kind == "pinned" else None
            if refused is not None:
                raise refused
            told = explainer.explain(decision, request.load_cost) if explainer else None
            print_decision(decision, planner.settings, json=json, quiet=quiet, tell=tell, told=told)
            bill += [planner.bill_line(decision)] * pictures.count
        tell.close()
        if len(bill) > 1 and not (json or quiet):
            told_bill = bill_of(bill, loads_included=loads_count(requests))
            output.note(bill_words(told_bill, output.money_of(planner.settings)))
