"""The schema is documented as it is, and every table and view can be read by other tools."""

from __future__ import annotations

import re
import sqlite3
from importlib.resources import files
from pathlib import Path

import pytest

from cems_tui.store.database import open_store
from tests.store.records import generation

OF_OTHERS = ("sqlite_", "_sqlite_migrations", "generations_fts_")


@pytest.fixture
def database(tmp_path: Path) -> sqlite3.Connection:
    path = tmp_path / "cems.db"
    with open_store(path) as store:
        session = store.session("evening")
        store.add_generation(generation(session, tmp_path))
        hidden = generation(session, tmp_path)
        store.add_generation(hidden)
        store.hide(hidden.id)
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)


def test_the_document_names_every_table_view_and_column(database: sqlite3.Connection) -> None:
    real = {
        name: {row[1] for row in database.execute(f"PRAGMA table_info({name})")}
        for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        )
        if not name.startswith(OF_OTHERS)
    }
    text = files("cems_tui.store").joinpath("schema.md").read_text("utf-8")
    told = {
        section.partition("\n")[0].strip(): set(re.findall(r"`([a-z_0-9]+)`", section))
        for section in text.split("\n## ")[1:]
    }
    assert told == real


def test_pictures_are_readable_rows_without_the_trash(database: sqlite3.Connection) -> None:
    database.row_factory = sqlite3.Row
    [row] = [dict(one) for one in database.execute("SELECT * FROM pictures")]
    assert (row["session"], row["prompt"], row["pinned"]) == ("evening", "a red car", 0)
    assert row["draw_seconds"] == pytest.approx(0.38)
    assert [dict(one) for one in database.execute("SELECT * FROM regrets")] == []
