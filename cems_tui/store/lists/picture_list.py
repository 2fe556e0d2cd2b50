"""The pictures as a list of any length: a page of light rows by key, whatever a search finds.

A row says what a list shows; the picture with its decision is read by its id. Newest first: the
key of a row is the moment it was made and its id.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.store.connection import Connection
from cems_tui.store.generations import matching
from cems_tui.store.search import Condition
from cems_tui.typed import fits

Key = tuple[str, str]

_COLUMNS = (
    "id, created, substr(prompt, 1, 400) AS prompt, executed, image, "
    "CAST(seed AS TEXT) AS seed, metric, policy, session, cost_usd, cost_source, seconds_total, "
    "rating, starred, predicted_quality, predicted_low, predicted_high, measured_quality"
)


@dataclass(frozen=True, slots=True)
class PictureRow:
    """What a list shows of a picture."""

    id: str
    created: str
    """UTC, ISO 8601."""

    prompt: str
    """Its first 400 characters."""

    executed: str
    image: Path
    seed: str
    metric: str | None
    """What the decision was about; None where no router was asked."""

    pinned: bool
    session: str
    cost_usd: float | None
    cost_source: str | None
    seconds: float | None
    """In all."""

    rating: int | None
    starred: bool
    promised: float | None = None
    """The quality that the router promised of what ran, in the unit of `metric`."""

    interval: tuple[float, float] | None = None
    """Its 90 % interval."""

    measured: float | None = None
    """What an instrument read on that scale; of one where lower is better, negated."""

    damaged: bool = False
    """Whether its row says what no picture can have; then only id and moment are told."""

    @property
    def key(self) -> Key:
        return (self.created, self.id)

    @property
    def outside(self) -> bool:
        """Whether it was measured outside what was promised."""
        if self.interval is None or self.measured is None:
            return False
        return not self.interval[0] <= self.measured <= self.interval[1]


class PictureList:
    """The pictures that a search finds, for a list.

    Every method raises StorageError where the database cannot be read.
    """

    def __init__(
        self, connection: Connection, search: str | None = None, *, hidden: bool = False
    ) -> None:
        """Take the search apart.

        Raises:
            UsageError: the search cannot be one.
            StorageError: the database cannot be read.
        """
        self._connection = connection
        self._asked = [Condition(f"removed IS {'NOT ' if hidden else ''}NULL")]
        if search is not None and search.strip():
            self._asked += matching(connection, search)

    def count(self) -> int:
        return self._counted()

    def rank(self, key: Key) -> int:
        return self._counted(Condition("(created, id) > (?, ?)", key))

    def page(self, after: Key | None, count: int) -> Sequence[PictureRow]:
        place = [] if after is None else [Condition("(created, id) < (?, ?)", after)]
        return self._rows(place, "created DESC, id DESC", count)

    def page_before(self, before: Key | None, count: int) -> Sequence[PictureRow]:
        place = [] if before is None else [Condition("(created, id) > (?, ?)", before)]
        return self._rows(place, "created, id", count)[::-1]

    def page_at(self, index: int, count: int) -> Sequence[PictureRow]:
        return self._rows([], "created DESC, id DESC", count, index)

    def _counted(self, *more: Condition) -> int:
        where, arguments = _all([*self._asked, *more])
        [row] = self._connection.rows(
            f"SELECT COUNT(*) AS n FROM generations WHERE {where}", arguments
        )
        return int(row["n"])

    def _rows(
        self, place: Sequence[Condition], order: str, count: int, offset: int = 0
    ) -> list[PictureRow]:
        where, arguments = _all([*self._asked, *place])
        rows = self._connection.rows(
            f"SELECT {_COLUMNS} FROM generations WHERE number IN (SELECT number FROM generations "
            f"WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?) ORDER BY {order}",
            [*arguments, count, offset],
        )
        return [_row_of(row, self._connection.home) for row in rows]


MOST_NAMES = 200


def names(connection: Connection) -> dict[str, tuple[str, ...]]:
    """What the history knows by name, by search key; of routers and sessions the latest.

    A function is found from the one before it: a million pictures of ten functions are ten steps.
    """
    functions: list[str] = []
    while len(functions) < MOST_NAMES:
        after = functions[-1] if functions else ""
        rows = connection.rows(
            "SELECT executed FROM generations WHERE executed > ? ORDER BY executed LIMIT 1", [after]
        )
        if not rows:
            break
        functions.append(str(rows[0][0]))
    routers = connection.rows(
        "SELECT DISTINCT router FROM (SELECT router FROM generations WHERE router IS NOT NULL "
        "ORDER BY created DESC LIMIT 1000)"
    )
    sessions = connection.rows(
        "SELECT name FROM sessions WHERE name IS NOT NULL ORDER BY started DESC LIMIT ?",
        [MOST_NAMES],
    )
    return {
        "function": tuple(functions),
        "model": tuple(dict.fromkeys(name.partition("@")[0] for name in functions)),
        "router": tuple(str(row[0]) for row in routers),
        "session": tuple(str(row[0]) for row in sessions),
    }


def _all(conditions: Sequence[Condition]) -> tuple[str, list[object]]:
    where = " AND ".join(one.sql for one in conditions)
    return where, [value for one in conditions for value in one.arguments]


def _row_of(row: sqlite3.Row, home: Path) -> PictureRow:
    """A row as it is told; one that no picture can have as a damaged one."""
    low, high = row["predicted_low"], row["predicted_high"]
    found = PictureRow(
        **{name: row[name] for name in _AS_TOLD},
        image=home / str(row["image"]),
        pinned=row["policy"] == "pinned",
        seconds=row["seconds_total"],
        starred=bool(row["starred"]),
        promised=row["predicted_quality"],
        interval=None if low is None or high is None else (low, high),
        measured=row["measured_quality"],
    )
    if fits(found, PictureRow):
        return found
    nothing: dict[str, Any] = dict.fromkeys(_AS_TOLD) | {
        "prompt": "",
        "executed": "",
        "seed": "",
        "session": "",
    }
    return PictureRow(
        **nothing | {"id": str(row["id"]), "created": str(row["created"])},
        image=home,
        pinned=False,
        seconds=None,
        starred=False,
        damaged=True,
    )


_AS_TOLD = (
    *("id", "created", "prompt", "executed", "seed", "metric", "session"),
    *("cost_usd", "cost_source", "rating"),
)
