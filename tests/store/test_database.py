"""The database file: made when written, never by reading, and every trouble is told."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cems_tui.domain.score import Score
from cems_tui.errors import StorageError
from cems_tui.store import connection as connections
from cems_tui.store import migrations
from cems_tui.store.database import open_store
from cems_tui.store.migrations import STEPS
from cems_tui.store.rows import candidate_rows, generation_row, score_rows
from tests.store.records import generation

FOLDER = Path("/pictures")


def written(path: Path) -> bytes:
    """A database with one picture in it; its bytes once everything is checkpointed."""
    with open_store(path) as store:
        store.add_generation(generation(store.session("mine"), FOLDER))
    return path.read_bytes()


def tamper(path: Path, *statements: str) -> None:
    """Change a database behind the program's back."""
    database = sqlite3.connect(path)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process is in the middle of writing."""
    code = f"""
import sqlite3
database = sqlite3.connect({str(path)!r}, isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        yield
        holder.communicate(b"\n")


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Permissions bind nobody who is root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that an ordinary user may enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)


def test_writing_makes_the_folder_and_the_database(tmp_path: Path) -> None:
    path = tmp_path / "new" / "cems.db"
    written(path)
    with open_store(path) as store:
        assert len(store.generations()) == 1


def test_reading_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "cems.db"
    with open_store(path, read_only=True) as store:
        assert store.generations(search="car") == []
        assert store.stats().pictures == 0
        assert store.benches.summaries() == []
        with pytest.raises(StorageError):
            store.session()
    assert not path.parent.exists()


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cems.db"
    before = written(path)
    open_store(path).close()
    with open_store(path, read_only=True) as store:
        assert len(store.generations()) == 1
        with pytest.raises(StorageError):
            store.session()
    assert path.read_bytes() == before


def test_the_files_settings_are_those_meant(tmp_path: Path) -> None:
    with open_store(tmp_path / "cems.db") as store:
        ask = store._connection.db.execute
        told = {
            name: ask(f"PRAGMA {name}").fetchone()[0]
            for name in (
                "journal_mode",
                "synchronous",
                "foreign_keys",
                "busy_timeout",
                "user_version",
            )
        }
    assert told == {
        "journal_mode": "wal",
        "synchronous": 1,
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "user_version": len(STEPS),
    }


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
        "VALUES ('cems', 'm999_future', '2030')",
        "PRAGMA user_version = 999",
    ],
)
@pytest.mark.parametrize("read_only", [True, False])
def test_a_newer_database_is_left_as_it_is(tmp_path: Path, change: str, read_only: bool) -> None:
    path = tmp_path / "cems.db"
    written(path)
    tamper(path, change)
    before = path.read_bytes()
    with pytest.raises(StorageError, match="newer") as raised:
        open_store(path, read_only=read_only)
    assert raised.value.exit_code == 8
    assert "Nothing was changed" in raised.value.hint
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [True, False])
def test_another_programs_database_is_left_as_it_is(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "cems.db"
    tamper(path, "CREATE TABLE sessions (notes)")
    before = path.read_bytes()
    with pytest.raises(StorageError, match="another program"):
        open_store(path, read_only=read_only)
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("content", [b"not a database at all\n" * 99, b"SQLite format 3\0" * 300])
def test_a_file_that_is_no_database_is_left_as_it_is(
    tmp_path: Path, content: bytes, read_only: bool
) -> None:
    path = tmp_path / "cems.db"
    path.write_bytes(content)
    with pytest.raises(StorageError) as raised:
        open_store(path, read_only=read_only)
    assert raised.value.exit_code == 8
    assert str(path) in str(raised.value)
    assert path.read_bytes() == content


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cems.db"
    whole = written(path)
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(StorageError, match="damaged") as raised, open_store(path) as store:
        store.generations()
    assert "Move it away" in raised.value.hint


def test_an_empty_file_is_an_empty_history(tmp_path: Path) -> None:
    path = tmp_path / "cems.db"
    path.touch()
    with open_store(path, read_only=True) as store:
        assert store.generations() == []
    assert path.read_bytes() == b""
    written(path)


def older(path: Path, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database as it was after so many steps, with a picture in it if it had pictures then."""
    with monkeypatch.context() as then:
        then.setattr(migrations, "STEPS", STEPS[:steps])
        then.setattr(connections, "STEPS", STEPS[:steps])
        connections.connect(path).close()
    scored = (Score("mixed", 1.25, "m:1"),)
    made = generation("01SESSION", FOLDER, scores=scored)
    rows = {
        "sessions": [{"id": "01SESSION", "kind": "app", "started": made.created}],
        "candidates": candidate_rows(made),
        "scores": score_rows(made),
        "generations": [generation_row(made, path.parent)],
    }
    database = sqlite3.connect(path)
    for table, found in rows.items():
        known = {told[1] for told in database.execute(f"PRAGMA table_info({table})")}
        for row in found if known else ():
            kept = {name: value for name, value in row.items() if name in known}
            marks = ", ".join("?" * len(kept))
            database.execute(
                f"INSERT INTO {table} ({', '.join(kept)}) VALUES ({marks})", [*kept.values()]
            )
    database.commit()
    database.close()


@pytest.mark.parametrize("steps", range(1, len(STEPS)))
def test_an_older_database_is_read_without_changing_it_and_upgraded_by_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    path = tmp_path / "cems.db"
    older(path, steps, monkeypatch)
    before = path.read_bytes()
    # the index of words came with the fifth step, and knows what was written since
    searched = "car" if steps >= 5 else None
    pictures = 1 if steps >= 2 else 0
    with open_store(path, read_only=True) as store:
        assert len(store.generations(search=searched)) == pictures
        assert store.benches.summaries() == []
    assert path.read_bytes() == before
    with open_store(path) as store:
        assert len(store.generations(search=searched)) == pictures
        found = store.stats()
        assert found.pictures == pictures
        assert store.stats(search="since:2020-01-01").to_json() == found.to_json()
        if steps >= 4:
            [foresight] = found.foresight
            assert (foresight.predicted, foresight.measured) == (1.31, 1.25)
    backup = path.with_name(f"cems-before-m{steps + 1:03}.db")
    with open_store(backup, read_only=True) as store:
        assert len(store.generations()) == pictures
    with open_store(path) as store:
        forgotten = store.forget([one.id for one in store.generations()])
        assert store.stats().pictures == 0
    assert forgotten == [backup] * pictures
    assert backup.exists() == (not pictures)


def test_a_locked_database_is_waited_for_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.3)
    path = tmp_path / "cems.db"
    written(path)
    with open_store(path) as store:
        with locked(path):
            with pytest.raises(StorageError, match="locked by another process") as raised:
                store.session()
            assert raised.value.exit_code == 8
            assert len(store.generations()) == 1, "readers do not wait"
            with open_store(path) as second:
                assert len(second.generations()) == 1
        store.session()


def test_a_writer_that_ends_in_time_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "cems.db"
    written(path)
    with open_store(path) as store, locked_for(path, seconds=0.5):
        store.session()


@contextmanager
def locked_for(path: Path, seconds: float) -> Iterator[None]:
    """A writer that ends by itself."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(seconds, lambda: other.execute("COMMIT"))
    timer.start()
    yield
    timer.join()
    other.close()


def test_a_file_that_may_not_be_written_is_told(open_folder: Path) -> None:
    path = open_folder / "cems.db"
    written(path)
    path.chmod(0o444)
    open_folder.chmod(0o555)
    with ordinary_user():
        with pytest.raises(StorageError) as raised, open_store(path) as store:
            store.session()
        assert "permissions" in raised.value.hint
        with open_store(path, read_only=True) as store:
            assert len(store.generations(search="car")) == 1


def test_a_folder_that_may_not_be_written_is_told(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with ordinary_user():
        for path in (open_folder / "cems.db", open_folder / "deeper" / "cems.db"):
            with pytest.raises(StorageError) as raised:
                open_store(path)
            assert raised.value.exit_code == 8
            assert raised.value.hint


def test_a_folder_in_the_place_of_the_database_is_told(tmp_path: Path) -> None:
    for read_only in (True, False):
        with pytest.raises(StorageError):
            open_store(tmp_path, read_only=read_only)


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cems.db"
    with open_store(path) as store:
        session = store.session()
        first = generation(session, FOLDER)
        store.add_generation(first)
        pages = store._connection.db.execute("PRAGMA page_count").fetchone()[0]
        store._connection.db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageError, match="disk is full") as raised:
            store.add_generation(generation(session, FOLDER, prompt="x" * 10_000))
        assert raised.value.exit_code == 8
        assert store.generations() == [first]
        store._connection.db.execute("PRAGMA max_page_count = 100000")
        store.add_generation(generation(session, FOLDER))


def test_a_file_that_cannot_grow_is_told(tmp_path: Path) -> None:
    code = f"""
import resource, sys
from pathlib import Path
from cems_tui.domain.score import Score
from cems_tui.errors import StorageError
from cems_tui.store.database import open_store
from tests.store.records import generation
store = open_store(Path({str(tmp_path / "cems.db")!r}))
session = store.session()
resource.setrlimit(resource.RLIMIT_FSIZE, (800_000, 800_000))
made = 0
try:
    while made < 1000:
        store.add_generation(generation(session, Path("/p"), prompt="x" * 9000))
        made += 1
except StorageError as error:
    sys.exit(f"{{error.exit_code}} {{made}} {{len(store.generations())}} {{error}}")
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    code_said, made, kept, *_ = ran.stderr.split()
    assert (code_said, made) == ("8", kept), ran.stderr
    with open_store(tmp_path / "cems.db") as store:
        assert len(store.generations()) == int(made) > 0


def test_two_processes_that_make_the_database_at_once_both_succeed(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from cems_tui.store.database import open_store
with open_store(Path({str(tmp_path / "cems.db")!r})) as store:
    print(store.session("shared"))
"""
    racers = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(4)
    ]
    said = {racer.communicate()[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0] * 4
    assert len(said) == 1, "the named session was made once"


def test_a_reader_sees_whole_pictures_while_others_write(tmp_path: Path) -> None:
    path = tmp_path / "cems.db"
    with open_store(path) as store:
        session = store.session()

        def write() -> None:
            for _ in range(60):
                store.add_generation(generation(session, FOLDER))

        writer = threading.Thread(target=write)
        writer.start()
        counts = []
        with open_store(path, read_only=True) as reader:
            while writer.is_alive():
                found = reader.generations()
                counts.append(len(found))
                for made in found:
                    assert len(made.scores) == len(made.decision.candidates) == 3
        writer.join()
        assert counts == sorted(counts)
        assert len(store.generations()) == 60


def test_threads_may_share_a_store(tmp_path: Path) -> None:
    with open_store(tmp_path / "cems.db") as store:
        session = store.session()

        def write() -> None:
            for _ in range(20):
                store.add_generation(generation(session, FOLDER))

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store.generations()) == 80


def test_search_survives_a_vacuum(tmp_path: Path) -> None:
    path = tmp_path / "cems.db"
    with open_store(path) as store:
        session = store.session()
        made = [generation(session, FOLDER, prompt=f"car{index}") for index in range(5)]
        for one in made:
            store.add_generation(one)
    tamper(path, f"DELETE FROM generations WHERE id = '{made[0].id}'")
    tamper(path, "VACUUM")
    with open_store(path) as store:
        assert store.generations(search="car3") == [made[3]]
        assert store.generations(search="car0") == []


def test_opening_costs_no_pandas_numpy_or_torch_and_hides_none_of_them(tmp_path: Path) -> None:
    open_store(tmp_path / "cems.db").close()
    code = f"""
import sys
from pathlib import Path
from cems_tui.store.database import open_store
open_store(Path({str(tmp_path / "cems.db")!r})).close()
heavy = ("sqlite_utils", "pandas", "numpy", "torch", "PIL", "textual")
print(*(name for name in heavy if name in sys.modules))
import numpy
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
