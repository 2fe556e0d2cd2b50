"""What routing saved, and what it gave up for that, as a sum that can be checked.

Only pictures that the router chose count: of a pinned one the user decided. Both sides of every
comparison are what was expected when it was decided, on one price scale; what a picture measured
took, in a busy moment or after a load, is never set against an estimate. With the money stands
the quality given up or gained, by the router's own estimates; those of two routers are never added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from math import sqrt
from operator import add, attrgetter
from typing import Literal

from cems_tui.domain.decision import RoutingDecision

Z_90 = 1.645
"""Standard deviations on either side of a 90 % interval."""

Strategy = Literal["cheapest", "best single", "dearest"]
Role = Literal["any", "cheapest", "dearest"]
"""What a function was among those that could have drawn a picture; every one is `any`."""


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
class Alternative:
    """What could have drawn pictures instead, and as what."""

    scale: Scale
    role: Role
    function: str


@dataclass(frozen=True, slots=True)
class Sums:
    """Pictures added up beside what another function was expected to make of them."""

    pictures: int = 0
    usd: float = 0.0
    """US dollars that the other was expected to cost."""

    ran_usd: float = 0.0
    """US dollars that what ran was expected to cost."""

    known: int = 0
    """Pictures with an estimate of the other's quality, and their sum."""

    quality: float = 0.0
    gains: int = 0
    """Pictures with estimates of both; the sums of the differences and of the other's quality."""

    gained: float = 0.0
    gains_quality: float = 0.0
    spreads: int = 0
    """How many of those have a variance of the difference, and its sum."""

    variance: float = 0.0
    own_spreads: int = 0
    """How many have one of the other's quality, and its sum."""

    own_variance: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*map(add, _values(self), _values(other)))


_values = attrgetter(*(field.name for field in fields(Sums)))


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

    scored: float
    """What the other choice was expected to score, mean."""

    scored_interval: tuple[float, float] | None
    """90 % interval of that mean; None where an estimate has none."""


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
    pictures: Iterable[RoutedPicture],
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
    return savings_from(tally(pictures), routed, pinned, pinned_usd)


def savings_from(
    sums: Mapping[Alternative, Sums],
    routed: int,
    pinned: int = 0,
    pinned_usd: float | None = 0.0,
) -> Savings:
    """The same of pictures that were added up before."""
    cheapest = _playing("cheapest", sums)
    compared = sum(one.pictures for one in cheapest.values())
    if not compared:
        return Savings(None if routed else 0.0, 0, routed, pinned, pinned_usd, 0.0)
    best = _best_single(sums)
    found = [_compared("cheapest", cheapest)]
    if best:
        found.append(_compared("best single", best))
    found.append(_compared("dearest", _playing("dearest", sums)))
    return Savings(
        estimated_usd=found[-1].saved_usd,
        compared=compared,
        routed=routed,
        pinned=pinned,
        pinned_usd=pinned_usd,
        routed_usd=sum(one.ran_usd for one in cheapest.values()),
        against=tuple(found),
    )


def roles(picture: RoutedPicture) -> dict[Role, list[PricedFunction]]:
    """Which functions could have drawn it, and which of them is the cheapest and the dearest."""
    able = list(picture.able)
    return {
        "any": able,
        "cheapest": [min(able, key=lambda one: one.cost_usd)],
        "dearest": [max(able, key=lambda one: one.cost_usd)],
    }


def tally(pictures: Iterable[RoutedPicture]) -> dict[Alternative, Sums]:
    """The pictures added up, by what could have drawn them."""
    found: dict[Alternative, Sums] = {}
    for one in pictures:
        for role, other in ((role, other) for role, able in roles(one).items() for other in able):
            name = Alternative(one.scale, role, other.function)
            found[name] = found.get(name, Sums()) + beside(one.ran, other)
    return found


def beside(ran: PricedFunction, other: PricedFunction) -> Sums:
    """One picture, beside what another function was expected to make of it."""
    known, own = other.quality, other.deviation
    both = known is not None and ran.quality is not None
    variance = _variance(ran, other) if both else None
    own = own if both else None
    return Sums(
        pictures=1,
        usd=other.cost_usd,
        ran_usd=ran.cost_usd,
        known=int(known is not None),
        quality=known or 0.0,
        gains=int(both),
        gained=(ran.quality or 0.0) - (known or 0.0) if both else 0.0,
        gains_quality=(known or 0.0) if both else 0.0,
        spreads=int(variance is not None),
        variance=variance or 0.0,
        own_spreads=int(own is not None),
        own_variance=0.0 if own is None else own**2,
    )


def _playing(role: Role, sums: Mapping[Alternative, Sums]) -> dict[Alternative, Sums]:
    return {name: one for name, one in sums.items() if name.role == role}


def _best_single(sums: Mapping[Alternative, Sums]) -> dict[Alternative, Sums] | None:
    """Of each scale the function of the highest mean quality among those that could draw all of
    its pictures; None where a scale has no such function."""
    compared: dict[Scale, int] = {}
    for name, one in _playing("cheapest", sums).items():
        compared[name.scale] = compared.get(name.scale, 0) + one.pictures
    chosen: dict[Alternative, Sums] = {}
    able = sorted(_playing("any", sums).items(), key=lambda item: item[0].function)
    for scale, pictures in compared.items():
        ours = [(n, one) for n, one in able if n.scale == scale and one.known == pictures]
        if not ours:
            return None
        name, best = max(ours, key=lambda item: item[1].quality)
        chosen[name] = best
    return chosen


def _compared(against: Strategy, others: Mapping[Alternative, Sums]) -> Comparison:
    names = {name.function for name in others}
    usd = sum(one.usd for one in others.values())
    saved = usd - sum(one.ran_usd for one in others.values())
    return Comparison(
        against=against,
        function=names.pop() if len(names) == 1 else None,
        pictures=sum(one.pictures for one in others.values()),
        usd=usd,
        saved_usd=saved,
        saved_share=saved / usd if usd > 0.0 else None,
        quality=tuple(_changes(others)),
    )


def _changes(others: Mapping[Alternative, Sums]) -> Iterable[QualityChange]:
    """What was gained, one of each router and metric."""
    by_scale: dict[Scale, Sums] = {}
    for name, one in others.items():
        by_scale[name.scale] = by_scale.get(name.scale, Sums()) + one
    for scale, sums in sorted(by_scale.items(), key=lambda item: repr(item[0])):
        if sums.gains:
            yield QualityChange(
                router=scale.router,
                metric=scale.metric,
                pictures=sums.gains,
                gained=sums.gained / sums.gains,
                interval=_interval(sums.gained, sums.gains, sums.spreads, sums.variance),
                scored=sums.gains_quality / sums.gains,
                scored_interval=_interval(
                    sums.gains_quality, sums.gains, sums.own_spreads, sums.own_variance
                ),
            )


def _interval(
    total: float, count: int, spreads: int, variance: float
) -> tuple[float, float] | None:
    """90 % interval of a mean by the variances of what it is over; None where one is unknown."""
    if spreads != count:
        return None
    half = Z_90 * sqrt(max(0.0, variance)) / count
    return (total / count - half, total / count + half)


def _variance(ran: PricedFunction, other: PricedFunction) -> float | None:
    """Of the difference of two pictures' qualities; of a function and itself it is nothing.

    The two are taken as independent: errors that they share make the interval wider than it has
    to be, never narrower.
    """
    if ran.function == other.function:
        return 0.0
    mine, theirs = ran.deviation, other.deviation
    return None if mine is None or theirs is None else mine**2 + theirs**2
