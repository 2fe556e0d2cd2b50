"""Whether routing was worth it: money by the prices it chose by, quality by measured pairs.

A pair is a routed picture and a picture of the same prompt that the best single function drew,
scored by the same instrument. Where routing took that very function nothing was gained or lost;
of the others a sample of pairs stands for all. It knows nothing of how pairs are found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from cems_tui.domain.savings import Comparison, Savings
from cems_tui.evidence.mean import t_quantile

LEAST_PAIRS = 8
"""Pairs of each other function that was routed to, before they stand for all its pictures."""

Answer = Literal["yes", "as good for less", "a trade", "no", "not told", "nothing routed"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A routed picture beside one of the same prompt by another function."""

    picture: str
    """The routed picture's id."""

    function: str
    """What routing took."""

    other: str
    metric: str
    scorer: str
    """The instrument that read both."""

    gained: float
    """Its score less the other's (the mean of several), higher being better."""


@dataclass(frozen=True, slots=True)
class Worth:
    """The answer to: was routing worth it, beside always drawing with the best single function?"""

    answer: Answer
    best_single: str | None
    saved_share: float | None
    """Of what the best single function would have cost; negative: routing cost more."""

    metric: str | None = None
    gained: float | None = None
    """Mean measured quality gained a picture, in the metric's unit; negative: given up."""

    interval: tuple[float, float] | None = None
    """90 % interval of it."""

    pairs: int = 0
    missing: int | None = None
    """How many pairs more it takes to be told; None where pairs alone cannot tell it."""

    why: str = ""
    """Where it cannot be told: why."""


def worth_of(savings: Savings, drew: Mapping[str, int], pairs: Iterable[Pair]) -> Worth:
    """The answer over some pictures.

    Args:
        savings: what routing saved over them.
        drew: how many pictures each function drew that were routed.
        pairs: what was measured beside them; those with other functions than the best single
            one are left out.
    """
    routed = sum(drew.values())
    if not routed:
        return Worth("nothing routed", None, None)
    best = next((one for one in savings.against if one.against == "best single"), None)
    if best is None:
        return Worth("not told", None, None, why="no router estimated these pictures' qualities")
    if best.function is None:
        several = "the best single function is not the same for all; ask for each router alone"
        return Worth("not told", None, best.saved_share, why=several)
    metric, by_function = _widest(pair for pair in pairs if pair.other == best.function)
    others = {name: count for name, count in drew.items() if name != best.function and count}
    found = {name: by_function.get(name, []) for name in others}
    known = sum(map(len, found.values()))
    missing = sum(max(0, min(LEAST_PAIRS, n) - len(found[name])) for name, n in others.items())
    if not others:
        return _answered(best, metric, 0.0, (0.0, 0.0), 0)
    if not missing and known == len(others):  # one pair each: nothing says how pairs differ
        missing = 1
    if missing:
        return Worth(
            "not told", best.function, best.saved_share, metric, pairs=known, missing=missing
        )
    means = {name: sum(values) / len(values) for name, values in found.items()}
    freedom = known - len(others)
    squares = sum((v - means[name]) ** 2 for name, values in found.items() for v in values)
    share = {name: count / routed for name, count in others.items()}
    gained = sum(share[name] * means[name] for name in others)
    error = sqrt(squares / freedom * sum(share[n] ** 2 / len(found[n]) for n in others))
    half = t_quantile(freedom) * error
    return _answered(best, metric, gained, (gained - half, gained + half), known)


def _answered(
    best: Comparison,
    metric: str | None,
    gained: float,
    interval: tuple[float, float],
    pairs: int,
) -> Worth:
    cheaper, dearer = best.saved_usd > 0, best.saved_usd < 0
    answer: Answer
    if interval[0] > 0:
        answer = "a trade" if dearer else "yes"
    elif interval[1] < 0:
        answer = "a trade" if cheaper else "no"
    else:
        answer = "as good for less" if cheaper else "no"
    return Worth(answer, best.function, best.saved_share, metric, gained, interval, pairs)


def _widest(pairs: Iterable[Pair]) -> tuple[str | None, dict[str, list[float]]]:
    """The pairs of the instrument that read most of them, by what routing took."""
    by_scale: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        by_scale.setdefault((pair.metric, pair.scorer), []).append(pair)
    if not by_scale:
        return None, {}
    (metric, _), widest = max(by_scale.items(), key=lambda item: (len(item[1]), item[0]))
    found: dict[str, list[float]] = {}
    for pair in widest:
        found.setdefault(pair.function, []).append(pair.gained)
    return metric, found
