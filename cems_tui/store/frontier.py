"""One's own pictures beside simple ways to choose, as the router foresaw them.

Of the newest routed pictures of one router on one metric: what each way would have cost and what
quality was foreseen, both as they were when it was decided. Scales are never mixed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from cems_tui.store.connection import Connection
from cems_tui.store.generations import among

NEWEST = 2000
"""Pictures that are looked at."""

Point = tuple[float, float]
"""Mean US dollars a picture, mean foreseen quality."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What one function offered for a picture."""

    picture: str
    function: str
    cost_usd: float
    quality: float
    ran: bool


@dataclass(frozen=True, slots=True)
class Frontier:
    """Ways to choose by mean cost and mean foreseen quality."""

    router: str
    metric: str
    pictures: int
    you: Point
    at_random: Point
    """One of the functions that could be chosen, by lot."""

    best_foreseen: Point
    """Always what was foreseen best, whatever it costs."""

    cheapest: Point
    singles: Mapping[str, Point]
    """Each function always, of those that could draw every one of the pictures."""


def frontier(connection: Connection) -> Frontier | None:
    """The ways to choose over the newest routed pictures; None where nothing was routed.

    Raises:
        StorageError: the database cannot be read.
    """
    newest = connection.rows(
        "SELECT router, metric FROM generations WHERE policy <> 'pinned' AND router IS NOT NULL "
        "AND metric IS NOT NULL AND removed IS NULL ORDER BY created DESC, id DESC LIMIT 1"
    )
    if not newest:
        return None
    router, metric = str(newest[0]["router"]), str(newest[0]["metric"])
    pictures = connection.rows(
        "SELECT id, executed FROM generations WHERE policy <> 'pinned' AND router = ? "
        "AND metric = ? AND removed IS NULL ORDER BY created DESC, id DESC LIMIT ?",
        [router, metric, NEWEST],
    )
    executed = {row["id"]: row["executed"] for row in pictures}
    rows = among(
        connection,
        "SELECT generation, function, cost_usd, quality FROM candidates WHERE cost_usd IS NOT NULL "
        "AND quality IS NOT NULL AND allowed AND fits IS NOT 0 AND generation",
        list(executed),
    )
    offers = [
        Offer(
            row["generation"],
            str(row["function"]),
            float(row["cost_usd"]),
            float(row["quality"]),
            row["function"] == executed[row["generation"]],
        )
        for row in rows
    ]
    return frontier_of(offers, router, metric)


def frontier_of(offers: Iterable[Offer], router: str, metric: str) -> Frontier | None:
    """The same of what was offered; pictures whose own function has no figures are left out."""
    chosen: dict[str, list[Point]] = defaultdict(list)
    singles: dict[str, list[Point]] = defaultdict(list)
    in_order = sorted(offers, key=lambda one: one.picture)
    for _, group in groupby(in_order, key=lambda one: one.picture):
        able = list(group)
        ran = next((one for one in able if one.ran), None)
        if ran is None:
            continue
        cheapest = min(able, key=lambda one: (one.cost_usd, -one.quality))
        best = max(able, key=lambda one: (one.quality, -one.cost_usd))
        for name, one in (("you", ran), ("cheapest", cheapest), ("best", best)):
            chosen[name].append((one.cost_usd, one.quality))
        lot = fmean(one.cost_usd for one in able), fmean(one.quality for one in able)
        chosen["random"].append(lot)
        for one in able:
            singles[one.function].append((one.cost_usd, one.quality))
    count = len(chosen["you"])
    if not count:
        return None
    return Frontier(
        router=router,
        metric=metric,
        pictures=count,
        you=_mean(chosen["you"]),
        at_random=_mean(chosen["random"]),
        best_foreseen=_mean(chosen["best"]),
        cheapest=_mean(chosen["cheapest"]),
        singles={name: _mean(found) for name, found in singles.items() if len(found) == count},
    )


def _mean(points: list[Point]) -> Point:
    return fmean(cost for cost, _ in points), fmean(quality for _, quality in points)
