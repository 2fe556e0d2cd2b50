"""Why a choice is the choice, in a line: what is paid, for how much more quality, how sure.

It is held against whom a thrifty owner would hold it against: the cheapest of those that may be
as good. A reason, a card and a receipt say it in these words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cems_tui.domain.decision import Difference
from cems_tui.routing.decide.policy import Option

SAME = 5e-7
"""Two worths closer than this are equal, in words."""


def rival(
    chosen: Option, options: Sequence[Option], differences: Mapping[str, Difference | None]
) -> Option | None:
    """Whom the choice is held against; None without another option.

    The cheapest of the cheaper ones that are not told apart from it; failing that the cheapest of
    the cheaper ones; of the cheapest itself the best of the others. Nobody would take a cheaper one
    that another, cheaper still, is expected to beat.
    """
    others = [option for option in options if option.function != chosen.function]
    cheaper = [o for o in others if _price(o) < _price(chosen) and not _beaten(o, others)]
    ties = [o for o in cheaper if not _apart(differences.get(o.function))]
    if cheaper:
        return min(ties or cheaper, key=lambda o: (_price(o), -o.worth))
    return max(others, key=lambda o: (o.worth, -_price(o)), default=None)


def reason(
    why: str,
    chosen: Option,
    options: Sequence[Option],
    differences: Mapping[str, Difference | None],
    measure: str,
) -> str:
    """`balanced: 16x the price of starter-turbo@1 for 0.041 more mixed (90 %: −0.06 to 0.14)`.

    Args:
        why: what the policy took it as.
        differences: of the options to the choice, by function.
        measure: what worths are called.
    """
    other = rival(chosen, options, differences)
    if other is None:
        return f"{why}; no other function can be compared"
    apart = differences.get(other.function)
    name, gap = other.function, chosen.worth - other.worth
    if _price(other) < _price(chosen):
        gained = _gap_words(gap, measure) + _sure_words(apart, mirrored=True)
        if chosen.price is None:
            return f"{why}; of unknown price, {gained} than {name}"
        return f"{why}; {_times(other.price, chosen.price)} the price of {name} for {gained}"
    gained = _gap_words(-gap, measure) + _sure_words(apart, mirrored=False)
    if other.price is None:
        return f"{why}; {name} of unknown price promises {gained}"
    if other.price == chosen.price:
        return f"{why}; {name} at the same price promises {gained}"
    return f"{why}; {name} at {_times(chosen.price, other.price)} the price promises {gained}"


def _beaten(option: Option, others: Sequence[Option]) -> bool:
    return any(_price(o) < _price(option) and o.worth >= option.worth for o in others)


def _gap_words(gap: float, measure: str) -> str:
    if abs(gap) < SAME:
        return f"the same {measure}"
    return f"{abs(gap):.2g} {'more' if gap > 0 else 'less'} {measure}"


def _sure_words(apart: Difference | None, *, mirrored: bool) -> str:
    """The 90 % interval; mirrored where the choice's gain over the other is told."""
    if apart is None:
        return ""
    low, high = apart.interval
    if mirrored:
        low, high = -high, -low
    told = "" if apart.told_apart else ", too little to tell apart"
    return f" (90 %: {_signed(low)} to {_signed(high)}{told})"


def _signed(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")


def _apart(apart: Difference | None) -> bool:
    return apart is not None and apart.told_apart


def _times(low: float | None, high: float | None) -> str:
    """How many times the lower price the higher is."""
    if low is None or high is None or low <= 0:
        return "many times"
    return f"{high / low:.{1 if high < 9.95 * low else 0}f}x"


def _price(option: Option) -> float:
    return float("inf") if option.price is None else option.price
