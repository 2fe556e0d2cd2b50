"""Rows written: one picture with all that belongs to it is one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cems_tui.errors import StorageError, UnknownName
from cems_tui.record import Generation, now
from cems_tui.store.connection import Connection
from cems_tui.store.reading import with_parts
from cems_tui.store.rows import candidate_rows, generation_row, score_rows

if TYPE_CHECKING:
    from sqlite_utils import Database


def add(connection: Connection, generation: Generation, *, session_if_missing: bool) -> None:
    """Write a picture, its candidates and its scores; the same picture twice is one.

    Another process may have found the PNG and adopted it before its maker wrote the row: the
    row is the same, so that is no error.

    Raises:
        UnknownName: the session is not there and is not to be made.
        GenerationError: a figure is not finite.
        StorageError: it cannot be written, or another picture has the id.
    """
    row = generation_row(generation)
    candidates, scores = candidate_rows(generation), score_rows(generation)
    with connection.transaction() as db:
        if _already_there(connection, generation):
            return
        if session_if_missing:
            _recover_session(db, generation)
        require_session(db, generation.session)
        insert(db, "generations", row)
        for candidate in candidates:
            insert(db, "candidates", candidate)
        for score in scores:
            insert(db, "scores", score)


def add_failure(
    connection: Connection,
    request: str,
    session: str,
    prompt: str,
    function: str | None,
    message: str,
    exit_code: int,
) -> None:
    """Write that a request ended without a picture.

    Raises:
        UnknownName: the session is not there.
        StorageError: it cannot be written.
    """
    row = {
        "request": request,
        "session": session,
        "prompt": prompt,
        "function": function,
        "message": message,
        "exit_code": exit_code,
        "created": now(),
    }
    with connection.transaction() as db:
        require_session(db, session)
        insert(db, "failures", row)


def insert(db: Database, table: str, row: Mapping[str, Any]) -> int:
    """Insert one row; the rowid it got."""
    columns = ", ".join(row)
    marks = ", ".join("?" * len(row))
    done = db.conn.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(row.values()))
    return int(done.lastrowid)


def require_session(db: Database, session: str) -> None:
    """Refuse a session that was not opened.

    Raises:
        UnknownName: it is not in the database.
    """
    if db.conn.execute("SELECT 1 FROM sessions WHERE id = ?", [session]).fetchone() is None:
        raise UnknownName(
            f"there is no session {session!r} in the database", "Open it first: `Store.session`."
        )


def _already_there(connection: Connection, generation: Generation) -> bool:
    rows = connection.rows("SELECT * FROM generations WHERE id = ?", [generation.id])
    if not rows:
        return False
    if with_parts(connection, rows)[0] == generation:
        return True
    raise StorageError(
        f"the database {connection.path} has another picture with the id {generation.id}",
        "Nothing was changed; make the picture again.",
    )


def _recover_session(db: Database, generation: Generation) -> None:
    db.conn.execute(
        "INSERT OR IGNORE INTO sessions (id, kind, started) VALUES (?, 'recovered', ?)",
        [generation.session, generation.created],
    )
