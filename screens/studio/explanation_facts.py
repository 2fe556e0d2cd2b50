"""Why a function was picked, as facts for a dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cems_tui.domain.decision import RoutingDecision
from cems_tui.routing.explain.words import UNLIKE, rows
from cems_tui.text import one_line, visible
from cems_tui.views.figures import DOLLARS, Money
from screens.studio import receipt
from screens.widgets.facts import Fact

if TYPE_CHECKING:
    from cems_tui.routing.explain.explanation import Explanation

PROMPT_CHARACTERS = 120
"""A longer prompt is cut: the receipt has all of it."""

STYLES = {"why": "bold", "for it": "$quality", "against": "$cost"}


def facts(decision: RoutingDecision, told: Explanation, money: Money = DOLLARS) -> list[Fact]:
    """The prompt, who was asked, and the explanation."""
    found = _head(decision)
    for name, text in rows(told, money.per_thousand):
        found.append(Fact(name, text, STYLES.get(name, "")))
    return found


def asking(decision: RoutingDecision) -> list[Fact]:
    """What is known before the router was asked again."""
    return [*_head(decision), Fact("why", "asking the router …", "$muted")]


def failed(decision: RoutingDecision, error: Exception) -> list[Fact]:
    """The explanation could not be made."""
    text = visible(f"not explained: {type(error).__name__}: {error}")
    return [*_head(decision), Fact("why", text, "$error")]


def _head(decision: RoutingDecision) -> list[Fact]:
    unlike = decision.in_distribution is False
    return [
        Fact("prompt", one_line(decision.prompt, PROMPT_CHARACTERS)),
        Fact("router", receipt.router(decision)),
        *receipt.refused(decision),
        *([Fact("", UNLIKE, "$warning")] if unlike else []),
    ]
