"""A place on the dial in words, the same for both windows."""

from __future__ import annotations

from cems_tui.domain.decision import DialMeaning, RoutingDecision


def place_words(decision: RoutingDecision) -> str:
    """`balanced, 0.26 on the dial: 73 % of the way to the best quality at 16 % of its cost`; empty
    where the policy is no place on the dial."""
    policy, dial = decision.policy, decision.dial
    if dial is None or not isinstance(policy.value, float | int):
        return ""
    if policy.kind == "balanced":
        place = f"balanced, {policy.value:.2f} on the dial"
    else:
        place = f"dial {policy.value:.2f}, balanced is {dial.balanced:.2f}"
    means = meaning_words(dial)
    return f"{place}: {means}" if means else place


def meaning_words(dial: DialMeaning) -> str:
    """What the place gives by held-out prompts; empty where that is unknown."""
    if dial.cost_share is None:
        return ""
    cost = _percent(dial.cost_share, dial)
    if dial.quality_share is None:
        return f"{cost} of the best single function's cost"
    quality = _percent(dial.quality_share, dial)
    return f"{quality} of the way to the best quality at {cost} of its cost"


def short_meaning_words(dial: DialMeaning) -> str:
    """The same where there is little room."""
    if dial.cost_share is None or dial.quality_share is None:
        return meaning_words(dial)
    quality, cost = _percent(dial.quality_share, dial), _percent(dial.cost_share, dial)
    return f"{quality} of the way, {cost} of the cost"


def _percent(share: float, dial: DialMeaning) -> str:
    return f"{'~' if dial.estimated else ''}{100 * share:.0f} %".replace("-", "−")
