"""Sessions as a list, and the ways to choose over the newest pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.store.database import open_store
from cems_tui.store.frontier import Offer, frontier_of
from tests.long_history import FUNCTIONS, SESSION_PICTURES, fill

COUNT = 5 * SESSION_PICTURES


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    fill(home, COUNT)
    return home


def test_every_way_of_walking_meets_the_same_sessions(home: Path) -> None:
    with open_store(home / "cems.db", read_only=True) as store:
        found = store.session_list()
        whole = list(found.page(None, 100))
        assert len(whole) == found.count() == 5
        assert [row.started for row in whole] == sorted((r.started for r in whole), reverse=True)
        assert found.page(whole[1].key, 2) == whole[2:4]
        assert found.page_before(whole[3].key, 2) == whole[1:3]
        assert found.page_before(None, 2) == whole[3:]
        assert found.page_at(2, 2) == whole[2:4]
        assert [found.rank(row.key) for row in whole] == list(range(5))


def test_a_session_says_what_its_pictures_say(home: Path) -> None:
    with open_store(home / "cems.db", read_only=True) as store:
        for row in store.session_list().page(None, 5):
            made = store.generations(session=row.id)
            assert row.pictures == len(made) == SESSION_PICTURES
            assert row.each_usd == pytest.approx(
                sum(one.cost_usd or 0.0 for one in made) / len(made)
            )


def test_a_session_without_pictures_is_no_row(home: Path) -> None:
    with open_store(home / "cems.db") as store:
        store.session("idle")
        assert store.session_list().count() == 5


def test_the_ways_are_those_of_the_decisions(home: Path) -> None:
    with open_store(home / "cems.db", read_only=True) as store:
        ways = store.frontier()
        made = store.generations()
    assert ways is not None
    assert (ways.router, ways.metric, ways.pictures) == ("starter", "mixed", COUNT)
    assert ways.singles == {
        name: pytest.approx((cost, quality)) for name, (cost, quality, _) in FUNCTIONS.items()
    }
    ran = [next(c for c in one.decision.candidates if c.function == one.executed) for one in made]
    assert ways.you[0] == pytest.approx(sum(c.cost_usd or 0 for c in ran) / COUNT)
    assert ways.cheapest == pytest.approx(ways.singles["starter-small@8"])
    assert ways.best_foreseen == pytest.approx(ways.singles["starter-base@20"])


def test_nothing_routed_is_no_way(tmp_path: Path) -> None:
    with open_store(tmp_path / "cems.db", read_only=True) as store:
        assert store.frontier() is None


@given(
    st.lists(
        st.lists(st.tuples(st.floats(1e-9, 1e-3), st.floats(-5, 5)), min_size=1, max_size=4),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 3),
)
def test_no_way_is_cheaper_than_the_cheapest_or_better_than_the_best(
    pictures: list[list[tuple[float, float]]], pick: int
) -> None:
    offers = [
        Offer(str(number), f"f{place}", cost, quality, place == pick % len(able))
        for number, able in enumerate(pictures)
        for place, (cost, quality) in enumerate(able)
    ]
    ways = frontier_of(offers, "r", "m")
    assert ways is not None
    for cost, quality in (ways.you, ways.at_random, *ways.singles.values()):
        assert cost >= ways.cheapest[0] - 1e-12
        assert quality <= ways.best_foreseen[1] + 1e-9
