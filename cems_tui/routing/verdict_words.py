"""What a router's figures mean, in a sentence or two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def verdict_in_words(figures: Mapping[str, Any]) -> str:
    """The verdict of `router eval` for people, from its own JSON."""
    metric = str(figures.get("metric") or "quality")
    said = [f"{_SAID[str(figures['verdict'])]} ({_single(figures)}): {_quality(figures, metric)}"]
    if area := figures.get("area_recovered"):
        low, high = area["ci95"]
        said.append(
            f"it recovers {area['value']:.1%} [{low:.1%}, {high:.1%}] of what an oracle gains over "
            "mixing single functions at the same cost"
        )
    if (qnc := figures.get("qnc")) is not None:
        said.append(f"it matches the best single's quality at {qnc:.0%} of its cost")
    return "; ".join(said)


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
