"""The rules that pick one option: quality against price, and nothing else.

It knows nothing about how quality or price were estimated. CATImage's rule is
argmax q − λc; budget, floor and tolerance are its constrained readings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from cems_tui.domain.decision import Policy
from cems_tui.domain.note import Note
from cems_tui.errors import BudgetReached, UsageError

if TYPE_CHECKING:
    from cems_tui.routing.decide.difference import PairedSpread


@dataclass(frozen=True, slots=True)
class Option:
    """A function that may be picked."""

    function: str
    worth: float
    """Predicted quality in the metric's unit, or the probability of being the best."""

    price: float | None
    """US dollars a picture, the load included where it counts; None is unknown."""


ToldApart = Callable[[Option, Option], bool]
"""Whether the first is known to be better than the second for such prompts."""

FREE_HAND = 2.0
"""How many times the cheapest price balanced pays without knowing that the picture gets better."""


def never_told_apart(_one: Option, _other: Option) -> bool:
    """Nothing is known of differences."""
    return False


def always_told_apart(_one: Option, _other: Option) -> bool:
    """Of a classifier every lead counts: it does not say how much better a picture gets."""
    return True


def told_apart_by(spread: PairedSpread | None) -> ToldApart:
    """By what held-out prompts bore out; never where nothing is known."""
    if spread is None:
        return never_told_apart

    def told_apart(one: Option, other: Option) -> bool:
        least = spread.least_gain(one.function, other.function)
        return least is not None and one.worth - other.worth > least

    return told_apart


@dataclass(frozen=True, slots=True)
class Pick:
    """What a rule took, and why in a few words."""

    function: str
    why: str
    """`{measure}` stands for what the worth is: predicted quality, or a probability."""

    notes: tuple[Note, ...] = ()


def check_policy(policy: Policy) -> None:
    """Refuses what cannot be followed.

    Raises:
        UsageError: the value is not a number in the policy's range, or not a name when pinned.
    """
    kind, value = policy.kind, policy.value
    if kind == "pinned":
        if not isinstance(value, str) or not value:
            raise UsageError("a pinned policy needs a function's name", "`cems ls` shows them.")
        return
    if kind == "balanced" and value is None:
        return
    if isinstance(value, str) or value is None or isinstance(value, bool) or not isfinite(value):
        raise UsageError(f"the {kind} policy cannot follow {value!r}", "Give it a finite number.")
    if kind in ("tradeoff", "balanced") and not 0.0 <= value <= 1.0:
        raise UsageError(
            f"the trade-off is {value:g}; it runs from 0 to 1",
            "0 is the cheapest function, 1 the best quality.",
        )
    if kind in ("budget", "tolerance", "lambda") and value < 0.0:
        raise UsageError(f"the {kind} is {value:g}", "It cannot be negative.")


def utility(worth: float, price: float | None, lambda_per_usd: float) -> float | None:
    """q − λ·c; q alone at λ = 0; None when the price is needed and unknown."""
    if lambda_per_usd == 0.0:
        return worth
    return None if price is None else worth - lambda_per_usd * price


def cheapest_wins_from(options: Sequence[Option]) -> float:
    """The smallest λ at which a cheapest priced option has the best utility."""
    priced = [option for option in options if option.price is not None]
    if not priced:
        return 0.0
    low = min(_price(option) for option in priced)
    base = max(option.worth for option in priced if option.price == low)
    slopes = [
        (option.worth - base) / (_price(option) - low)
        for option in priced
        if _price(option) > low and option.worth > base
    ]
    # the tie at the exact slope can be lost to rounding
    return max(slopes, default=0.0) * (1.0 + 1e-9)


def pick(
    options: Sequence[Option],
    policy: Policy,
    lambda_per_usd: float,
    told_apart: ToldApart = never_told_apart,
) -> Pick:
    """The option the policy takes among at least one; on a tie the cheaper, then the first.

    Args:
        told_apart: what is known of differences; only `balanced` asks.

    Raises:
        BudgetReached: no option is priced within the budget.
    """
    assert options, "a policy needs something to pick from"
    kind, value = policy.kind, policy.value
    if kind == "balanced":
        return _balanced(options, lambda_per_usd, told_apart)
    if kind in ("tradeoff", "lambda"):
        return _best_utility(options, lambda_per_usd)
    assert isinstance(value, float | int), "check_policy comes first"
    if kind == "budget":
        return _within_budget(options, value)
    if kind == "floor":
        return _above_floor(options, value)
    return _near_best(options, value)


def ordered(options: Sequence[Option], utilities: Mapping[str, float | None]) -> list[Option]:
    """Best utility first; on a tie the cheaper, then the given order; no utility comes last."""

    def key(option: Option) -> tuple[bool, float, float]:
        value = utilities[option.function]
        return (value is None, -(value or 0.0), _price(option))

    return sorted(options, key=key)


def _best_utility(options: Sequence[Option], lambda_per_usd: float) -> Pick:
    utilities = {o.function: utility(o.worth, o.price, lambda_per_usd) for o in options}
    best = ordered(options, utilities)[0]
    left_out = [name for name, value in utilities.items() if value is None]
    notes = (_unpriced(left_out, "so not compared at this trade-off"),) if left_out else ()
    if utilities[best.function] is None:  # nothing is priced: quality is all there is to compare
        best = _best(options)
        return Pick(best.function, "best of those without a known price", notes)
    return Pick(best.function, "best utility" if lambda_per_usd else "best {measure}", notes)


def _balanced(options: Sequence[Option], lambda_per_usd: float, told_apart: ToldApart) -> Pick:
    """The best utility of those worth their price: within twice the cheapest, or surely better."""
    freely = _best_utility(options, lambda_per_usd)
    priced = [option for option in options if option.price is not None]
    if not priced:
        return freely
    cheapest = min(priced, key=lambda option: (_price(option), -option.worth))
    within = FREE_HAND * _price(cheapest)
    able = [o for o in priced if _price(o) <= within or told_apart(o, cheapest)]
    taken = _best_utility(able, lambda_per_usd)
    held = (
        ""
        if taken.function == freely.function
        else ", a dearer one is too little better to tell apart"
    )
    return Pick(taken.function, f"balanced{held}", freely.notes)


def _within_budget(options: Sequence[Option], budget: float) -> Pick:
    affordable = [o for o in options if o.price is not None and o.price <= budget]
    if not affordable:
        prices = [o.price for o in options if o.price is not None]
        least = f"the cheapest costs {min(prices):.3g} USD" if prices else "no price is known"
        raise BudgetReached(
            f"no function makes a picture for {budget:.3g} USD: {least}",
            "Raise --budget-per-image, or allow a cheaper function.",
        )
    return Pick(_best(affordable).function, f"best {{measure}} for at most {budget:.3g} USD")


def _above_floor(options: Sequence[Option], floor: float) -> Pick:
    reaching = [o for o in options if o.worth >= floor]
    if not reaching:
        why = f"no function is predicted to reach {floor:.4g}, so the best"
        return Pick(
            _best(options).function,
            why,
            (Note("floor", f"the floor of {floor:.4g} is out of reach"),),
        )
    return _cheapest(reaching, f"predicted to reach {floor:.4g}")


def _near_best(options: Sequence[Option], tolerance: float) -> Pick:
    least = _best(options).worth - tolerance
    near = [o for o in options if o.worth >= least]
    return _cheapest(near, f"within {tolerance:.3g} of the best")


def _cheapest(options: Sequence[Option], condition: str) -> Pick:
    """The cheapest of them; of unpriced ones alone the best."""
    unpriced = [o.function for o in options if o.price is None]
    notes = (_unpriced(unpriced, "so not the cheapest"),) if unpriced else ()
    if len(unpriced) == len(options):
        return Pick(_best(options).function, f"best {condition}, without a known price", notes)
    taken = min(options, key=lambda o: (_price(o), -o.worth))
    return Pick(taken.function, f"cheapest {condition}", notes)


def _unpriced(names: Sequence[str], so: str) -> Note:
    return Note("price", f"{', '.join(names)}: the price is unknown, {so}")


def _best(options: Sequence[Option]) -> Option:
    return min(options, key=lambda o: (-o.worth, _price(o)))


def _price(option: Option) -> float:
    return float("inf") if option.price is None else option.price
