"""What a finished picture cost, in words: measured, what of that was no fault of its own, expected.

A measured price is set against none that was expected: the first picture after a load and one
drawn in a busy moment took longer than such a picture takes, and that is said.
"""

from __future__ import annotations

from cems_tui.domain.decision import Candidate
from cems_tui.domain.generation import Generation
from cems_tui.text import visible
from cems_tui.views.figures import Money, times
from cems_tui.views.price_card import WORTH_SAYING

WAITED_WORTH_SAYING = 0.1
"""Share of the drawing that waited for a processor, from which on it is said."""


def measured_words(generation: Generation, money: Money) -> str:
    """`$0.0283 per 1,000 measured (the first after loading: it takes longer)`."""
    if generation.cost_usd is None:
        return "unpriced"
    estimated = generation.cost_source != "measured"
    price = money.per_thousand_words(generation.cost_usd, estimated=estimated)
    why = slower_because(generation)
    return f"{price} {generation.cost_source or ''}{f' ({why})' if why else ''}".strip()


def slower_because(generation: Generation) -> str:
    """What made it take longer than such a picture takes; empty where nothing did."""
    reasons = []
    if generation.cold:
        reasons.append("the first after loading, which takes longer")
    waited = generation.contention
    if waited is not None and waited >= WAITED_WORTH_SAYING:
        reasons.append(f"{waited:.0%} of it waited for a processor that others had")
    return "; ".join(reasons)


def expected_words(generation: Generation, money: Money) -> str:
    """What such a picture was expected to cost, and the dearest that could have been chosen;
    both as they were when it was decided. Empty where nothing was expected."""
    decision = generation.decision
    ran = next((c for c in decision.candidates if c.function == generation.executed), None)
    if ran is None or ran.cost_usd is None:
        return ""
    words = _price(ran, money)
    dearest = decision.dearest
    if dearest is None or dearest.cost_usd is None:
        return words
    if dearest.function == generation.executed:
        return f"{words}; nothing that could be chosen is dearer"
    ours, theirs = decision.compared_usd(ran), decision.compared_usd(dearest)
    ratio = theirs / ours if ours and theirs is not None else 0.0
    dearer = f" ({times(ratio)})" if ratio >= WORTH_SAYING else ""
    return f"{words}; the dearest, {visible(dearest.function)}, {_price(dearest, money)}{dearer}"


def load_words(generation: Generation, money: Money) -> str:
    """What loading its model cost, which is no part of its price; empty where it was loaded."""
    if generation.load_cost_usd is None:
        return "load unpriced"
    if generation.load_cost_usd == 0.0:
        return ""
    return f"load {money.total(generation.load_cost_usd)} beside"


def energy_words(generation: Generation, money: Money) -> str:
    """`0.42 Wh, $0.00011 beside the price`; empty where nothing measured it."""
    if generation.energy_wh is None:
        return ""
    told = money.energy(generation.energy_wh, generation.energy_usd)
    return told if generation.energy_usd is None else f"{told} beside the price"


def price_interval(candidate: Candidate, money: Money) -> str:
    """The ends of the 90 % interval of its price by the thousand; empty where unknown."""
    if candidate.cost_interval is None:
        return ""
    low, high = (money.per_thousand(end).removesuffix("/k") for end in candidate.cost_interval)
    return f"{low}…{high.removeprefix(money.sign)}"


def _price(candidate: Candidate, money: Money) -> str:
    price = money.per_thousand_words(candidate.cost_usd, estimated=True)
    interval = price_interval(candidate, money)
    return f"{price} [{interval}]" if interval else price
