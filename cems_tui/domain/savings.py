"""What routing saved, and what it gave up for that, as a sum that can be checked.

Only pictures that the router chose count: of a pinned one the user decided. Both sides of every
comparison are what was expected when it was decided, on one price scale; what a picture measured
took, in a busy moment or after a load, is never set against an estimate. With the money stands
the quality given up or gained, by the router's own estimates; those of two routers are never added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from cems_tui.domain.decision import RoutingDecision

Z_90 = 1.645
"""Standard deviations on either side of a 90 % interval."""

Strategy = Literal["cheapest", "best single", "dearest"]


@dataclass(frozen=True, slots=True)
class Scale:
    """Whose quality estimates can be added: those of one router on one metric."""

    router: str | None
    metric: str | None
    router_sha256: str | None


@dataclass(frozen=True, slots=True)
class PricedFunction:
    """One function of a decision, as it was expected."""

    function: str
    cost_usd: float
    quality: float | None
    interval: tuple[float, float] | None

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the quality, from its 90 % interval."""
        return None if self.interval is None else (self.interval[1] - self.interval[0]) / (2 * Z_90)


@dataclass(frozen=True, slots=True)
class RoutedPicture:
    """A picture that the router chose the function of, and what could have been chosen."""

    scale: Scale
    ran: PricedFunction
    able: tuple[PricedFunction, ...]
    """The priced functions that could have been chosen; the one that ran is among them."""


@dataclass(frozen=True, slots=True)
class QualityChange:
    """What was gained in quality a picture, by the router's estimates; negative was given up."""

    router: str | None
    metric: str | None
    pictures: int
    gained: float
    """Mean, in the metric's unit."""

    interval: tuple[float, float] | None
    """90 % interval of the mean by the intervals of the estimates; None where one has none."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Routing against one simple way to choose, over the same pictures."""

    against: Strategy
    function: str | None
    """The function that it draws with; None where that is not the same for all pictures."""

    pictures: int
    usd: float
    """US dollars that it was expected to cost."""

    saved_usd: float
    """That, less what routing was expected to cost; negative: routing paid more."""

    saved_share: float | None
    """Of what it would have cost; None where that is nothing."""

    quality: tuple[QualityChange, ...]
    """One of each router and metric; empty where no router estimated both."""


@dataclass(frozen=True, slots=True)
class Savings:
    """What routing saved over some pictures; all of it estimated."""

    estimated_usd: float | None
    """Against always drawing with the dearest function that could be chosen; 0 where nothing was
    routed, None where pictures were and none of them can be compared."""

    compared: int
    """Routed pictures whose prices were known."""

    routed: int
    pinned: int
    """Pictures whose function the user named; they are in no comparison."""

    pinned_usd: float | None
    """US dollars those were measured to cost; None where there are some and none has a price."""

    routed_usd: float
    """US dollars that routing was expected to cost over the compared pictures."""

    against: tuple[Comparison, ...] = ()
    """Always the cheapest, the best single function, always the dearest; empty without
    comparable pictures."""


NOTHING_SAVED = Savings(0.0, 0, 0, 0, 0.0, 0.0)


def routed_picture(decision: RoutingDecision, executed: str) -> RoutedPicture | None:
    """The picture of a decision, if the router chose and what ran has a price."""
    if decision.policy.kind == "pinned":
        return None
    priced = [
        (
            PricedFunction(one.function, one.cost_usd, one.quality, one.interval),
            one.allowed and one.fits is not False,
        )
        for one in decision.candidates
        if one.cost_usd is not None
    ]
    scale = Scale(decision.router, decision.metric, decision.router_sha256)
    return picture_of(scale, executed, priced)


def picture_of(
    scale: Scale, executed: str, priced: Iterable[tuple[PricedFunction, bool]]
) -> RoutedPicture | None:
    """The picture of a decision's priced functions, each with whether it could be chosen; None
    where what ran has no price."""
    functions = list(priced)
    ran = next((one for one, _ in functions if one.function == executed), None)
    if ran is None:
        return None
    able = tuple(one for one, could in functions if could or one.function == executed)
    return RoutedPicture(scale, ran, able)


def savings_of(
    pictures: Sequence[RoutedPicture],
    routed: int,
    pinned: int = 0,
    pinned_usd: float | None = 0.0,
) -> Savings:
    """What those pictures saved.

    Args:
        pictures: the routed ones whose prices are known.
        routed: all routed ones.
        pinned, pinned_usd: how many were pinned, and what they were measured to cost.
    """
    if not pictures:
        return Savings(None if routed else 0.0, 0, routed, pinned, pinned_usd, 0.0)
    cheapest = [min(one.able, key=lambda able: able.cost_usd) for one in pictures]
    dearest = [max(one.able, key=lambda able: able.cost_usd) for one in pictures]
    best = _best_single(pictures)
    found = [_compared("cheapest", pictures, cheapest)]
    if best is not None:
        found.append(_compared("best single", pictures, best))
    found.append(_compared("dearest", pictures, dearest))
    return Savings(
        estimated_usd=found[-1].saved_usd,
        compared=len(pictures),
        routed=routed,
        pinned=pinned,
        pinned_usd=pinned_usd,
        routed_usd=sum(one.ran.cost_usd for one in pictures),
        against=tuple(found),
    )


def _best_single(pictures: Sequence[RoutedPicture]) -> list[PricedFunction] | None:
    """Of each scale the function of the highest mean quality among those that could draw all of
    its pictures; None where a scale has no such function."""
    chosen: dict[Scale, str] = {}
    for scale in {one.scale for one in pictures}:
        ours = [one for one in pictures if one.scale == scale]
        known = [{f.function: f.quality for f in one.able if f.quality is not None} for one in ours]
        everywhere = set(known[0]).intersection(*known[1:])
        if not everywhere:
            return None
        means = {name: sum(one[name] or 0.0 for one in known) for name in sorted(everywhere)}
        chosen[scale] = max(means, key=means.__getitem__)
    return [
        next(able for able in one.able if able.function == chosen[one.scale]) for one in pictures
    ]


def _compared(
    against: Strategy, pictures: Sequence[RoutedPicture], others: Sequence[PricedFunction]
) -> Comparison:
    names = {one.function for one in others}
    usd = sum(one.cost_usd for one in others)
    saved = sum(o.cost_usd - one.ran.cost_usd for one, o in zip(pictures, others, strict=True))
    return Comparison(
        against=against,
        function=names.pop() if len(names) == 1 else None,
        pictures=len(pictures),
        usd=usd,
        saved_usd=saved,
        saved_share=saved / usd if usd > 0.0 else None,
        quality=tuple(_changes(pictures, others)),
    )


def _changes(
    pictures: Sequence[RoutedPicture], others: Sequence[PricedFunction]
) -> Iterable[QualityChange]:
    pairs: dict[Scale, list[tuple[PricedFunction, PricedFunction]]] = {}
    for one, other in zip(pictures, others, strict=True):
        if one.ran.quality is not None and other.quality is not None:
            pairs.setdefault(one.scale, []).append((one.ran, other))
    for scale, found in pairs.items():
        gained = sum((ran.quality or 0.0) - (other.quality or 0.0) for ran, other in found)
        mean = gained / len(found)
        variances = [_variance(ran, other) for ran, other in found]
        known = [variance for variance in variances if variance is not None]
        interval = None
        if len(known) == len(variances):
            half = Z_90 * sqrt(sum(known)) / len(found)
            interval = (mean - half, mean + half)
        yield QualityChange(scale.router, scale.metric, len(found), mean, interval)


def _variance(ran: PricedFunction, other: PricedFunction) -> float | None:
    """Of the difference of two pictures' qualities; of a function and itself it is nothing.

    The two are taken as independent: errors that they share make the interval wider than it has
    to be, never narrower.
    """
    if ran.function == other.function:
        return 0.0
    mine, theirs = ran.deviation, other.deviation
    return None if mine is None or theirs is None else mine**2 + theirs**2
