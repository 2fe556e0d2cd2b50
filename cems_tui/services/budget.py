"""A session budget over many prompts: which λ each picture gets so that their bill fits.

What the user asked for explicitly (a function, a dial, a floor) is kept and paid first; λ is
chosen for the others, again before every picture, with what was really spent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cems_tui.domain.decision import Candidate, Policy, RoutingDecision
from cems_tui.domain.request import Request
from cems_tui.errors import BudgetReached
from cems_tui.routing.decide.budget import Load, Spending, spend
from cems_tui.routing.decide.policy import Option
from cems_tui.services.planner import Planner

Size = tuple[int | None, int | None, bool]
"""Width, height, and whether loads count: what prices depend on beside the function."""

LEAST_LAMBDA = 1e-9
"""Where a function has no price: quality alone decides, yet only priced functions are compared."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is known of a request before it is made."""

    worths: dict[str, float]
    """Of the functions that may make it; empty where the user's own policy decides."""

    fixed: str | None
    """The function that the user's own policy takes."""

    size: Size


class SessionBudget:
    """The requests of one command and the money they share."""

    def __init__(
        self,
        planner: Planner,
        requests: Sequence[Request],
        budget_usd: float,
        *,
        installed_only: bool,
    ) -> None:
        self.budget_usd = budget_usd
        self._planner = planner
        self._requests = list(requests)
        self._installed_only = installed_only
        self._wishes = [self._wish(request) for request in self._requests]

    def plan(
        self, spent_usd: float, resident: frozenset[str], begin: int = 0
    ) -> tuple[list[Request], Spending]:
        """The requests from `begin` on with their policies, and what the free ones will cost.

        Raises:
            BudgetReached: they cannot all be made with what is left, or one has no price.
        """
        wishes = self._wishes[begin:]
        share = 1.0 / max(1, len(wishes))
        cards = self._cards(wishes, begin, resident)
        fixed_usd = sum(_priced(cards[w.size], w.fixed) for w in wishes if w.fixed is not None)
        free = [place for place, wish in enumerate(wishes) if wish.worths]
        wants = [_options(wishes[place], cards[wishes[place].size], share) for place in free]
        unpriced = any(
            len(want) < len(wishes[i].worths) for i, want in zip(free, wants, strict=True)
        )
        spending = spend(
            wants,
            self.budget_usd - spent_usd - fixed_usd,
            self._loads(cards, share),
            least_lambda=LEAST_LAMBDA if unpriced else 0.0,
        )
        requests = self._requests[begin:]
        for place, value in zip(free, spending.lambdas, strict=True):
            requests[place] = replace(
                requests[place],
                policy=Policy("lambda", value),
                policy_is_explicit=True,
                load_pictures=len(wishes),
            )
        return requests, replace(spending, bill_usd=spending.bill_usd + fixed_usd)

    def _wish(self, request: Request) -> _Wish:
        size = (request.width, request.height, request.load_cost)
        if request.policy_is_explicit:
            return _Wish({}, self._decide(request, frozenset()).choice, size)
        decision = self._decide(_at_lambda(request, 0.0), frozenset())
        return _Wish(_worths(decision), None, size)

    def _cards(
        self, wishes: Sequence[_Wish], begin: int, resident: frozenset[str]
    ) -> dict[Size, dict[str, Candidate]]:
        """What every function costs now at every size that is asked for."""
        cards: dict[Size, dict[str, Candidate]] = {}
        for place, wish in enumerate(wishes):
            if wish.size not in cards:
                request = self._requests[begin + place]
                decision = self._decide(_at_lambda(request, 0.0), resident)
                cards[wish.size] = {one.function: one for one in decision.candidates}
        return cards

    def _decide(self, request: Request, resident: frozenset[str]) -> RoutingDecision:
        return self._planner.decide(request, resident, installed_only=self._installed_only)

    def _loads(self, cards: dict[Size, dict[str, Candidate]], share: float) -> dict[str, Load]:
        """By function, of models that would have to be loaded, where that counts."""
        return {
            name: Load(self._planner.function(name).model.name, one.load_cost_usd, share)
            for size, card in cards.items()
            if size[2]
            for name, one in card.items()
            if one.load_cost_usd
        }


def _at_lambda(request: Request, value: float) -> Request:
    """The request free to take any function; a pinned one would hide the others' prices."""
    return replace(request, policy=Policy("lambda", value), policy_is_explicit=True)


def _worths(decision: RoutingDecision) -> dict[str, float]:
    """What may be picked, and how good it is expected to be."""
    found = {}
    for one in decision.candidates:
        worth = one.probability if one.quality is None else one.quality
        if worth is not None and one.allowed and one.fits is not False:
            found[one.function] = worth
    return found


def _options(wish: _Wish, card: dict[str, Candidate], load_share: float) -> list[Option]:
    """The priced functions among those that may make it.

    Args:
        load_share: of a load price, which all the pictures that are left share.

    Raises:
        BudgetReached: none of them has a known price.
    """
    load_counts = wish.size[2]
    options = []
    for name, worth in wish.worths.items():
        one = card[name]
        if one.cost_usd is not None:
            load = (one.load_cost_usd or 0.0) * load_share if load_counts else 0.0
            options.append(Option(name, worth, one.cost_usd + load))
    if not options:
        raise _unpriced(", ".join(wish.worths))
    return options


def _priced(card: dict[str, Candidate], name: str) -> float:
    cost = card[name].cost_usd
    if cost is None:
        raise _unpriced(name)
    return cost


def _unpriced(names: str) -> BudgetReached:
    return BudgetReached(
        f"{names} has no known price, so it cannot be held to a session budget",
        "Choose a priced function, or leave --session-budget out.",
    )
