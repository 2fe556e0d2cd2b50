"""The sessions that drew pictures, as a list of any length: the newest first."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from cems_tui.store.connection import Connection
from cems_tui.typed import fits

Key = tuple[str, str]

_DREW = "EXISTS (SELECT 1 FROM generations WHERE session = sessions.id AND removed IS NULL)"
_COLUMNS = """
    id, name, kind, started,
    (SELECT COUNT(*) FROM generations WHERE session = sessions.id AND removed IS NULL) AS pictures,
    (SELECT COUNT(cost_usd) FROM generations WHERE session = sessions.id AND removed IS NULL)
        AS priced,
    (SELECT TOTAL(cost_usd) FROM generations WHERE session = sessions.id AND removed IS NULL)
        AS cost_usd
"""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What a list shows of a session."""

    id: str
    name: str | None
    kind: str
    started: str
    """UTC, ISO 8601."""

    pictures: int
    priced: int
    """Pictures whose price is known."""

    cost_usd: float
    """Of those together."""

    @property
    def key(self) -> Key:
        return (self.started, self.id)

    @property
    def each_usd(self) -> float | None:
        """Mean US dollars a picture; None where none has a price."""
        return self.cost_usd / self.priced if self.priced else None


class SessionList:
    """Sessions for a list. Every method raises StorageError where they cannot be read."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self) -> int:
        return self._counted("1", ())

    def rank(self, key: Key) -> int:
        return self._counted("(started, id) > (?, ?)", key)

    def page(self, after: Key | None, count: int) -> Sequence[SessionRow]:
        where = "1" if after is None else "(started, id) < (?, ?)"
        return self._rows(where, after or (), "started DESC, id DESC", count)

    def page_before(self, before: Key | None, count: int) -> Sequence[SessionRow]:
        where = "1" if before is None else "(started, id) > (?, ?)"
        return self._rows(where, before or (), "started, id", count)[::-1]

    def page_at(self, index: int, count: int) -> Sequence[SessionRow]:
        return self._rows("1", (), "started DESC, id DESC", count, index)

    def _counted(self, where: str, arguments: Sequence[str]) -> int:
        [row] = self._connection.rows(
            f"SELECT COUNT(*) AS n FROM sessions WHERE {_DREW} AND {where}", arguments
        )
        return int(row["n"])

    def _rows(
        self, where: str, arguments: Sequence[str], order: str, count: int, offset: int = 0
    ) -> list[SessionRow]:
        rows = self._connection.rows(
            f"SELECT {_COLUMNS} FROM sessions WHERE {_DREW} AND {where} ORDER BY {order} "
            "LIMIT ? OFFSET ?",
            [*arguments, count, offset],
        )
        return [_row_of(row) for row in rows]


def _row_of(row: sqlite3.Row) -> SessionRow:
    """A row as it is told; what no session can have is left out of it."""
    found = SessionRow(**dict(row))
    if fits(found, SessionRow):
        return found
    return SessionRow(str(row["id"]), None, "damaged", str(row["started"]), row["pictures"], 0, 0.0)
