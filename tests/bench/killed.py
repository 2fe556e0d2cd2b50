"""A real benchmark on the pack that is killed, and what may not be wrong afterwards."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

ROWS = (
    "SELECT prompt_id, function, seed, image, error,"
    " (SELECT GROUP_CONCAT(metric || value || scorer) FROM bench_scores WHERE cell = own.id)"
    " AS scores FROM bench_cells AS own ORDER BY id"
)


@dataclass(frozen=True)
class Kept:
    """A row of a benchmark with the bytes of its picture."""

    scores: str
    picture: str
    """SHA-256 of its file."""


def kept(home: Path) -> dict[tuple[Any, ...], Kept]:
    """What a benchmark holds; every row once, whole, and its picture there.

    Raises:
        AssertionError: the database is damaged, or a row is doubled, torn or without its picture.
    """
    if not (home / "cems.db").exists():
        return {}
    with sqlite3.connect(home / "cems.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'bench_cells'").fetchone():
            return {}
        rows = db.execute(ROWS).fetchall()
    found = {}
    for *key, image, error, scores in rows:
        assert tuple(key) not in found, f"{key} is there twice"
        assert error is None, f"{key} failed: {error}"
        assert scores is not None, f"{key} has no scores"
        found[tuple(key)] = Kept(scores, sha256((home / image).read_bytes()).hexdigest())
    return found


def differences(
    before: dict[tuple[Any, ...], Kept], after: dict[tuple[Any, ...], Kept]
) -> list[tuple[Any, ...]]:
    """The rows of before that are not there, or not the same, after."""
    return [key for key, row in before.items() if after.get(key) != row]
