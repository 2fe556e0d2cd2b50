"""Pages, words and sums are found by an index, however many pictures there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cems_tui.store.connection import Connection
from cems_tui.store.database import Store, open_store
from tests.store.records import generation


class Watched(Connection):
    """A connection that keeps how SQLite goes about each query."""

    plans: list[str]

    def rows(self, sql: str, arguments: Any = ()) -> Any:
        told = self.db.execute(f"EXPLAIN QUERY PLAN {sql}", arguments)
        self.plans += [row["detail"] for row in told]
        return super().rows(sql, arguments)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cems.db") as made:
        session = made.session("evening")
        for number in range(30):
            made.add_generation(generation(session, tmp_path, prompt=f"word{number} car"))
        watched = Watched(made.path, made._connection.db)
        watched.plans = []
        yield Store(watched)


def plans(store: Store) -> list[str]:
    found: list[str] = store._connection.plans  # type: ignore[attr-defined]
    return found


def scans(store: Store) -> list[str]:
    """Steps that read every picture."""
    return [
        plan for plan in plans(store) if re.match(r"SCAN (generations|candidates|scores)\b", plan)
    ]


def test_the_newest_page_and_the_next_are_read_off_the_index_of_moments(store: Store) -> None:
    newest = store.page(limit=10)
    assert plans(store) == ["SCAN generations USING INDEX generations_shown"]
    plans(store).clear()
    store.page(limit=10, before=newest[-1]["id"])
    assert scans(store) == []
    assert any("generations_shown ((created,id)<" in plan for plan in plans(store))
    assert not any("TEMP B-TREE" in plan for plan in plans(store))


def test_words_are_looked_up_in_the_index_of_words(store: Store) -> None:
    assert len(store.page("word7", limit=10)) == 1
    assert any("generations_fts VIRTUAL TABLE INDEX" in plan for plan in plans(store))
    assert scans(store) == []


def test_statistics_read_no_picture(store: Store) -> None:
    for ask in (
        lambda: store.stats(),
        lambda: store.stats(session="evening"),
        lambda: store.stats_by("day"),
        lambda: store.stats_by("session"),
        lambda: store.stats_by("function"),
        lambda: store.stats_by("router"),
        lambda: store.uses(),
        lambda: store.drifts(),
    ):
        ask()
    assert scans(store) == []


def test_what_prices_are_learnt_from_is_looked_up_group_by_group(store: Store) -> None:
    assert len(store.observations()) == 20
    assert [plan for plan in scans(store) if "INDEX" not in plan] == []
    assert "USE TEMP B-TREE FOR ORDER BY" not in plans(store)


def test_the_rule_sees_a_scan(store: Store) -> None:
    store.stats(search="cost:>0")
    assert scans(store) != []


def test_a_history_without_lots_is_not_searched_for_what_they_say(store: Store) -> None:
    assert store.measured_regret() == []
    assert store.measured_regret(search="cost:>0") == []
    assert scans(store) == []
