"""What is kept can be read while there is no room for a byte more."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cems_tui.store.connection import connect, connect_to_read


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def fill(folder: Path) -> None:
    """Take the last byte of a disk."""
    with open(folder / "filler", "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017 - how a full disk answers


@pytest.mark.parametrize("left", ["a log of the last writer", "nothing but the database"])
def test_the_history_of_a_full_disk_is_read(disk: Path, left: str) -> None:
    path = disk / "cems.db"
    writer = connect(path)
    with writer.transaction() as db:
        db.execute("CREATE TABLE told (word TEXT)")
        db.execute("INSERT INTO told VALUES ('hello')")
    if left.startswith("a log"):
        log = path.with_name("cems.db-wal").read_bytes()
        before = path.read_bytes()
        writer.close()
        path.write_bytes(before)  # as a kill leaves it
        path.with_name("cems.db-wal").write_bytes(log)
    else:
        writer.close()
    path.with_name("cems.db-shm").unlink(missing_ok=True)
    fill(disk)
    reader = connect_to_read(path)
    assert [row[0] for row in reader.rows("SELECT word FROM told")] == ["hello"]
    with pytest.raises(sqlite3.OperationalError):
        reader.db.execute("INSERT INTO told VALUES ('more')")
    reader.close()
    assert os.statvfs(disk).f_bavail == 0
