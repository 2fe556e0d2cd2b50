"""A budget shared by several pictures: the λ at which their expected bill meets it.

The Lagrangian reading of a budget: every picture takes argmax q − λ·c, and λ is bisected until
the sum of the prices fits. Where many pictures change at one λ, as many of them as fit take the
dearer pick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import BudgetReached
from cems_tui.routing.decide.policy import Option

Matrix = NDArray[np.float64]
Picks = NDArray[np.intp]

_HALVINGS = 200
_MARGIN = 1.0 + 1e-9  # a tie at the exact λ can be lost to rounding


@dataclass(frozen=True, slots=True)
class Load:
    """What bringing a function's model to the device costs, once for all its pictures."""

    model: str
    usd: float
    share: float = 1.0
    """Of it in the price of each picture."""


@dataclass(frozen=True, slots=True)
class Spending:
    """How a budget is spent on pictures, in their order."""

    lambdas: tuple[float, ...]
    """Quality units per US dollar, one a picture; they differ by rounding at most."""

    picks: tuple[str, ...]
    bill_usd: float
    """Expected, every load once."""


@dataclass(frozen=True, slots=True)
class _Market:
    """The pictures × functions to choose from."""

    functions: tuple[str, ...]
    worth: Matrix
    """Shape (N, M); −inf where a function cannot be chosen."""

    price: Matrix
    """US dollars, the shares of loads included where they count, shape (N, M); inf where it cannot
    be chosen."""

    loads: Mapping[int, Load] = field(default_factory=dict)
    """By column, of models that are not resident."""

    @classmethod
    def of(cls, wants: Sequence[Sequence[Option]], loads: Mapping[str, Load]) -> _Market:
        names = tuple(dict.fromkeys(option.function for want in wants for option in want))
        place = {name: column for column, name in enumerate(names)}
        worth = np.full((len(wants), len(names)), -np.inf)
        price = np.full((len(wants), len(names)), np.inf)
        for row, want in enumerate(wants):
            for option in want:
                assert option.price is not None, "only priced options can be budgeted"
                worth[row, place[option.function]] = option.worth
                price[row, place[option.function]] = option.price
        return cls(names, worth, price, {place[k]: v for k, v in loads.items() if k in place})

    def picks(self, lambda_per_usd: float) -> Picks:
        """The column each picture takes; of equal utilities the cheaper, then the first."""
        able = np.isfinite(self.price)
        value = np.where(able, self.worth - lambda_per_usd * np.where(able, self.price, 0), -np.inf)
        best = value == value.max(axis=1, keepdims=True)
        return np.asarray(np.argmin(np.where(best, self.price, np.inf), axis=1))

    def bill(self, picks: Picks) -> float:
        """The sum of the prices, every model's load once."""
        total = float(self.price[np.arange(len(picks)), picks].sum())
        loaded: set[str] = set()
        for column, count in zip(*np.unique(picks, return_counts=True), strict=True):
            load = self.loads.get(int(column))
            if load is not None:
                total -= load.usd * load.share * int(count)
                total += load.usd * (load.model not in loaded)
                loaded.add(load.model)
        return total

    def all_cheapest(self) -> float:
        """The smallest λ at which every picture takes a cheapest function."""
        low = self.price.min(axis=1, keepdims=True)
        dearer = np.isfinite(self.price) & (self.price > low)
        if not dearer.any():
            return 0.0
        base = np.where(self.price == low, self.worth, -np.inf).max(axis=1, keepdims=True)
        rise = np.where(dearer, self.price - low, 1.0)
        slopes = np.where(dearer, (self.worth - base) / rise, 0.0)
        return float(max(0.0, slopes.max()) * _MARGIN)


def spend(
    wants: Sequence[Sequence[Option]],
    budget_usd: float,
    loads: Mapping[str, Load] | None = None,
    *,
    least_lambda: float = 0.0,
) -> Spending:
    """The best pictures whose expected bill is within the budget.

    Args:
        wants: for each picture the functions that may make it, every one priced.
        budget_usd: what is left to spend.
        loads: by function, of models that are not resident, where loads count in the prices.
        least_lambda: λ is at least this.

    Raises:
        BudgetReached: even the cheapest functions cost more; the message has the least bill.
    """
    if not wants:
        return Spending((), (), 0.0)
    market = _Market.of(wants, loads or {})
    high = max(market.all_cheapest(), least_lambda)
    frugal = market.picks(high)
    if (least := market.bill(frugal)) > budget_usd:
        raise BudgetReached(
            f"{len(wants)} pictures cost at least ${least:.3g}, and ${max(0.0, budget_usd):.3g} "
            "is left of the session budget",
            f"Give --session-budget at least ${least:.3g} more than was spent, or fewer prompts.",
        )
    low = least_lambda
    lavish = market.picks(low)
    if market.bill(lavish) <= budget_usd:
        return _spending(market, lavish, np.full(len(wants), low))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if middle in (low, high):
            break
        picks = market.picks(middle)
        if market.bill(picks) <= budget_usd:
            high, frugal = middle, picks
        else:
            low, lavish = middle, picks
    return _upgraded(market, frugal, lavish, (high, low), budget_usd)


def _upgraded(
    market: _Market, frugal: Picks, lavish: Picks, lambdas: tuple[float, float], budget_usd: float
) -> Spending:
    """The frugal picks, with as many of the lavish ones as fit, in the order of the pictures."""
    picks, values = frugal.copy(), np.full(len(frugal), lambdas[0])
    for row in np.flatnonzero(frugal != lavish):
        picks[row] = lavish[row]
        if market.bill(picks) <= budget_usd:
            values[row] = lambdas[1]
        else:
            picks[row] = frugal[row]
    return _spending(market, picks, values)


def _spending(market: _Market, picks: Picks, lambdas: Matrix) -> Spending:
    return Spending(
        tuple(float(value) for value in lambdas),
        tuple(market.functions[column] for column in picks),
        market.bill(picks),
    )
