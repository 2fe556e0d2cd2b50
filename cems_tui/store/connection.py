"""One SQLite connection: how it is opened, brought up to date, written to, and how it fails.

Every SQLite error becomes a StorageError that says what happened to which file.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cems_tui.errors import StorageError
from cems_tui.files import whole_file
from cems_tui.paths import ensure
from cems_tui.store.migrations import (
    MOVED_PICTURE,
    SET,
    STEPS,
    TABLE,
    applied,
    migrator,
    moved_picture,
    pending,
)

BUSY_SECONDS = 5.0
"""How long a locked database is waited for."""


class Connection:
    """A connection that several threads may use, one after the other."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self.home = path.parent.absolute()
        """The folder that relative paths in rows start from."""

        self.db = db
        self._lock = threading.RLock()

    def rows(self, sql: str, arguments: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Every row of a query.

        Raises:
            StorageError: the database cannot be read.
        """
        with self._lock, failures_told(self.path):
            found: list[sqlite3.Row] = self.db.execute(sql, arguments).fetchall()
        return found

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written in the block, or none of it.

        The write lock is taken at once (BEGIN IMMEDIATE): a deferred transaction that finds
        another writer half-way through fails without waiting.

        Raises:
            StorageError: locked for over 5 s, disk full, read-only, damaged.
        """
        with self._lock, failures_told(self.path):
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                # SQLite ends the transaction itself on some errors, a full disk among them
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    def copy_to(self, path: Path) -> None:
        """Copy everything to a file that is new, or empty.

        Raises:
            StorageError: it cannot be written.
        """
        with self._lock, failures_told(path):
            self.db.execute("VACUUM INTO ?", [str(path)])

    def compact(self) -> None:
        """Write the database anew without what was deleted, its log too.

        Raises:
            StorageError: it cannot be written, or others have it open for over 5 s.
        """
        with self._lock, failures_told(self.path):
            self.db.execute("VACUUM")
            busy, _, _ = self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StorageError(
                f"what was deleted is still in the log of {self.path}: another process reads there",
                "End it (the app, another command): the log goes with the last of them.",
            )

    def close(self) -> None:
        with self._lock:
            self.db.close()


def connect(path: Path) -> Connection:
    """A connection that reads and writes; file, folder and tables are made if need be."""
    with failures_told(path):
        ensure(path.parent)
        if not path.exists():
            migrator()  # imports for seconds: an interruption there leaves no empty file
        db = _database(str(path))
        try:
            _refuse_foreign(db, path)
            _use_wal(db)
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA foreign_keys = ON")
            connection = Connection(path, db)
            _migrate(connection, on_disk=True)
        except BaseException:
            db.close()
            raise
    return connection


def connect_to_read(path: Path) -> Connection:
    """A connection that never writes: a missing file is an empty history, and stays missing.

    A database older than the program is read through a copy in memory that is brought up to
    date: reading changes nothing on disk.
    """
    with failures_told(path):
        if not path.exists():
            db = _database(":memory:")
        else:
            db = _database_to_read(path)
            try:
                _refuse_foreign(db, path)
                if not pending(db):
                    return Connection(path, db)
                old, db = db, _database(":memory:")
                old.backup(db)
                old.close()
            except BaseException:
                db.close()
                raise
        connection = Connection(path, db)
        _migrate(connection, on_disk=False)
        db.execute("PRAGMA query_only = ON")
    return connection


@contextmanager
def failures_told(path: Path) -> Iterator[None]:
    """SQLite's errors in the block become StorageErrors about `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise told(error, path) from error


def told(error: sqlite3.Error, path: Path) -> StorageError:
    """What the error means for the user, and what to do about it."""
    primary = _primary(error)
    where = f"the database {path}"
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageError(
            f"{where} was locked by another process for over {BUSY_SECONDS:.0f} s",
            "Wait for the other cems, or close the program that has the database open.",
        )
    if primary == sqlite3.SQLITE_FULL:
        return StorageError(f"{where} cannot grow: the disk is full", "Free some disk space.")
    if primary == sqlite3.SQLITE_IOERR:
        return StorageError(
            f"{where} could not be read or written: {error}",
            "Check that the disk is not full and works.",
        )
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StorageError(
            f"{where} cannot be opened or written: {error}",
            "Check the permissions of the file and its folder, or set CEMS_HOME to another one.",
        )
    if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StorageError(
            f"{where} is damaged or not a database: {error}",
            "Move it away (a new one is made; `cems` finds the pictures again from their "
            "receipts), or put a backup in its place.",
        )
    return StorageError(f"{where} refused: {error}")


def _database(target: str, *, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(
        target, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri
    )
    connection.row_factory = sqlite3.Row
    return connection


def _database_to_read(path: Path) -> sqlite3.Connection:
    """The file, opened so that nothing can be written to it.

    Even a reader of a WAL database makes a file beside it. Where it may not, SQLite wants the
    promise that nobody else writes: true when there is no log of a writer to be read.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    db = _database(uri, uri=True)
    try:
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        db.close()
        log = path.with_name(path.name + "-wal")
        refused = _primary(error)
        if not path.is_file() or refused not in (*_NOT_ALLOWED, *_NO_ROOM):
            raise
        if not log.exists() or not log.stat().st_size:
            return _database(uri + "&immutable=1", uri=True)
        if refused not in _NO_ROOM:
            raise
        return _read_into_memory(path)
    except BaseException:
        db.close()
        raise
    return db


_NOT_ALLOWED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
_NO_ROOM = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)


def _read_into_memory(path: Path) -> sqlite3.Connection:
    """A copy in memory, of a database beside which nothing can be written: the disk is full.

    Who has it alone keeps the index of its log in memory, not in a file.
    """
    copy = _database(":memory:")
    with closing(_database(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA query_only = ON")
        db.backup(copy)
    copy.execute("PRAGMA query_only = ON")
    return copy


def _primary(error: sqlite3.Error) -> int | None:
    """SQLite's primary result code, without the detail in its upper bits."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _use_wal(db: sqlite3.Connection) -> None:
    """Write-ahead logging: readers and the writer do not wait for each other.

    The switch ignores the busy timeout, so it is tried until that is over.
    """
    if db.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _migrate(connection: Connection, *, on_disk: bool) -> None:
    """Apply what is pending, all or nothing; of two processes at once, one does it.

    A database on the disk that holds something is copied beside itself first.
    """
    if not pending(connection.db):
        return
    migrate = migrator()  # imports: before the lock that others wait for
    with connection.transaction() as db:
        _refuse_foreign(db, connection.path)
        if on_disk:
            _back_up(db, connection.path)
        db.create_function(MOVED_PICTURE, 1, moved_picture(connection.home))
        migrate(db)
        db.execute(f"PRAGMA user_version = {len(STEPS)}")


def _back_up(db: sqlite3.Connection, path: Path) -> None:
    """Copy the database as it is before it is changed: `cems-before-m008.db` beside `cems.db`.

    The caller holds the write lock; the copy is read by a connection of its own. A database
    without steps is new and needs none.

    Raises:
        StorageError: there is no room for it; nothing was changed.
    """
    done = applied(db)
    first = next((step.__name__ for step in STEPS if step.__name__ not in done), None)
    if not done or first is None:
        return
    with whole_file(backup_before(path, first)) as file:
        reader = _database(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        with closing(reader), closing(_database(file.name)) as copy:
            reader.backup(copy)


def backups_with(path: Path, prompts: Collection[str]) -> list[Path]:
    """The copies of a database made before steps that hold one of the prompts, or cannot tell."""
    found: list[Path] = []
    if not prompts:
        return found
    for copy in sorted(path.parent.glob(f"{path.stem}-before-*{path.suffix}")):
        try:
            uri = f"{copy.absolute().as_uri()}?mode=ro&immutable=1"
            with closing(_database(uri, uri=True)) as db:
                told = db.execute("SELECT DISTINCT prompt FROM generations")
                there = any(row[0] in prompts for row in told)
        except sqlite3.Error:
            there = True
        if there:
            found.append(copy)
    return found


def backup_before(path: Path, step: str) -> Path:
    """Where the copy of a database is that was made before a step: `cems-before-m008.db`."""
    return path.with_name(f"{path.stem}-before-{step.split('_')[0]}{path.suffix}")


def _refuse_foreign(db: sqlite3.Connection, path: Path) -> None:
    """A database of a newer cems, or of another program, is left as it is.

    Raises:
        StorageError: it is one of those.
    """
    known = {step.__name__ for step in STEPS}
    steps = applied(db)
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if steps - known or version > len(STEPS):
        raise StorageError(
            f"the database {path} was written by a newer cems-tui than this one",
            "Upgrade cems-tui, or set CEMS_HOME to another folder. Nothing was changed.",
        )
    if not steps and db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        ours = db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [TABLE]).fetchone()
        raise StorageError(
            f"the database {path} belongs to another program"
            + (f" (its migrations are not {SET!r})" if ours else ""),
            "Set CEMS_HOME to another folder. Nothing was changed.",
        )
