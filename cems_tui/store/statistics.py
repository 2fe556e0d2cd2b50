"""What the history adds up to: counts, money, seconds and scores, what is unknown kept apart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cems_tui.domain.savings import (
    PricedFunction,
    RoutedPicture,
    Savings,
    Scale,
    picture_of,
    savings_of,
)
from cems_tui.store.connection import Connection

PAGE = 500
"""Pictures whose candidates are read at once: SQLite's oldest limit of values is 999."""

PARTS = ("start", "load", "encode", "denoise", "decode", "score", "total")


@dataclass(frozen=True, slots=True)
class ScoreStats:
    """The readings of one instrument on one scale; instruments are never averaged together."""

    metric: str
    scorer: str
    mean: float
    count: int
    higher_is_better: bool


@dataclass(frozen=True, slots=True)
class FunctionStats:
    """What one generation function (the one that ran) made."""

    function: str
    pictures: int
    priced: int
    """Pictures with a known price: the ones `mean_cost_usd` is over."""

    cost_usd: float | None
    """Sum over the priced ones; None when there are none."""

    mean_cost_usd: float | None
    mean_seconds: float | None
    """Mean of what is billed, encode + denoise + decode; None where it was never measured."""

    scores: tuple[ScoreStats, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """The figures of one session, of a stretch of time, or of everything."""

    pictures: int
    failures: int
    failures_by_exit_code: Mapping[int, int]
    sessions: int
    """Sessions that made or tried a picture."""

    cost_usd: float | None
    """US dollars of the priced pictures; None when there are pictures and none has a price."""

    unpriced: int
    """Pictures whose price is unknown; they are not in `cost_usd`."""

    load_cost_usd: float | None
    """US dollars of loading, where known; None when there are pictures and it never is."""

    load_unpriced: int
    seconds: Mapping[str, float | None]
    """Total seconds by part; None when there are pictures and it was never measured."""

    functions: tuple[FunctionStats, ...]
    savings: Savings
    since: str | None
    """When the first of these pictures was made; None without pictures."""

    until: str | None

    def spent_usd(self, *, load_cost: bool) -> float:
        """US dollars spent as far as prices are known, with what loading cost or without."""
        return (self.cost_usd or 0.0) + ((self.load_cost_usd or 0.0) if load_cost else 0.0)

    def to_json(self) -> dict[str, Any]:
        """The object `cems history stats --json` prints."""
        said = asdict(self)
        said["seconds"] = dict(self.seconds)
        said["failures_by_exit_code"] = {
            str(code): count for code, count in self.failures_by_exit_code.items()
        }
        said["savings"]["label"] = "estimated"
        return said


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows count: SQL over a table with `session` and `created`, and its arguments."""

    sql: str
    arguments: tuple[str, ...]

    @classmethod
    def of(cls, session: str | None, since: str | None, until: str | None) -> Window:
        """The rows of a session id, from `since` to `until` (UTC, ISO 8601, both included)."""
        asked = [
            (condition, value)
            for condition, value in (
                ("session = ?", session),
                ("created >= ?", since),
                ("created <= ?", until),
            )
            if value is not None
        ]
        sql = " AND ".join(condition for condition, _ in asked) or "1"
        return cls(sql, tuple(value for _, value in asked))


def stats(connection: Connection, window: Window) -> Stats:
    """The figures of the rows in the window.

    Raises:
        StorageError: the database cannot be read.
    """
    where, arguments = window.sql, window.arguments
    seconds = ", ".join(f"SUM(seconds_{part}) AS {part}" for part in PARTS)
    [total] = connection.rows(
        f"""
        SELECT COUNT(*) AS pictures, SUM(cost_usd) AS cost, COUNT(cost_usd) AS priced,
            SUM(load_cost_usd) AS load_cost, COUNT(load_cost_usd) AS load_priced,
            MIN(created) AS first, MAX(created) AS last, {seconds}
        FROM generations WHERE {where}
        """,
        arguments,
    )
    failed = _failures(connection, window)
    none = total["pictures"] == 0
    return Stats(
        pictures=total["pictures"],
        failures=sum(failed.values()),
        failures_by_exit_code=failed,
        sessions=_sessions(connection, window),
        cost_usd=0.0 if none else total["cost"],
        unpriced=total["pictures"] - total["priced"],
        load_cost_usd=0.0 if none else total["load_cost"],
        load_unpriced=total["pictures"] - total["load_priced"],
        seconds={part: 0.0 if none else total[part] for part in PARTS},
        functions=_functions(connection, window),
        savings=_savings(connection, window),
        since=total["first"],
        until=total["last"],
    )


def _failures(connection: Connection, window: Window) -> dict[int, int]:
    """How many requests failed, by exit code."""
    rows = connection.rows(
        f"SELECT exit_code, COUNT(*) AS n FROM failures WHERE {window.sql} GROUP BY exit_code",
        window.arguments,
    )
    return {row["exit_code"]: row["n"] for row in rows}


def _sessions(connection: Connection, window: Window) -> int:
    """How many sessions made or tried a picture."""
    [row] = connection.rows(
        f"""
        SELECT COUNT(*) AS n FROM (SELECT session FROM generations WHERE {window.sql}
            UNION SELECT session FROM failures WHERE {window.sql})
        """,
        window.arguments * 2,
    )
    return int(row["n"])


def _functions(connection: Connection, window: Window) -> tuple[FunctionStats, ...]:
    scores: dict[str, list[ScoreStats]] = {}
    for row in connection.rows(
        f"""
        SELECT executed, metric, scorer, AVG(value) AS mean, COUNT(*) AS n,
            MIN(higher_is_better) AS higher
        FROM scores JOIN (SELECT id, executed FROM generations WHERE {window.sql})
            ON id = generation
        GROUP BY executed, metric, scorer ORDER BY metric, scorer
        """,
        window.arguments,
    ):
        reading = ScoreStats(
            row["metric"], row["scorer"], row["mean"], row["n"], bool(row["higher"])
        )
        scores.setdefault(row["executed"], []).append(reading)
    counted = connection.rows(
        f"""
        SELECT executed, COUNT(*) AS pictures, COUNT(cost_usd) AS priced, SUM(cost_usd) AS cost,
            AVG(cost_usd) AS mean_cost,
            AVG(seconds_encode + seconds_denoise + seconds_decode) AS mean_seconds
        FROM generations WHERE {window.sql} GROUP BY executed ORDER BY pictures DESC, executed
        """,
        window.arguments,
    )
    return tuple(
        FunctionStats(
            function=row["executed"],
            pictures=row["pictures"],
            priced=row["priced"],
            cost_usd=row["cost"],
            mean_cost_usd=row["mean_cost"],
            mean_seconds=row["mean_seconds"],
            scores=tuple(scores.get(row["executed"], ())),
        )
        for row in counted
    )


def _savings(connection: Connection, window: Window) -> Savings:
    """What was saved by the pictures that were routed, page by page."""
    routed, after = 0, 0
    pictures: list[RoutedPicture] = []
    while page := connection.rows(
        f"""
        SELECT number, id, executed, router, metric,
            json_extract(decision, '$.router_sha256') AS sha256
        FROM generations WHERE {window.sql} AND policy <> 'pinned' AND number > ?
        ORDER BY number LIMIT ?
        """,
        (*window.arguments, after, PAGE),
    ):
        routed, after = routed + len(page), page[-1]["number"]
        pictures += _routed(connection, page)
    [pinned] = connection.rows(
        f"""
        SELECT COUNT(*) AS n, COUNT(cost_usd) AS priced, SUM(cost_usd) AS cost
        FROM generations WHERE {window.sql} AND policy = 'pinned'
        """,
        window.arguments,
    )
    return savings_of(pictures, routed, pinned["n"], pinned["cost"] if pinned["n"] else 0.0)


def _routed(connection: Connection, page: Sequence[sqlite3.Row]) -> Iterator[RoutedPicture]:
    """The routed pictures of those rows whose prices are known."""
    marks = ", ".join("?" * len(page))
    priced: dict[str, list[tuple[PricedFunction, bool]]] = {}
    for one in connection.rows(
        f"""
        SELECT generation, function, cost_usd, quality, interval_low, interval_high,
            allowed AND fits IS NOT 0 AS able
        FROM candidates WHERE generation IN ({marks}) AND cost_usd IS NOT NULL
        ORDER BY generation, position
        """,
        [row["id"] for row in page],
    ):
        low, high = one["interval_low"], one["interval_high"]
        interval = None if low is None or high is None else (low, high)
        said = PricedFunction(one["function"], one["cost_usd"], one["quality"], interval)
        priced.setdefault(one["generation"], []).append((said, bool(one["able"])))
    for row in page:
        scale = Scale(row["router"], row["metric"], row["sha256"])
        found = picture_of(scale, row["executed"], priced.get(row["id"], ()))
        if found is not None:
            yield found
