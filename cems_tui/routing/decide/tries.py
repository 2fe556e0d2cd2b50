"""Several pictures of one prompt: a draft and perhaps a dearer one, or the best of many seeds.

What is expected comes from the decision on the prompt; nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from cems_tui.domain.decision import Candidate, RoutingDecision

MOST_TRIES = 64
"""Seeds of one function that are drawn for one picture at most."""

WIDTH_90 = 2 * NormalDist().inv_cdf(0.95)
"""Standard deviations that a 90 % interval is wide."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """A draft by the cheap function, and the dearer one where it falls short."""

    draft: str
    dear: str
    ceiling: float
    """What the router expects of the dear function, in the metric's unit, higher being better."""

    tolerance: float
    """How far the scorer errs, in that unit: less is no reason to draw again."""

    beaten_by: str | None = None
    """A function outside the pool that costs less than the draft and is expected to be better:
    on recorded tables such a draft was seldom worth it."""

    def falls_short(self, score: float) -> bool:
        """Whether a draft of that score is drawn again."""
        return self.ceiling - score > self.tolerance


def escalation_of(decision: RoutingDecision, tolerance: float) -> Escalation | None:
    """What to draft with, and what may follow; None where no two priced functions are foreseen.

    The draft is by the cheapest; what may follow is the pick, or where that is the cheapest itself
    the one that is expected to be best.
    """
    able = _able(decision)
    if len(able) < 2:
        return None
    draft = min(able, key=_cost)
    dear = next((one for one in able if one.function == decision.choice), draft)
    if dear == draft:
        dear = max((one for one in able if one != draft), key=_quality)
    better = (
        one.function
        for one in decision.candidates
        if one.installed
        and one.quality is not None
        and one.cost_usd is not None
        and one.cost_usd < _cost(draft)
        and one.quality >= _quality(draft)
    )
    return Escalation(draft.function, dear.function, _quality(dear), tolerance, next(better, None))


@dataclass(frozen=True, slots=True)
class BestOf:
    """So many pictures by one function, the best scored of which is kept."""

    function: str
    tries: int
    expected: float | None
    """The expected score of the best of them; None where none is."""

    cost_usd: float | None
    """US dollars expected of all of them, loading apart; None where that is unknown."""


def best_of(
    decision: RoutingDecision,
    spreads: Mapping[str, float],
    tries: int | None,
    budget_usd: float | None,
) -> BestOf | None:
    """The function and number of tries whose best is expected to score most.

    Args:
        spreads: one standard deviation of a function's scores from seed to seed, where measured;
            of others that of the router's interval is taken, which holds the router's own error.
        tries: how many; None chooses, which needs a budget.
        budget_usd: what all tries together may cost; None follows the pick.

    Returns:
        None where nothing that is foreseen and priced is within the budget.
    """
    if budget_usd is None:
        chosen = decision.chosen
        return None if chosen is None or tries is None else _tries_of(chosen, tries, spreads)
    found = []
    for one in _able(decision):
        affordable = MOST_TRIES
        if _cost(one) > 0:
            affordable = min(MOST_TRIES, int(budget_usd / _cost(one) + 1e-9))
        count = affordable if tries is None else tries
        if 1 <= count <= affordable:
            found.append(_tries_of(one, count, spreads))
    return max(found, key=lambda one: (one.expected or 0.0, -(one.cost_usd or 0.0)), default=None)


def _tries_of(one: Candidate, count: int, spreads: Mapping[str, float]) -> BestOf:
    gain = spread_of(one, spreads) * largest_of(count)
    expected = None if one.quality is None else one.quality + gain
    return BestOf(one.function, count, expected, one.cost_usd and count * one.cost_usd)


def finisher_of(decision: RoutingDecision, draft: str) -> Candidate | None:
    """What draws a kept draft again: the best expected of those dearer than what drew it; None
    where none is."""
    drew = next((one for one in decision.candidates if one.function == draft), None)
    least = None if drew is None else drew.cost_usd
    dearer = [one for one in _able(decision) if least is not None and _cost(one) > least]
    return max(dearer, key=_quality, default=None)


def spread_of(candidate: Candidate, spreads: Mapping[str, float]) -> float:
    """One standard deviation of its scores: measured, else by the predicted interval; 0 where
    neither is known."""
    if candidate.function in spreads:
        return spreads[candidate.function]
    if candidate.interval is None:
        return 0.0
    low, high = candidate.interval
    return (high - low) / WIDTH_90


def largest_of(count: int) -> float:
    """The expected largest of so many standard normal numbers, within 2 % (Blom)."""
    return NormalDist().inv_cdf((count - 0.375) / (count + 0.25)) if count > 1 else 0.0


def _able(decision: RoutingDecision) -> Sequence[Candidate]:
    """What can be chosen, is installed, priced and foreseen."""
    return [
        one
        for one in decision.candidates
        if one.allowed
        and one.installed
        and one.fits is not False
        and one.blocked_by is None
        and one.cost_usd is not None
        and one.quality is not None
    ]


def _cost(one: Candidate) -> float:
    return one.cost_usd or 0.0


def _quality(one: Candidate) -> float:
    return one.quality or 0.0
