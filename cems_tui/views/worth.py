"""Was routing worth it, and do its predictions hold: the answers in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cems_tui.evidence.drift import ALLOWED, Drift
from cems_tui.evidence.regret import Instead, MeasuredRegret
from cems_tui.evidence.worth import Worth
from cems_tui.text import counted, visible
from cems_tui.views.figures import Money
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


def regret_lines(found: Sequence[MeasuredRegret], money: Money) -> Iterator[str]:
    """What pictures drawn again by lot say of what routing gave up; lines for each scale."""
    for one in found:
        metric = visible(one.metric)
        if one.value is None or one.interval is None or one.best is None:
            yield (
                f"cannot be told yet: {counted(one.missing, 'more picture')} drawn again by lot "
                f"({metric}, {one.lots} so far); cems shadow run draws some"
            )
        else:
            low, high = one.interval
            yield (
                f"{one.value:.3f} [{low:.3f}, {high:.3f}] {metric} a picture given up at most "
                f"beside always one function, by {counted(one.lots, 'lot')} of "
                f"{counted(one.pictures, 'routed picture')}"
            )
        for other in one.instead:
            if other.gained is not None and other.interval is not None:
                yield f"  {_instead_words(other, metric, money)}"


def _instead_words(one: Instead, metric: str, money: Money) -> str:
    """`base@20 instead, of 40 pictures: +0.031 [+0.010, +0.052] mixed, $0.012 more for 1,000`."""
    low, high = one.interval or (0.0, 0.0)
    figures = f"{one.gained:+.3f} [{low:+.3f}, {high:+.3f}] {metric}".replace("-", "−")
    cost = ""
    if one.cost_usd is not None:
        more = "more" if one.cost_usd >= 0 else "less"
        cost = f", {money.per_thousand_words(abs(one.cost_usd))} {more}"
    return (
        f"{visible(one.function)} instead, where it was not taken: {figures} a picture{cost} "
        f"({one.lots} of {one.pictures})"
    )


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
