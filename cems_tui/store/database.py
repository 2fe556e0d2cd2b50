"""The store: every picture with its decision and scores, every failure, every session.

One writer at a time, readers beside it (WAL). `open_store` is the door.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from cems_tui.domain.generation import Generation, now
from cems_tui.domain.request import new_id
from cems_tui.errors import UnknownName, UsageError
from cems_tui.evidence.drift import Drift
from cems_tui.evidence.regret import MeasuredRegret
from cems_tui.files import storage, whole_file
from cems_tui.store import benches, generations, statistics
from cems_tui.store.benches import Benches
from cems_tui.store.connection import Connection, backups_with, connect, connect_to_read
from cems_tui.store.frontier import Frontier, frontier
from cems_tui.store.generations import Marks, Observation, history_readings, matching
from cems_tui.store.lists.picture_list import PictureList, names
from cems_tui.store.lists.session_list import SessionList
from cems_tui.store.queue import Queue
from cems_tui.store.search import ORDERS, Condition
from cems_tui.store.shadows import Shadows
from cems_tui.store.statistics import Group, GroupBy, Stats, Use, Window
from cems_tui.store.votes import Votes

if TYPE_CHECKING:
    from cems_tui.store.benches import Benches

SessionKind = Literal["app", "command", "recovered"]
"""`recovered`: known only from the receipt of a picture found in the folder."""

EXPORT_PAGE = 200


class Store:
    """The database, open. May be used by several threads, one after the other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.path = connection.path

    @cached_property
    def benches(self) -> Benches:
        """The benchmarks kept in this database."""
        return Benches(self._connection)

    @cached_property
    def votes(self) -> Votes:
        """The votes kept in this database."""
        return Votes(self._connection)

    @cached_property
    def shadows(self) -> Shadows:
        """The lots by which pictures are drawn again with what was not chosen."""
        return Shadows(self._connection)

    @cached_property
    def queue(self) -> Queue:
        """The jobs that wait, run, or have ended."""
        return Queue(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def session(
        self, name: str | None = None, *, kind: SessionKind = "command", command: str = ""
    ) -> str:
        """The id of a new session, or of the named one when it exists.

        Raises:
            UsageError: the name is blank.
            StorageError: the database cannot be written.
        """
        if name is not None and not name.strip():
            raise UsageError("the session has no name", "Give it a name, or leave it out.")
        with self._connection.transaction() as db:
            if name is not None:
                found = db.execute("SELECT id FROM sessions WHERE name = ?", [name]).fetchone()
                if found is not None:
                    return str(found["id"])
            fresh = new_id()
            generations.insert(
                db,
                "sessions",
                {"id": fresh, "name": name, "kind": kind, "started": now(), "command": command},
            )
        return fresh

    def add_generation(self, generation: Generation) -> None:
        """Record a picture with its candidates and scores: all or nothing.

        Recording the very same picture again changes nothing.

        Raises:
            UnknownName: its session is not in the database.
            GenerationError: a figure is not finite.
            StorageError: it cannot be written, or another picture has its id.
        """
        generations.add(self._connection, generation, session_if_missing=False)

    def adopt(self, generation: Generation) -> None:
        """Record a picture known only from its receipt; its session is made if need be.

        Raises:
            GenerationError: a figure is not finite.
            StorageError: it cannot be written, or another picture has its id.
        """
        generations.add(self._connection, generation, session_if_missing=True)

    def add_failure(
        self,
        request: str,
        session: str,
        prompt: str,
        message: str,
        exit_code: int,
        function: str | None = None,
    ) -> None:
        """Record that a request ended without a picture, and why.

        Raises:
            UnknownName: the session is not in the database.
            StorageError: it cannot be written.
        """
        generations.add_failure(
            self._connection, request, session, prompt, function, message, exit_code
        )

    def generation(self, id_or_prefix: str) -> Generation:
        """The picture of that id, or the only one whose id begins so.

        Raises:
            UnknownName: there is none.
            UsageError: there are several.
            StorageError: the database cannot be read.
        """
        return generations.find(self._connection, id_or_prefix)

    def short_ids(self, ids: Sequence[str]) -> dict[str, str]:
        """A beginning of each picture's id that is unique, and taken wherever an id is."""
        return generations.short_ids(self._connection, ids)

    def generation_by_image(self, path: Path) -> Generation:
        """The picture whose file that is, the newest of them when several were.

        Raises:
            UnknownName: no row names that file.
            StorageError: the database cannot be read.
        """
        return generations.find_by_image(self._connection, path)

    def has_session(self, session_id: str) -> bool:
        """Whether a session of exactly that id is in this database."""
        return bool(self._connection.rows("SELECT 1 FROM sessions WHERE id = ?", [session_id]))

    def has(self, generation_id: str) -> bool:
        """Whether a picture of exactly that id is recorded, hidden or not."""
        return bool(
            self._connection.rows("SELECT 1 FROM generations WHERE id = ?", [generation_id])
        )

    def known_images(self) -> dict[str, Path]:
        """The file of every recorded picture, by id."""
        return {
            row["id"]: self._connection.home / row["image"]
            for row in self._connection.rows("SELECT id, image FROM generations")
        }

    def generations(
        self,
        search: str | None = None,
        session: str | None = None,
        limit: int | None = None,
        before: str | None = None,
        *,
        sort: str = "newest",
        hidden: bool = False,
    ) -> list[Generation]:
        """Pictures, newest first.

        Args:
            search: conditions (see `search`), and words that the prompt or negative prompt must
                have, the last one perhaps unfinished; where no picture has them as words, as a
                piece of the text.
            session: the id or name of a session.
            limit: at most this many; None is all.
            before: the id of a picture; only older ones are given (the next page).
            sort: one of `search.SORTS`.
            hidden: those in the trash instead.

        Raises:
            UsageError: the search cannot be one.
            UnknownName: no such session, or no picture `before`.
            StorageError: the database cannot be read.
        """
        rows = self.page(search, session, limit, before, sort=sort, hidden=hidden)
        return generations.with_parts(self._connection, rows)

    def page(
        self,
        search: str | None = None,
        session: str | None = None,
        limit: int | None = None,
        before: str | None = None,
        *,
        sort: str = "newest",
        hidden: bool = False,
    ) -> list[sqlite3.Row]:
        """The same as plain rows of `generations`, without candidates and scores."""
        asked = [Condition(f"removed IS {'NOT ' if hidden else ''}NULL")]
        if session is not None:
            asked.append(Condition("session = ?", (self._session_id(session),)))
        if before is not None:
            asked.append(Condition("(created, id) < (?, ?)", self._place(before)))
        if search is not None and search.strip():
            asked += matching(self._connection, search)
        where = " AND ".join(part.sql for part in asked)
        arguments: list[Any] = [value for part in asked for value in part.arguments]
        return self._connection.rows(
            f"SELECT * FROM generations WHERE {where} ORDER BY {ORDERS[sort]} LIMIT ?",
            [*arguments, -1 if limit is None else limit],
        )

    def _place(self, generation_id: str) -> tuple[str, str]:
        """When a picture was made, and its id: where it stands in the list."""
        exact = "SELECT created, id FROM generations WHERE id = ?"
        for row in self._connection.rows(exact, [generation_id]):
            return row["created"], row["id"]
        found = self.generation(generation_id)
        return found.created, found.id

    def picture_list(self, search: str | None = None, *, hidden: bool = False) -> PictureList:
        """The pictures that a search finds, newest first, as light rows by key.

        Raises:
            UsageError: the search cannot be one.
            StorageError: the database cannot be read.
        """
        return PictureList(self._connection, search, hidden=hidden)

    def session_list(self) -> SessionList:
        """The sessions that drew pictures, newest first, as light rows by key."""
        return SessionList(self._connection)

    def frontier(self) -> Frontier | None:
        """Ways to choose over the newest routed pictures; None where nothing was routed.

        Raises:
            StorageError: the database cannot be read.
        """
        return frontier(self._connection)

    def names(self) -> dict[str, tuple[str, ...]]:
        """What the history knows by name, by search key: the newest sessions first.

        Raises:
            StorageError: the database cannot be read.
        """
        return names(self._connection)

    def stats(
        self,
        session: str | None = None,
        since: str | None = None,
        until: str | None = None,
        search: str | None = None,
    ) -> Stats:
        """What the history adds up to, hidden pictures included: their money is spent too.

        Args:
            session: the id or name of a session; None is all of them.
            since: UTC, ISO 8601, included.
            until: UTC, ISO 8601, included.
            search: in the language of `search`.

        Raises:
            UsageError: the search cannot be one.
            UnknownName: no such session.
            StorageError: the database cannot be read.
        """
        return statistics.stats(self._connection, self._window(session, since, until, search))

    def stats_by(
        self, group: GroupBy, session: str | None = None, search: str | None = None
    ) -> list[Group]:
        """The same by day, week, session, function or router: the latest or largest first.

        Raises:
            UsageError: the search cannot be one.
            UnknownName: no such session.
            StorageError: the database cannot be read.
        """
        window = self._window(session, None, None, search)
        found = statistics.grouped(self._connection, window, group)
        if group == "session":
            named = {
                row["id"]: (row["started"], row["name"] or row["id"])
                for row in self._connection.rows("SELECT id, name, started FROM sessions")
            }
            latest = sorted(found, key=lambda key: named[key][0], reverse=True)
            return [Group(key, named[key][1], found[key]) for key in latest]
        if group in ("day", "week"):
            return [Group(key, key, found[key]) for key in sorted(found, reverse=True)]
        largest = sorted(found, key=lambda key: (-found[key].pictures, key))
        return [Group(key, key or statistics.NO_ROUTER, found[key]) for key in largest]

    def uses(self) -> dict[str, Use]:
        """What each function drew, by its name, and when last.

        Raises:
            StorageError: the database cannot be read.
        """
        return statistics.uses(self._connection)

    def drifts(self) -> list[Drift]:
        """How the intervals of each router held, on each scale.

        Raises:
            StorageError: the database cannot be read.
        """
        return statistics.drifts(self._connection)

    def measured_regret(
        self, session: str | None = None, search: str | None = None
    ) -> list[MeasuredRegret]:
        """What pictures drawn again by lot say of the routed ones that a search finds.

        Raises:
            UsageError: the search cannot be one.
            UnknownName: no such session.
            StorageError: the database cannot be read.
        """
        window = self._window(session, None, None, search)
        return self.shadows.regrets(window.sql, window.arguments)

    def _window(
        self, session: str | None, since: str | None, until: str | None, search: str | None
    ) -> Window:
        asked = [
            Condition(f"created {sign} ?", (moment,), of_requests=True)
            for sign, moment in ((">=", since), ("<=", until))
            if moment is not None
        ]
        if search is not None and search.strip():
            asked += matching(self._connection, search)
        wanted = None if session is None else self._session_id(session)
        return Window(tuple(asked), wanted)

    def observations(self, limit_per_function: int = 20) -> list[Observation]:
        """The newest runs of each function, oldest first: what the cost model learns from.

        Pictures and cells of benchmarks alike.
        """
        runs = [
            *generations.observations(self._connection, limit_per_function),
            *benches.observations(self._connection, limit_per_function),
        ]
        return [run for _, run in sorted(runs, key=lambda timed: timed[0])]

    def export_rows(self, search: str | None = None) -> Iterator[dict[str, Any]]:
        """Pictures as `generate` prints them, with `rating` and `starred`, newest first."""
        before: str | None = None
        while page := self.generations(search, limit=EXPORT_PAGE, before=before):
            marks = self.marks([generation.id for generation in page])
            for generation in page:
                said = marks[generation.id]
                yield generation.to_json() | {"rating": said.rating, "starred": said.starred}
            before = page[-1].id

    def readings(self) -> Iterator[dict[str, Any]]:
        """Every score of every picture as a score-table row with its `scorer`, oldest first."""
        return history_readings(self._connection)

    def drafts_beside(self, generation_id: str) -> dict[str, float | None]:
        """What each seed cost that was drawn like that picture in its session, by id.

        Raises:
            StorageError: the database cannot be read.
        """
        return generations.drafts_beside(self._connection, generation_id)

    def seed_spreads(self, metric: str, scorer: str) -> dict[str, float]:
        """One standard deviation of each function's scores of one prompt, where measured.

        Raises:
            StorageError: the database cannot be read.
        """
        return generations.seed_spreads(self._connection, metric, scorer)

    def marks(self, ids: Sequence[str]) -> dict[str, Marks]:
        """Ratings and stars by picture id; ids that are not recorded are left out."""
        rows = generations.among(
            self._connection, "SELECT id, rating, starred FROM generations WHERE id", ids
        )
        return {row["id"]: Marks(row["rating"], bool(row["starred"])) for row in rows}

    def rate(self, generation_id: str, rating: int | None) -> None:
        """Rate a picture 1 to 5, or take the rating back with None.

        Raises:
            UsageError: not 1 to 5.
            UnknownName: no such picture.
            StorageError: it cannot be written.
        """
        if rating is not None and rating not in range(1, 6):
            raise UsageError(f"the rating {rating} is out of range", "Give 1 to 5.")
        self._change(generation_id, "rating", rating)

    def star(self, generation_id: str, starred: bool = True) -> None:
        """Star a picture, or take the star back.

        Raises:
            UnknownName: no such picture.
            StorageError: it cannot be written.
        """
        self._change(generation_id, "starred", int(starred))

    def hide(self, generation_id: str, hidden: bool = True) -> None:
        """Leave a picture out of the history, or bring it back; its row and file stay.

        Raises:
            UnknownName: no such picture.
            StorageError: it cannot be written.
        """
        self._change(generation_id, "removed", now() if hidden else None)

    def forget(self, ids: Sequence[str]) -> list[Path]:
        """Remove pictures' rows for good; no piece of their prompts stays in the database's files.

        Returns:
            Copies of the database, made before it was brought up to date, that are removed too.

        Raises:
            StorageError: it cannot be written, or another process keeps its log from being emptied.
        """
        copies = backups_with(self._connection.path, generations.prompts_of(self._connection, ids))
        for copy in copies:
            with storage(str(copy), "Check the permissions of the file and its folder."):
                copy.unlink(missing_ok=True)
        with self._connection.transaction() as db:
            db.execute("PRAGMA secure_delete = ON")
            generations.forget(db, ids)
            db.execute("INSERT INTO generations_fts(generations_fts) VALUES ('optimize')")
        self._connection.compact()
        return copies

    def backup(self, path: Path) -> None:
        """Copy the database, consistent even while others write, to a file that is new.

        Raises:
            UsageError: the file exists.
            StorageError: it cannot be written.
        """
        if path.exists():
            raise UsageError(f"{path} exists already", "Choose a new file.")
        with whole_file(path) as file:
            self._connection.copy_to(Path(file.name))

    def _change(self, generation_id: str, column: str, value: Any) -> None:
        with self._connection.transaction() as db:
            changed = db.execute(
                f"UPDATE generations SET {column} = ? WHERE id = ?", [value, generation_id]
            )
            if changed.rowcount == 0:
                raise UnknownName(
                    f"there is no picture {generation_id!r}", "`cems history ls` prints the ids."
                )

    def _session_id(self, id_or_name: str) -> str:
        return generations.session_id(self._connection, id_or_name)


def open_store(path: Path, *, read_only: bool = False) -> Store:
    """The store in that file.

    Args:
        path: the database; its folder and tables are made if need be.
        read_only: write nothing at all: a missing database is an empty history.

    Raises:
        StorageError: newer than the program, another program's, damaged, not writable,
            or locked for over 5 s.
    """
    return Store(connect_to_read(path) if read_only else connect(path))
