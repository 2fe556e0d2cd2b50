"""Pictures, their candidates, scores and failures: written, found again, searched."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cems_tui import log
from cems_tui.domain.function import UNMEASURED, StageBytes
from cems_tui.domain.generation import Generation, now
from cems_tui.domain.pricing import GIGABYTE
from cems_tui.errors import StorageError, UnknownName, UsageError
from cems_tui.store.connection import Connection
from cems_tui.store.rollups import fold
from cems_tui.store.rows import (
    candidate_rows,
    generation_of,
    generation_row,
    place_column,
    score_rows,
    stages_of,
)
from cems_tui.store.search import Condition, parsed

_QUOTED = re.compile(r'\s+|(".*?")')
AT_ONCE = 500
"""Values in one IN (…): SQLite's oldest limit is 999."""

LAST_LETTER = "\U0010ffff"
"""Behind every other: what begins with a text lies between it and it with this."""

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
    held_bytes: int | None = None
    stage_bytes: StageBytes = UNMEASURED
    precision: str | None = None
    contention: float | None = None
    energy_wh: float | None = None


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
        "SELECT * FROM generations WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        [wanted, wanted + LAST_LETTER, SHOWN_MATCHES + 1],
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
    return only(connection, rows)


SHORT_ID = 10
"""Characters of a short id: the moment in milliseconds, so that few need more."""


def short_ids(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """The beginning of each id that no other picture's id has, at least `SHORT_ID` long."""
    found = {}
    for whole in ids:
        [neighbours] = connection.rows(
            "SELECT (SELECT max(id) FROM generations WHERE id < ?) AS before, "
            "(SELECT min(id) FROM generations WHERE id > ?) AS after",
            [whole, whole],
        )
        shared = max(_common(whole, neighbours[place] or "") for place in ("before", "after"))
        found[whole] = whole[: max(SHORT_ID, shared + 1)]
    return found


def _common(one: str, other: str) -> int:
    """How many letters two ids begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def find_by_image(connection: Connection, path: Path) -> Generation:
    """The newest picture whose file that is.

    Raises:
        UnknownName: no row names that file.
    """
    rows = connection.rows(
        "SELECT * FROM generations WHERE image = ? ORDER BY created DESC, id DESC LIMIT 1",
        [place_column(path.absolute(), connection.home)],
    )
    if not rows:
        raise UnknownName(
            f"the history does not know the picture {path}",
            "`cems why` reads the receipt in a PNG without the history.",
        )
    return only(connection, rows)


def session_id(connection: Connection, id_or_name: str) -> str:
    """The id of the session of that name or id, or of the only one whose id begins so.

    Raises:
        UnknownName: there is none.
    """
    rows = connection.rows(
        "SELECT id FROM sessions WHERE name = ? UNION ALL SELECT id FROM sessions WHERE id = ?",
        [id_or_name, id_or_name],
    )
    if not rows and len(id_or_name) >= SHORT_ID:
        begun = connection.rows(
            "SELECT id FROM sessions WHERE substr(id, 1, ?) = ? LIMIT 2",
            [len(id_or_name), id_or_name.upper()],
        )
        rows = begun if len(begun) == 1 else []
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
    """The pictures of `generations` rows, in their order, with candidates and scores.

    A row that says what no picture can have is named in the log and left out.
    """
    ids = [row["id"] for row in rows]
    candidates, scores = _parts(connection, "candidates", ids), _parts(connection, "scores", ids)
    found = []
    for row in rows:
        name = row["id"]
        parts = candidates.get(name, []), scores.get(name, [])
        try:
            found.append(generation_of(dict(row), *parts, connection.home))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            log.error("the picture %s of the history is left out: %s", name, error)
    return found


def only(connection: Connection, rows: Sequence[sqlite3.Row]) -> Generation:
    """The picture of one row.

    Raises:
        StorageError: the row says what no picture can have.
    """
    for generation in with_parts(connection, rows):
        return generation
    raise StorageError(
        f"the row of the picture {rows[0]['id']} is damaged",
        "`cems why FILE` reads the receipt in the picture itself.",
    )


def among(connection: Connection, select: str, values: Sequence[str]) -> list[sqlite3.Row]:
    """The rows of `select … <column>` whose column is one of the values."""
    found: list[sqlite3.Row] = []
    for start in range(0, len(values), AT_ONCE):
        some = values[start : start + AT_ONCE]
        found += connection.rows(f"{select} IN ({', '.join('?' * len(some))})", some)
    return found


def observations(connection: Connection, limit_per_function: int) -> list[tuple[str, Observation]]:
    """The newest runs of each function and loads of each model in each precision, oldest first,
    with the moment they were made.

    Loads are rare: many pictures are drawn with a model that is loaded once.
    """
    found: dict[int, sqlite3.Row] = {}
    for column, where in (("executed", "1"), ("model", "seconds_load > 0")):
        for name in _different(connection, column, where, []):
            mine = f"{where} AND {column} = ?"
            for precision in _different(connection, "precision", mine, [name]):
                newest = connection.rows(
                    f"SELECT * FROM generations WHERE {mine} AND precision IS ? "
                    "ORDER BY created DESC, id DESC LIMIT ?",
                    [name, precision, limit_per_function],
                )
                found |= {row["number"]: row for row in newest}
    rows = sorted(found.values(), key=lambda row: (row["created"], row["id"]))
    return [
        (
            row["created"],
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
                held_bytes=row["held_bytes"],
                stage_bytes=stages_of(row),
                precision=row["precision"],
                contention=row["contention"],
                energy_wh=row["energy_wh"],
            ),
        )
        for row in rows
    ]


def _different(
    connection: Connection, column: str, where: str, arguments: list[Any]
) -> Iterator[Any]:
    """The different values of a column, each by a look-up in an index: few among many rows."""
    select = f"SELECT {column} AS value FROM generations WHERE {where}"
    first = f"ORDER BY {column} LIMIT 1"
    rows = connection.rows(f"{select} {first}", arguments)
    while rows:
        value = rows[0]["value"]
        yield value
        if value is None:
            rows = connection.rows(f"{select} AND {column} IS NOT NULL {first}", arguments)
        else:
            rows = connection.rows(f"{select} AND {column} > ? {first}", [*arguments, value])


def _parts(
    connection: Connection, table: str, ids: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """The rows of a table that belong to pictures, by picture, in order of position."""
    rows = among(connection, f"SELECT * FROM {table} WHERE generation", ids)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: int(row["position"])):
        found.setdefault(row["generation"], []).append(dict(row))
    return found


def history_readings(connection: Connection) -> Iterator[dict[str, Any]]:
    """Long-form rows with the `scorer` that read them, oldest first; hidden pictures are left out.

    A picture with a negative prompt was not drawn from its prompt alone, so it is left out too.
    """
    rows = connection.rows(
        """
        SELECT prompt, executed, scores.metric, value, scores.scorer, higher_is_better, cost_usd,
            seed, seconds_encode + seconds_denoise + seconds_decode AS seconds, peak_memory_bytes
        FROM scores JOIN generations ON generations.id = generation
        WHERE removed IS NULL AND negative = ''
        ORDER BY created, generations.id, position
        """
    )
    for row in rows:
        memory = row["peak_memory_bytes"]
        yield {
            "prompt": row["prompt"],
            "function": row["executed"],
            "metric": row["metric"],
            "score": row["value"],
            "scorer": row["scorer"],
            "cost_usd": row["cost_usd"],
            "seconds": row["seconds"],
            "memory_gb": None if memory is None else memory / GIGABYTE,
            "seed": str(row["seed"]),
            "higher_is_better": bool(row["higher_is_better"]),
        }


def drafts_beside(connection: Connection, generation_id: str) -> dict[str, float | None]:
    """What each picture of that one's prompt cost that its function drew in its session, at its
    size, the picture itself among them; None is unknown."""
    rows = connection.rows(
        """
        SELECT other.id AS id, other.cost_usd AS cost_usd
        FROM generations AS mine JOIN generations AS other
            ON other.session = mine.session AND other.executed = mine.executed
            AND other.prompt = mine.prompt AND other.negative = mine.negative
            AND (other.width, other.height) = (mine.width, mine.height)
        WHERE mine.id = ?
        """,
        [generation_id],
    )
    return {row["id"]: row["cost_usd"] for row in rows}


SPREADS_LOOKED_AT = 2_000
"""Pictures that the spread from seed to seed is read off: the newest."""

LEAST_REPEATS = 8
"""Second pictures of a prompt by a function, before its spread counts as measured."""


def seed_spreads(connection: Connection, metric: str, scorer: str) -> dict[str, float]:
    """One standard deviation of a function's scores of one prompt, from seed to seed.

    Functions that drew too few prompts twice are left out.
    """
    rows = connection.rows(
        """
        SELECT executed, SUM(n - 1) AS freedom, SUM(squares - total * total / n) AS spread
        FROM (
            SELECT executed, COUNT(*) AS n, SUM(value) AS total, SUM(value * value) AS squares
            FROM (SELECT id, prompt_id, executed, width, height FROM generations
                WHERE prompt_id IS NOT NULL ORDER BY number DESC LIMIT ?) AS newest
            JOIN scores ON generation = newest.id AND metric = ? AND scorer = ?
            GROUP BY prompt_id, executed, width, height HAVING COUNT(*) > 1
        ) GROUP BY executed HAVING freedom >= ?
        """,
        [SPREADS_LOOKED_AT, metric, scorer, LEAST_REPEATS],
    )
    return {row["executed"]: max(0.0, row["spread"] / row["freedom"]) ** 0.5 for row in rows}


def matching(connection: Connection, search: str) -> list[Condition]:
    """What pictures have to be for a search in the language of `search`.

    Raises:
        UsageError: a condition cannot be one.
    """
    asked = parsed(search, datetime.now().astimezone())
    found = list(asked.conditions)
    if asked.words.strip():
        found.append(with_words(connection, asked.words))
    return found


def with_words(connection: Connection, search: str) -> Condition:
    """Pictures with all these words, whatever script they are written in.

    Words of a script without spaces stand anywhere in a text; the index knows the others, by
    their stems.
    """
    typed = [whole or word for whole, word in _WORDS.findall(search)]
    unspaced = [word.strip('"') for word in typed if _UNSPACED.search(word)]
    if not unspaced:
        return _matching_spaced(connection, search)
    rest = " ".join(word for word in typed if not _UNSPACED.search(word))
    parts = [_piece(_bindable(word)) for word in unspaced]
    if rest:
        parts.append(_matching_spaced(connection, rest))
    return Condition(
        " AND ".join(part.sql for part in parts),
        tuple(argument for part in parts for argument in part.arguments),
    )


_WORDS = re.compile(r'("[^"]*")|(\S+)')
"""What stands in quotes, as a whole with them, and single words."""

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, kana, Chinese characters; and Korean, whose words carry endings."""


def _piece(text: str) -> Condition:
    return Condition(
        "(instr(lower(prompt), lower(?)) OR instr(lower(negative), lower(?)))", (text, text)
    )


def _matching_spaced(connection: Connection, search: str) -> Condition:
    """Pictures with these words; when there are none, pictures with this piece of text.

    The second covers what the index has no words for: punctuation and emoji.
    """
    typed = _bindable(search)
    query = words_query(typed)
    if query:
        matching = "FROM generations_fts WHERE generations_fts MATCH ?"
        if connection.rows(f"SELECT 1 {matching} LIMIT 1", (query,)):
            return Condition(f"number IN (SELECT rowid {matching})", (query,))
    return _piece(typed)


def words_query(typed: str) -> str:
    """An FTS5 query for all the words, the last as a prefix; empty when there are none.

    Every word, and what stands in quotes, becomes an FTS5 string, so that NOT and * are words
    too. FTS5 ends at a NUL, so all white space and NULs are made single spaces first.
    """
    words = " ".join(typed.replace("\0", " ").split())
    if words.count('"') % 2:
        words += '"'
    parts = [part for part in _QUOTED.split(words) if part and part != '""']
    query = " ".join(part if part.startswith('"') else f'"{part}"' for part in parts)
    if not query:
        return ""
    return query + "*" if typed[-1:].isalnum() else query


def _bindable(search: str) -> str:
    """Bytes of the command line that are no text cannot match; they are made visible marks."""
    return search.encode("utf-8", "replace").decode()


def add(connection: Connection, generation: Generation, *, session_if_missing: bool) -> None:
    """Write a picture, its candidates and its scores; the same picture twice is one.

    Another process may have found the PNG and adopted it before its maker wrote the row: the
    row is the same, so that is no error.

    Raises:
        UnknownName: the session is not there and is not to be made.
        GenerationError: a figure is not finite.
        StorageError: it cannot be written, or another picture has the id.
    """
    row = generation_row(generation, connection.home)
    candidates, scores = candidate_rows(generation), score_rows(generation)
    with connection.transaction() as db:
        if _already_there(connection, generation):
            return
        if session_if_missing:
            _recover_session(db, generation)
        require_session(db, generation.session)
        for candidate in candidates:
            insert(db, "candidates", candidate)
        for score in scores:
            insert(db, "scores", score)
        fold(db, insert(db, "generations", row))


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


def insert(db: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> int:
    """Insert one row; the rowid it got."""
    columns = ", ".join(row)
    marks = ", ".join("?" * len(row))
    done = db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(row.values()))
    assert done.lastrowid is not None, "an INSERT gives its row a number"
    return done.lastrowid


def require_session(db: sqlite3.Connection, session: str) -> None:
    """Refuse a session that was not opened.

    Raises:
        UnknownName: it is not in the database.
    """
    if db.execute("SELECT 1 FROM sessions WHERE id = ?", [session]).fetchone() is None:
        raise UnknownName(
            f"there is no session {session!r} in the database", "Open it first: `Store.session`."
        )


def _already_there(connection: Connection, generation: Generation) -> bool:
    rows = connection.rows("SELECT * FROM generations WHERE id = ?", [generation.id])
    if not rows:
        return False
    if only(connection, rows) == generation:
        return True
    raise StorageError(
        f"the database {connection.path} has another picture with the id {generation.id}",
        "Nothing was changed; make the picture again.",
    )


def _recover_session(db: sqlite3.Connection, generation: Generation) -> None:
    db.execute(
        "INSERT OR IGNORE INTO sessions (id, kind, started) VALUES (?, 'recovered', ?)",
        [generation.session, generation.created],
    )


def prompts_of(connection: Connection, ids: Sequence[str]) -> set[str]:
    """The prompts of pictures."""
    found = set()
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        marks = ", ".join("?" * len(some))
        rows = connection.rows(
            f"SELECT DISTINCT prompt FROM generations WHERE id IN ({marks})", some
        )
        found |= {str(row[0]) for row in rows}
    return found


def forget(db: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Remove pictures' rows for good, and what failures, jobs and sessions say of their prompts."""
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        marks = ", ".join("?" * len(some))
        db.execute(
            "DELETE FROM failures WHERE prompt IN "
            f"(SELECT prompt FROM generations WHERE id IN ({marks}))",
            some,
        )
        db.execute(
            "UPDATE sessions SET command = '' WHERE id IN "
            f"(SELECT session FROM generations WHERE id IN ({marks}))",
            some,
        )
        db.execute(f"DELETE FROM jobs WHERE id IN ({marks}) AND state <> 'running'", some)
        db.execute(
            "DELETE FROM jobs WHERE state IN ('done', 'failed', 'cancelled') AND title IN "
            f"(SELECT prompt FROM generations WHERE id IN ({marks}))",
            some,
        )
        db.execute(f"DELETE FROM generations WHERE id IN ({marks})", some)
