"""A decision as its policy saw it, to be asked again with something changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cems_tui.domain.decision import Candidate, Policy, RoutingDecision
from cems_tui.errors import BudgetReached
from cems_tui.routing.decide.policy import (
    Option,
    ToldApart,
    always_told_apart,
    cheapest_wins_from,
    never_told_apart,
    pick,
    told_apart_by,
)

if TYPE_CHECKING:
    from cems_tui.routing.decide.difference import PairedSpread


@dataclass(frozen=True, slots=True)
class Question:
    """A decision as its policy saw it."""

    options: tuple[Option, ...]
    """The functions that could be picked, in the order of the card."""

    policy: Policy
    lambda_per_usd: float
    """0 where the policy has none."""

    load_usd: dict[str, float]
    """What loading adds to the price of each option, US dollars."""

    promises_cheapest: bool = True
    """Whether a dial at 0 means the cheapest, whatever λ; not for a classifier without a λ."""

    told_apart: ToldApart = never_told_apart
    """What is known of differences."""

    def winner(
        self,
        options: Sequence[Option] | None = None,
        policy: Policy | None = None,
        lambda_per_usd: float | None = None,
    ) -> str | None:
        """Who is picked if these things were otherwise; None when nobody can be."""
        asked = policy or self.policy
        those = self.options if options is None else options
        weight = self.lambda_per_usd if lambda_per_usd is None else lambda_per_usd
        if asked.kind == "tradeoff" and asked.value == 0 and self.promises_cheapest:
            weight = max(weight, cheapest_wins_from(those))
        try:
            return pick(those, asked, weight, self.told_apart).function if those else None
        except BudgetReached:
            return None

    def option(self, function: str) -> Option:
        return next(option for option in self.options if option.function == function)

    def changed(self, changed: Option) -> list[Option]:
        """The options with another one of the same name."""
        return [changed if o.function == changed.function else o for o in self.options]


def question_of(
    decision: RoutingDecision, load_cost: bool | None = None, spread: PairedSpread | None = None
) -> Question:
    """The decision as its policy saw it.

    Args:
        load_cost: whether load prices were compared too; None finds out from the utilities.
        spread: how sure the router's differences are; None where it cannot be asked.
    """
    counted = _load_counted(decision) if load_cost is None else load_cost
    share = (decision.load_share or 1.0) if counted else 0.0
    options, loads = [], {}
    for candidate in sorted(decision.candidates, key=lambda c: c.rank):
        worth = worth_of(candidate)
        if worth is None or not candidate.allowed or candidate.fits is False:
            continue
        load = (candidate.load_cost_usd or 0.0) * share
        price = None if candidate.cost_usd is None else candidate.cost_usd + load
        options.append(Option(candidate.function, worth, price))
        loads[candidate.function] = load
    weight = decision.lambda_per_usd or 0.0
    classifier = any(c.probability is not None for c in decision.candidates)
    policy = decision.policy
    if classifier and policy.kind == "balanced" and weight == 0.0:
        policy = Policy("lambda", 0.0)  # nobody asked it to look at prices
    if spread is not None and decision.in_distribution is False:
        spread = spread.widened()
    return Question(
        tuple(options),
        policy,
        weight,
        loads,
        not (classifier and weight == 0.0),
        always_told_apart if classifier else told_apart_by(spread),
    )


def worth_of(candidate: Candidate) -> float | None:
    """What the policy compares: quality, or of a classifier the probability of being the best."""
    return candidate.probability if candidate.quality is None else candidate.quality


def _load_counted(decision: RoutingDecision) -> bool:
    """Whether the recorded utilities hold the load prices too."""
    if decision.load_share is not None:
        return True
    weight = decision.lambda_per_usd or 0.0
    for candidate in decision.candidates:
        worth, load = worth_of(candidate), candidate.load_cost_usd
        if not load or worth is None or candidate.utility is None or candidate.cost_usd is None:
            continue
        if weight:
            paid = (worth - candidate.utility) / weight
            return abs(paid - candidate.cost_usd - load) < abs(paid - candidate.cost_usd)
    return False
