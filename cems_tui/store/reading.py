"""Rows read back as what the rest of the program speaks of."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.errors import UnknownName, UsageError
from cems_tui.record import Generation
from cems_tui.store.connection import Connection
from cems_tui.store.rows import generation_of

AT_ONCE = 500
"""Values in one IN (…): SQLite's oldest limit is 999."""

SHOWN_MATCHES = 8
"""Ids listed when the beginning of an id is not enough."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one run of a function took: what the cost model learns from. None is not measured."""

    function: str
    width: int
    height: int
    encode_seconds: float | None
    denoise_seconds: float | None
    decode_seconds: float | None
    load_seconds: float | None
    memory_bytes: int | None
    load_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Marks:
    """What the user said of a picture."""

    rating: int | None
    """1 to 5; None is not rated."""

    starred: bool


def find(connection: Connection, id_or_prefix: str) -> Generation:
    """The picture of that id, or the only one whose id begins so.

    Raises:
        UnknownName: there is none.
        UsageError: there are several.
    """
    wanted = id_or_prefix.strip().upper()
    rows = connection.rows(
        "SELECT * FROM generations WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT ?",
        [len(wanted), wanted, SHOWN_MATCHES + 1],
    )
    if not rows or not wanted:
        raise UnknownName(
            f"there is no picture {id_or_prefix!r}", "`cems history ls` prints the ids."
        )
    if len(rows) > 1:
        shown = ", ".join(row["id"] for row in rows[:SHOWN_MATCHES])
        more = " …" if len(rows) > SHOWN_MATCHES else ""
        raise UsageError(
            f"{id_or_prefix!r} begins the ids of several pictures: {shown}{more}",
            "Give more of the id.",
        )
    return with_parts(connection, rows)[0]


def find_by_image(connection: Connection, path: Path) -> Generation:
    """The newest picture whose file that is.

    Raises:
        UnknownName: no row names that file.
    """
    rows = connection.rows(
        "SELECT * FROM generations WHERE image = ? ORDER BY created DESC, id DESC LIMIT 1",
        [str(path.absolute())],
    )
    if not rows:
        raise UnknownName(
            f"the history does not know the picture {path}",
            "`cems why` reads the receipt in a PNG without the history.",
        )
    return with_parts(connection, rows)[0]


def session_id(connection: Connection, id_or_name: str) -> str:
    """The id of the session of that name or id.

    Raises:
        UnknownName: there is none.
    """
    rows = connection.rows(
        "SELECT id FROM sessions WHERE name = ? UNION ALL SELECT id FROM sessions WHERE id = ?",
        [id_or_name, id_or_name],
    )
    if not rows:
        names = connection.rows("SELECT name FROM sessions WHERE name IS NOT NULL")
        if not names:
            raise UnknownName(
                f"there is no session named {id_or_name!r}",
                "No session has a name yet; --session gives one.",
            )
        raise UnknownName.of("session", id_or_name, [row["name"] for row in names])
    return str(rows[0]["id"])


def with_parts(connection: Connection, rows: Sequence[sqlite3.Row]) -> list[Generation]:
    """The pictures of `generations` rows, in their order, with candidates and scores."""
    ids = [row["id"] for row in rows]
    candidates, scores = _parts(connection, "candidates", ids), _parts(connection, "scores", ids)
    return [
        generation_of(dict(row), candidates.get(row["id"], []), scores.get(row["id"], []))
        for row in rows
    ]


def among(connection: Connection, select: str, values: Sequence[str]) -> list[sqlite3.Row]:
    """The rows of `select … <column>` whose column is one of the values."""
    found: list[sqlite3.Row] = []
    for start in range(0, len(values), AT_ONCE):
        some = values[start : start + AT_ONCE]
        found += connection.rows(f"{select} IN ({', '.join('?' * len(some))})", some)
    return found


def observations(connection: Connection, limit_per_function: int) -> list[Observation]:
    """The newest runs of each function and the newest loads of each model, oldest first.

    Loads are rare: many pictures are drawn with a model that is loaded once.
    """
    rows = connection.rows(
        """
        SELECT * FROM (
            SELECT *,
                ROW_NUMBER() OVER (
                    PARTITION BY executed ORDER BY created DESC, id DESC) AS age,
                ROW_NUMBER() OVER (
                    PARTITION BY model, seconds_load > 0 ORDER BY created DESC, id DESC
                ) AS load_age
            FROM generations
        ) WHERE age <= ? OR (seconds_load > 0 AND load_age <= ?) ORDER BY created, id
        """,
        [limit_per_function, limit_per_function],
    )
    return [
        Observation(
            function=row["executed"],
            width=row["width"],
            height=row["height"],
            encode_seconds=row["seconds_encode"],
            denoise_seconds=row["seconds_denoise"],
            decode_seconds=row["seconds_decode"],
            load_seconds=row["seconds_load"],
            memory_bytes=row["peak_memory_bytes"],
            load_bytes=row["load_bytes"],
        )
        for row in rows
    ]


def _parts(
    connection: Connection, table: str, ids: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """The rows of a table that belong to pictures, by picture, in order of position."""
    rows = among(connection, f"SELECT * FROM {table} WHERE generation", ids)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: int(row["position"])):
        found.setdefault(row["generation"], []).append(dict(row))
    return found
