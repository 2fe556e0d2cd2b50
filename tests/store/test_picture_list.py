"""The pictures as a list: the same rows whichever way one walks."""

from __future__ import annotations

from pathlib import Path

import pytest

from cems_tui.errors import UsageError
from cems_tui.store.database import Store, open_store
from tests.long_history import fill

COUNT = 150


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    fill(home, COUNT)
    return home


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home / "cems.db", read_only=True)


SEARCHES = [None, "red", "harbour", "function:starter-base", "score:>1.8", "star:", "nothing:like"]


@pytest.mark.parametrize("search", SEARCHES)
def test_every_way_of_walking_meets_the_same_pictures(store: Store, search: str | None) -> None:
    whole = [made.id for made in store.generations(search)]
    found = store.picture_list(search)
    assert found.count() == len(whole)
    walked, after = [], None
    while page := found.page(after, 7):
        walked += [row.id for row in page]
        after = page[-1].key
    assert walked == whole
    back, before = [], None
    while page := found.page_before(before, 7):
        back = [row.id for row in page] + back
        before = page[0].key
    assert back == whole
    jumped = [row for start in range(0, len(whole), 7) for row in found.page_at(start, 7)]
    assert [row.id for row in jumped] == whole
    assert [found.rank(row.key) for row in jumped] == list(range(len(whole)))


def test_a_row_says_what_its_picture_says(store: Store) -> None:
    rows = store.picture_list().page(None, COUNT)
    for row, made in zip(rows, store.generations(), strict=True):
        ran = next(c for c in made.decision.candidates if c.function == made.executed)
        assert made.foreseen_score is not None
        assert (row.promised, row.interval) == (ran.quality, ran.interval)
        assert row.measured == made.foreseen_score.value
        assert (row.cost_usd, row.image, row.seed) == (made.cost_usd, made.image, str(made.seed))
        assert row.outside is not (row.interval[0] <= row.measured <= row.interval[1])  # type: ignore[index, operator]


def test_the_trash_is_another_list(home: Path) -> None:
    with open_store(home / "cems.db") as store:
        first = store.picture_list().page(None, 1)[0]
        store.hide(first.id)
        assert [row.id for row in store.picture_list(hidden=True).page(None, 5)] == [first.id]
        assert store.picture_list().count() == COUNT - 1
        assert store.picture_list().rank(first.key) == 0
        store.hide(first.id, hidden=False)


def test_a_damaged_row_keeps_its_place_and_says_so(home: Path) -> None:
    with open_store(home / "cems.db") as store:
        third = store.picture_list().page(None, 3)[2]
        with store._connection.transaction() as db:
            db.execute("UPDATE generations SET cost_usd = 'dear' WHERE id = ?", [third.id])
        found = store.picture_list().page(None, 3)[2]
        assert (found.id, found.key, found.damaged) == (third.id, third.key, True)
        assert found.cost_usd is None
        with store._connection.transaction() as db:
            db.execute(
                "UPDATE generations SET cost_usd = ? WHERE id = ?", [third.cost_usd, third.id]
            )


def test_a_search_that_cannot_be_one_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="score:red"):
        store.picture_list("score:red")


def test_names_complete_a_search(store: Store) -> None:
    names = store.names()
    assert names["function"] == (
        "starter-base@20", "starter-base@8", "starter-small@8", "starter-turbo@1",
    )  # fmt: skip
    assert names["model"] == ("starter-base", "starter-small", "starter-turbo")
    assert names["router"] == ("starter",)
    assert names["session"] == ("project 0",)


def test_an_absent_history_is_an_empty_list(tmp_path: Path) -> None:
    with open_store(tmp_path / "cems.db", read_only=True) as store:
        assert store.picture_list().count() == 0
        assert store.picture_list("red").page(None, 5) == []
        assert store.names()["function"] == ()
