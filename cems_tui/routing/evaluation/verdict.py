"""What a router's figures mean, in a sentence or two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.evaluation.evaluate import BEATS, BETTER, BOTH, SAVES, TIES, WORSE


def verdict_in_words(figures: Mapping[str, Any]) -> str:
    """The verdict of `router eval` for people, from its own JSON."""
    metric = str(figures.get("metric") or "quality")
    said = [f"{_SAID[str(figures['verdict'])]} ({_single(figures)}): {_quality(figures, metric)}"]
    said += _instead(figures, metric) or [verdict_label(figures)]
    if area := figures.get("area_recovered"):
        low, high = area["ci95"]
        said.append(
            f"it recovers {area['value']:.1%} [{low:.1%}, {high:.1%}] of what an oracle gains over "
            "mixing single functions at the same cost"
        )
    if figures["verdict"] == TIES and _nearly(figures):
        said.append(
            "its gain is above 0 in 95 % of resamples and not in 99.9 %: more prompts would tell"
        )
    if (qnc := figures.get("qnc")) is not None and not figures.get("instead"):
        said.append(f"it matches the best single's quality at {qnc:.0%} of its cost")
    return "; ".join(said)


def _nearly(figures: Mapping[str, Any]) -> bool:
    """The interval is above 0, which is not enough for the verdict: see `evaluate.CHANCE`."""
    gain = figures.get("area_gain_over_zero") or figures["quality_vs_best_single"]
    return bool(gain["ci95"][0] > 0)


def verdict_words(figures: Mapping[str, Any]) -> str:
    """`better pictures`, `saves cost`, `both`, `ties` or `worse`; `not evaluated` without figures.

    Of a card that does not say, by its quality beside the best single function's and the cost at
    which it matches it.
    """
    if "verdict_words" in figures:
        return str(figures["verdict_words"])
    if "verdict" not in figures:
        return NOT_EVALUATED
    if figures["verdict"] == WORSE:
        return WORSE
    better = figures["quality_vs_best_single"]["ci95"][0] > 0
    saves = figures["verdict"] == BEATS and (figures.get("qnc") or 1.0) < 1.0
    return BOTH if better and saves else BETTER if better else SAVES if saves else TIES


LABELS = {
    BETTER: "better pictures",
    SAVES: "saves money",
    BOTH: "better, cheaper",
    TIES: "no gain shown",
    WORSE: "worse pictures",
}
"""The verdicts of one word or two, as lists show them to people."""

NOT_EVALUATED = "not evaluated"


def verdict_label(figures: Mapping[str, Any]) -> str:
    """The verdict for a list that people read; `verdict_words` is what scripts rely on."""
    words = verdict_words(figures)
    return LABELS.get(words, words)


def _instead(figures: Mapping[str, Any], metric: str) -> list[str]:
    """Beside each function that one would run otherwise, the best single first."""
    rows = list(figures.get("instead") or ())
    rows.sort(key=lambda one: one["function"] != figures.get("best_single"))
    if not rows:
        return []
    said = []
    for one in rows:
        gained = f"{_interval(one['quality_gained'])} {metric} at the cost of always"
        saved = one["cost_saved"]
        cheaper = ""
        if saved is not None and saved["value"] > 0:
            low, high = saved["ci95"]
            cheaper = f", its quality for {saved['value']:.0%} [{low:.0%}, {high:.0%}] less"
        if one["quality_gained"]["value"] or cheaper:
            said.append(f"{gained} {one['function']}{cheaper}")
    return [f"{verdict_label(figures)}: " + ", ".join(said)] if said else []


_SAID = {
    "beats best single": "beats the best single function",
    "ties": "ties with the best single function",
    "worse": "is worse than the best single function",
}


def _single(figures: Mapping[str, Any]) -> str:
    return f"always {figures['best_single']}" if "best_single" in figures else "in hindsight"


def _quality(figures: Mapping[str, Any], metric: str) -> str:
    difference = figures["quality_vs_best_single"]
    low, high = difference["ci95"]
    return (
        f"with cost no object its {metric} differs by {difference['value']:+.4g} "
        f"[{low:+.4g}, {high:+.4g}] on {figures['prompts']:,} prompts"
    )


# Why a router is not worth asking, in numbers: what `router use` and the app say.


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
