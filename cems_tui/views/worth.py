"""Was routing worth it, and do its predictions hold: the answers in words."""

from __future__ import annotations

from collections.abc import Iterator

from cems_tui.evidence.drift import ALLOWED, Drift
from cems_tui.evidence.worth import Worth
from cems_tui.text import counted, visible
from cems_tui.views.savings import percent

_OPENING = {
    "yes": "yes",
    "as good for less": "yes, as far as can be told",
    "a trade": "it was a trade",
    "no": "no",
}


def worth_words(worth: Worth) -> str:
    """`yes: 41 % cheaper than always base@20 and 0.02 [0.01, 0.03] mixed better (30 pairs)`."""
    best = visible(worth.best_single or "")
    if worth.answer == "nothing routed":
        return "nothing was routed"
    if worth.answer == "not told":
        if worth.missing:
            return (
                f"cannot be told yet: {counted(worth.missing, 'more picture')} of its prompts "
                f"drawn and scored with {best} too; {counted(worth.pairs, 'pair')} so far"
            )
        return f"cannot be told: {worth.why}"
    cost = _cost_words(worth.saved_share)
    quality = _quality_words(worth)
    return f"{_OPENING[worth.answer]}: {cost} always {best} and {quality}"


def _cost_words(share: float | None) -> str:
    if not share:
        return "as dear as"
    return f"{percent(abs(share))} {'cheaper' if share > 0 else 'dearer'} than"


def _quality_words(worth: Worth) -> str:
    gained, interval = worth.gained, worth.interval
    if not worth.pairs or gained is None or interval is None:
        return "the same pictures"
    low, high = interval
    metric = visible(worth.metric or "quality")
    figures = f"{gained:+.3f} [{low:+.3f}, {high:+.3f}] {metric}".replace("-", "−")
    word = "better" if low > 0 else "worse" if high < 0 else "not told apart"
    return f"{word}, {figures} a picture by {counted(worth.pairs, 'measured pair')}"


def drift_lines(drifts: list[Drift]) -> Iterator[str]:
    """A line for each router whose scores leave its intervals more often than they should."""
    for one in drifts:
        if one.drifted:
            share, should = percent(one.outside / one.scored), percent(ALLOWED)
            scored = counted(one.scored, "scored picture")
            yield (
                f"{visible(one.router)} does not foresee {visible(one.metric)} any more: {share} "
                f"of {scored} lie outside its 90 % intervals, where {should} should, since "
                f"{one.since}; cems router retrain learns from them"
            )
