"""Why a router is not worth asking, in numbers: what `router use` and the app say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cems_tui.routing.card import Card
from cems_tui.routing.evaluation import BEATS, TIES, WORSE


def refusal(card: Card) -> str | None:
    """Why this router should not be used without being forced; None when it earned its place.

    A router is trusted when its held-out figures beat the best single function.
    """
    figures = card.evaluation
    if card.verdict == BEATS:
        return None
    if card.verdict not in (TIES, WORSE):
        return (
            f"{card.name} was never judged: no prompt it was trained on has a score of every "
            "function, so nothing says it is better than always taking the best one"
        )
    found = "is worse than" if card.verdict == WORSE else "only ties with"
    numbers = _numbers(figures, card.metric)
    on = f" on {figures['prompts']:,} prompts" if "prompts" in figures else ""
    return f"{card.name} {found} the best single function{on}" + (f": {numbers}" if numbers else "")


def _numbers(figures: Mapping[str, Any], metric: str) -> str:
    said = []
    if difference := figures.get("quality_vs_best_single"):
        said.append(f"its quality differs by {_interval(difference)} {metric}")
    if gain := figures.get("area_gain_over_zero"):
        said.append(f"its gain over mixing single functions at random is {_interval(gain)}")
    return ", ".join(said)


def _interval(figure: Mapping[str, Any]) -> str:
    low, high = figure["ci95"]
    return f"{figure['value']:+.3g} [{low:+.3g}, {high:+.3g}]"
