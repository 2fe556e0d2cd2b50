"""What routing gave up, measured: pictures drawn again with functions that were not chosen.

A lot takes one of the routed pictures there are, all alike, and then one of the functions that
could have drawn it and did not. So the few stand for all there were as lots were drawn: each
counts by the inverse of the chance that its function had. It knows nothing of how lots are kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from cems_tui.evidence.mean import SURE, t_quantile

LEAST_LOTS = 8
"""Lots of a function before they stand for all the pictures it could have drawn."""


@dataclass(frozen=True, slots=True)
class Lot:
    """A routed picture that was drawn again with a function that was not chosen."""

    other: str
    """That function."""

    chance: float
    """Of the lot to fall on this function, the picture given: over 0 to 1."""

    gained: float
    """The other picture's score less the routed one's, one instrument, higher being better."""

    cost_usd: float | None = None
    """What the other picture cost less what the routed one did; None where either is unknown."""


@dataclass(frozen=True, slots=True)
class Instead:
    """What always taking one function where it could have drawn would have changed."""

    function: str
    lots: int
    pictures: int
    """Routed pictures that it could have drawn and did not."""

    gained: float | None
    """Mean score gained on those pictures; None with too few lots."""

    interval: tuple[float, float] | None
    """90 % interval of it."""

    cost_usd: float | None
    """Mean US dollars a picture it would have cost more; None where not known of every lot."""


@dataclass(frozen=True, slots=True)
class MeasuredRegret:
    """The regret beside the best single function of hindsight, on one scale."""

    metric: str
    scorer: str
    pictures: int
    """Routed pictures that it is about."""

    lots: int
    instead: tuple[Instead, ...]
    """Every function that could have drawn some of them, the one that gains most first."""

    best: str | None
    """The function that would have gained most over all of them; None where none is known."""

    value: float | None
    """Mean score a picture that routing gave up beside it, never below 0; None where a function
    has too few lots."""

    interval: tuple[float, float] | None
    """90 % interval, of all functions at once: that the best was picked among them is in it."""

    missing: int
    """Lots that are missing until every function has enough."""


def measured_regret(
    metric: str,
    scorer: str,
    lots: Sequence[Lot],
    could_draw: Mapping[str, int],
    pictures: int,
) -> MeasuredRegret:
    """What the lots say of all the pictures they were drawn from.

    Args:
        lots: read by one instrument.
        could_draw: of each function, how many of the pictures it could have drawn and did not.
        pictures: routed pictures in all.
    """
    by_function: dict[str, list[Lot]] = defaultdict(list)
    for lot in lots:
        by_function[lot.other].append(lot)
    found = [
        _instead(name, by_function.get(name, []), count, SURE) for name, count in could_draw.items()
    ]
    missing = sum(max(0, min(LEAST_LOTS, one.pictures) - one.lots) for one in found)
    found.sort(key=lambda one: (one.gained is None, -(one.gained or 0.0), one.function))
    told = [one for one in found if one.gained is not None]
    best, value, interval = None, None, None
    if told and len(told) == len(found):
        apart = 1.0 - (1.0 - SURE) / len(told)
        ends = [
            _of_all(
                _instead(one.function, by_function[one.function], one.pictures, apart), pictures
            )
            for one in told
        ]
        share, best = max((_share(one, pictures), one.function) for one in told)
        value = max(0.0, share)
        interval = (max(0.0, *(low for low, _ in ends)), max(0.0, *(high for _, high in ends)))
    return MeasuredRegret(
        metric, scorer, pictures, len(lots), tuple(found), best, value, interval, missing
    )


def _share(one: Instead, pictures: int) -> float:
    """What it gains over all pictures, those it could not draw unchanged."""
    return (one.gained or 0.0) * one.pictures / pictures


def _of_all(one: Instead, pictures: int) -> tuple[float, float]:
    low, high = one.interval or (0.0, 0.0)
    return low * one.pictures / pictures, high * one.pictures / pictures


def _instead(function: str, lots: Sequence[Lot], pictures: int, sure: float) -> Instead:
    """The mean over its pictures by those drawn by lot, each by the inverse of its chance."""
    costs = [lot.cost_usd for lot in lots if lot.cost_usd is not None]
    if len(lots) < min(LEAST_LOTS, pictures) or len(lots) < 2:
        return Instead(function, len(lots), pictures, None, None, None)
    weights = [1.0 / lot.chance for lot in lots]
    total = sum(weights)
    gained = sum(w * lot.gained for w, lot in zip(weights, lots, strict=True)) / total
    squares = sum((w * (lot.gained - gained)) ** 2 for w, lot in zip(weights, lots, strict=True))
    error = sqrt(squares * len(lots) / (len(lots) - 1)) / total
    half = t_quantile(len(lots) - 1, sure) * error
    cost = None
    if len(costs) == len(lots):
        cost = sum(w * usd for w, usd in zip(weights, costs, strict=True)) / total
    return Instead(function, len(lots), pictures, gained, (gained - half, gained + half), cost)
