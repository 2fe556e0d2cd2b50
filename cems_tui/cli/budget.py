"""`--session-budget` and `--session-energy`: the λ of every picture, and when to stop."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cems_tui.cli import output
from cems_tui.domain.request import Request
from cems_tui.errors import BudgetReached, UnknownName
from cems_tui.profile import CommandEngine, Profile
from cems_tui.routing.decide.budget import Spending
from cems_tui.services.budget import SessionBudget
from cems_tui.services.planner import Planner
from cems_tui.text import counted


def loads_count(requests: Sequence[Request]) -> bool:
    """Whether loading is part of the prices of a command."""
    return any(request.load_cost for request in requests)


def spent_before(session: str | None, *, load_cost: bool) -> float:
    """US dollars the named session (`--session`, `CEMS_SESSION`) has cost; 0 for a new one."""
    name = session or os.environ.get("CEMS_SESSION")
    if not name:
        return 0.0
    with Profile.current().history() as store:
        try:
            return store.stats(session=name).spent_usd(load_cost=load_cost)
        except UnknownName:
            return 0.0  # it begins with this command


def planned(
    requests: Sequence[Request],
    planner: Planner,
    budget_usd: float,
    spent_usd: float,
    *,
    installed_only: bool = True,
) -> list[Request]:
    """The requests with the λ that the budget allows, told in a line.

    Raises:
        BudgetReached: not all of them can be made for what is left.
    """
    shared = SessionBudget(planner, requests, budget_usd, installed_only=installed_only)
    followed, spending = shared.plan(spent_usd, frozenset())
    output.note(budget_line(len(requests), budget_usd, spent_usd, spending))
    return followed


def budget_line(pictures: int, budget_usd: float, spent_usd: float, spending: Spending) -> str:
    """How the budget is spent, in words."""
    before = f", ${spent_usd:.3g} of it spent before" if spent_usd else ""
    at = f" at λ = {max(spending.lambdas):.4g}" if spending.lambdas else ""
    return (
        f"session budget ${budget_usd:.4g}{before}: {counted(pictures, 'picture')} expected to "
        f"cost ${spending.bill_usd:.4g}{at}"
    )


TIGHTER = 1.1
"""Times the λ that was planned with: a higher one is told."""

NEARLY = 0.8
"""Share of the budget that is told when it is spent."""


@dataclass(slots=True)
class SharedBudget:
    """A session budget while its pictures are made."""

    requests: Sequence[Request]
    plan: SessionBudget
    engine: CommandEngine
    load_cost: bool
    began_usd: float
    """What the session had cost before these pictures."""

    _planned_lambda: float | None = None
    """λ before the first of them."""

    _told: set[str] = field(default_factory=set)

    @classmethod
    def of(
        cls, requests: Sequence[Request], engine: CommandEngine, budget_usd: float | None
    ) -> SharedBudget | None:
        """None without a budget."""
        if budget_usd is None:
            return None
        plan = SessionBudget(engine.planner, requests, budget_usd, installed_only=True)
        load_cost = loads_count(requests)
        return cls(requests, plan, engine, load_cost, engine.spent_usd(load_cost=load_cost))

    def next(self, number: int) -> Request:
        """The picture whose turn it is, with the λ that what is left allows.

        Where prices turned out higher than expected, the last pictures are made as cheaply as
        can be until the money is spent.

        Raises:
            BudgetReached: it would exceed the budget, or has no price to compare.
        """
        engine = self.engine
        spent, resident = engine.spent_usd(load_cost=self.load_cost), engine.session.resident()
        try:
            followed, spending = self.plan.plan(spent, resident, number)
            request = followed[0]
            self._warn(number, spent, spending)
        except BudgetReached:
            request = self.requests[number]
            if not request.policy_is_explicit:
                request = replace(
                    request, policy=type(request.policy).tradeoff(0.0), policy_is_explicit=True
                )
        check_price(request, engine, self.plan.budget_usd, spent)
        return request

    def _warn(self, number: int, spent_usd: float, spending: Spending) -> None:
        """Tell once that the rest has to be chosen cheaper, and once that little is left."""
        now = max(spending.lambdas, default=0.0)
        if self._planned_lambda is None:
            self._planned_lambda = now
        if now > TIGHTER * self._planned_lambda and "tighter" not in self._told:
            self._told.add("tighter")
            output.note(
                f"{counted(number, 'picture')} cost ${spent_usd - self.began_usd:.3g}, more than "
                f"planned: the rest is chosen at λ = {now:.4g} instead of "
                f"{self._planned_lambda:.4g}, for the ${self.plan.budget_usd - spent_usd:.3g} that "
                "are left"
            )
        if spent_usd > NEARLY * self.plan.budget_usd and "nearly" not in self._told:
            self._told.add("nearly")
            output.note(
                f"${spent_usd:.3g} of the session budget of ${self.plan.budget_usd:.3g} are spent"
            )


def check_price(request: Request, engine: CommandEngine, budget_usd: float, spent: float) -> None:
    """Stop before a picture that would take the session over its budget.

    Raises:
        BudgetReached: the next picture would exceed it, or has no price to compare.
    """
    decision = engine.planner.decide(request, engine.session.resident(), installed_only=True)
    chosen = decision.chosen
    if chosen is None:
        return
    if chosen.cost_usd is None:
        raise BudgetReached(
            f"{chosen.function} has no known price, so it cannot be held to a session budget",
            "Choose a priced function, or leave --session-budget out.",
        )
    price = chosen.cost_usd + ((chosen.load_cost_usd or 0.0) if request.load_cost else 0.0)
    if spent + price > budget_usd:
        raise BudgetReached(
            f"the session has cost ${spent:.3g} and {chosen.function} would add "
            f"${price:.3g}, over the budget of ${budget_usd:.3g}",
            "Raise --session-budget, or lower --tradeoff.",
        )


def energy_line(requests: Sequence[Request], planner: Planner, budget_wh: float) -> str:
    """What the pictures are expected to take of a session's watt-hours, in words."""
    chosen = [planner.decide(one, frozenset(), installed_only=True).chosen for one in requests]
    known = [one.energy_wh for one in chosen if one is not None and one.energy_wh is not None]
    pictures = counted(len(requests), "picture")
    if len(known) < len(requests):
        return f"session energy {budget_wh:.4g} Wh: what {pictures} take is not known here"
    return f"session energy {budget_wh:.4g} Wh: {pictures} expected to take {sum(known):.4g} Wh"


def check_energy(request: Request, engine: CommandEngine, budget_wh: float) -> None:
    """Stop before a picture that would take the session over its watt-hours.

    Raises:
        BudgetReached: it would, or what it takes, or one before it took, is not known.
    """
    stats = engine.store.stats(session=engine.session_id)
    if stats.unmetered:
        raise BudgetReached(
            f"what {counted(stats.unmetered, 'picture')} of this session took of electricity was "
            "not measured, so it cannot be held to watt-hours",
            "Nothing here may measure it: `cems history stats` says. Leave --session-energy out, "
            "or begin another --session.",
        )
    decision = engine.planner.decide(request, engine.session.resident(), installed_only=True)
    chosen = decision.chosen
    if chosen is None:
        return
    if chosen.energy_wh is None:
        raise BudgetReached(
            f"what {chosen.function} takes of electricity is not known here",
            "Draw a picture without --session-energy: its receipt says what it took, where the "
            "device tells.",
        )
    spent = stats.energy_wh or 0.0
    if spent + chosen.energy_wh > budget_wh:
        raise BudgetReached(
            f"the session has taken {spent:.3g} Wh and {chosen.function} would add "
            f"{chosen.energy_wh:.3g} Wh, over the budget of {budget_wh:.3g} Wh",
            "Raise --session-energy, or lower --tradeoff.",
        )
