"""Sums that are kept are those of the pictures there are, whatever came and went."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cems_tui.domain.decision import Policy
from cems_tui.domain.generation import Generation, Seconds
from cems_tui.domain.savings import routed_picture, savings_of
from cems_tui.domain.score import Score
from cems_tui.store import generations, rollups
from cems_tui.store.database import Store, open_store
from tests.store.records import candidate, decision, generation
from tests.store.test_statistics import alike

FOLDER = Path("/pictures")
FUNCTIONS = ("dear@9", "middle@4", "cheap@1")


def pictures(store: Store, count: int, seed: int) -> list[Generation]:
    """Pictures of many kinds: pinned, unpriced, not scored, of several days and routers."""
    draw = random.Random(seed)
    sessions = [store.session("a"), store.session("b")]
    made = []
    for number in range(count):
        candidates = tuple(
            candidate(
                name,
                rank=place,
                quality=draw.choice((None, 1.0 + 0.125 * place, 1.25)),
                interval=draw.choice((None, (0.9, 1.4))),
                cost_usd=draw.choice((None, 1e-6 * (9 - place), 2e-6)),
                allowed=draw.random() < 0.8,
                fits=draw.choice((None, True, False)),
            )
            for place, name in enumerate(FUNCTIONS)
        )
        ran = draw.choice(FUNCTIONS)
        taken = decision(
            candidates=candidates,
            choice=ran,
            router=draw.choice((None, "starter", "mine")),
            router_sha256=draw.choice((None, "sha256:aa")),
            scorer=draw.choice((None, "m:1")),
        )
        if draw.random() < 0.3:
            taken = replace(taken, policy=Policy.pinned(ran))
        made.append(
            generation(
                draw.choice(sessions),
                FOLDER,
                prompt=draw.choice(("a red car", "a blue car", "四匹の猫")),
                executed=ran,
                function=ran,
                decision=taken,
                cost_usd=draw.choice((None, 1e-6, 3e-6)),
                energy_wh=draw.choice((None, 0.25)),
                seconds=Seconds(draw.choice((None, 0.5)), 0.1, 0.5, draw.choice((None, 0.1)), 0, 2),
                scores=draw.choice(((), (Score("mixed", draw.random() * 2, "m:1"),))),
                created=f"2026-11-{1 + number % 3:02}T12:00:00.000+00:00",
            )
        )
        store.add_generation(made[-1])
    return made


def kept_sums(db: sqlite3.Connection, rollup: rollups.Rollup) -> list[object]:
    """A rollup as it is read: what is folded and what is newer, added up."""
    keys = ", ".join(rollup.key)
    figures = ", ".join(f"SUM({name})" for name in rollup.figures)
    found = db.execute(f"SELECT {keys}, {figures} FROM {rollup.table} GROUP BY {keys}")
    return sorted((alike(tuple(row)) for row in found), key=repr)


def assert_kept_sums_are_true(store: Store) -> None:
    db = store._connection.db
    for rollup in rollups.ROLLUPS:
        made = [
            tuple(row) for kept in rollups.KEPT for row in db.execute(rollup.select("1", *kept))
        ]
        assert kept_sums(db, rollup) == sorted(map(alike, made), key=repr)


def not_folded(store: Store) -> int:
    """How many pictures are not in the folded sums yet."""
    found = store._connection.rows(
        "SELECT COUNT(*) FROM generations WHERE number > (SELECT through FROM folded_pictures)"
    )
    return int(found[0][0])


class Killed(BaseException):
    """A process that ended there."""


@given(
    st.integers(1, 5),
    st.lists(
        st.sampled_from(["draw", "rm", "restore", "forget", "forget newest", "kill"]), max_size=24
    ),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40, deadline=None)
def test_they_are_true_after_any_mix_of_pictures_that_come_and_go_and_of_kills(
    tmp_path_factory: pytest.TempPathFactory, at: int, steps: list[str], draw: random.Random
) -> None:
    path = tmp_path_factory.mktemp("home") / "cems.db"
    store = open_store(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollups.fold, "__kwdefaults__", {"at": at})
        for step in ["draw", *steps]:
            there = [row["id"] for row in store._connection.rows("SELECT id FROM generations")]
            if step == "draw":
                pictures(store, draw.randint(1, 4), draw.randrange(1000))
            elif step == "kill":
                with patch.context() as dying:
                    dying.setattr(generations, "fold", folded_and_killed)
                    with pytest.raises(Killed):
                        pictures(store, 1, draw.randrange(1000))
                store.close()
                store = open_store(path)
                assert len(there) == store.stats().pictures
            elif step == "forget newest":
                store.forget(there[-2:])
            elif there:
                one = draw.choice(there)
                if step == "forget":
                    store.forget([one])
                else:
                    store.rate(one, draw.choice((None, 3)))
                    store.hide(one, step == "rm")
            assert_kept_sums_are_true(store)
            assert not_folded(store) < at
    store.close()


def folded_and_killed(db: sqlite3.Connection, newest: int) -> None:
    rollups.fold(db, newest, at=1)
    raise Killed


def test_pictures_are_folded_some_at_a_time_and_counted_at_once(tmp_path: Path) -> None:
    with open_store(tmp_path / "cems.db") as store:
        pictures(store, rollups.FOLDED_AT - 1, seed=1)
        assert not_folded(store) == store.stats().pictures == rollups.FOLDED_AT - 1
        assert_kept_sums_are_true(store)
        pictures(store, 1, seed=2)
        assert not_folded(store) == 0
        assert store.stats().pictures == rollups.FOLDED_AT
        assert sum(one.pictures for one in store.uses().values()) == rollups.FOLDED_AT
        assert_kept_sums_are_true(store)


@given(st.integers(0, 10_000), st.integers(1, 12), st.data())
@settings(max_examples=12, deadline=None)
def test_they_follow_every_picture_that_comes_and_goes(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, data: st.DataObject
) -> None:
    with open_store(tmp_path_factory.mktemp("home") / "cems.db") as store:
        made = pictures(store, count, seed)
        assert_kept_sums_are_true(store)
        told = savings_of(
            [
                found
                for one in made
                if (found := routed_picture(one.decision, one.executed)) is not None
            ],
            sum(one.decision.policy.kind != "pinned" for one in made),
        )
        saved = store.stats().savings
        assert alike([asdict(one) for one in told.against]) == alike(
            [asdict(one) for one in saved.against]
        )
        gone = data.draw(st.lists(st.sampled_from([one.id for one in made]), unique=True))
        store.forget(gone)
        assert_kept_sums_are_true(store)
        assert store.stats().pictures == count - len(gone)


def test_what_a_search_finds_is_added_up_as_everything_is(tmp_path: Path) -> None:
    with open_store(tmp_path / "cems.db") as store:
        pictures(store, 60, seed=3)
        whole, found = store.stats().to_json(), store.stats(search="since:2020-01-01").to_json()
        assert alike(whole) == alike(found)
        for session in ("a", "b"):
            mine = store.stats(session=session).to_json()
            assert alike(mine) == alike(store.stats(search=f"session:{session}").to_json())


@pytest.mark.parametrize("group", ["day", "week", "session", "function", "router"])
def test_groups_are_parts_of_the_whole(tmp_path: Path, group: str) -> None:
    with open_store(tmp_path / "cems.db") as store:
        pictures(store, 60, seed=5)
        for asked in (None, "since:2020-01-01", "car"):
            whole = store.stats(search=asked)
            parts = store.stats_by(group, search=asked)  # type: ignore[arg-type]
            assert len(parts) > (group == "week")
            assert sum(part.stats.pictures for part in parts) == whole.pictures
            assert sum(part.stats.savings.pinned for part in parts) == whole.savings.pinned
            assert sum(part.stats.unpriced for part in parts) == whole.unpriced
            cost = sum(part.stats.cost_usd or 0.0 for part in parts)
            assert cost == pytest.approx(whole.cost_usd)
        kept_groups = {one.key: one.stats.to_json() for one in store.stats_by(group)}  # type: ignore[arg-type]
        for part in store.stats_by(group, search="since:2020-01-01"):  # type: ignore[arg-type]
            assert alike(kept_groups[part.key]) == alike(part.stats.to_json())


def test_a_day_is_the_user_s_own_and_a_week_begins_on_monday(tmp_path: Path) -> None:
    with open_store(tmp_path / "cems.db") as store:
        session = store.session()
        for created in ("2026-11-22T12:00:00+00:00", "2026-11-23T12:00:00+00:00"):
            store.add_generation(generation(session, FOLDER, created=created))
        assert [one.key for one in store.stats_by("day")] == ["2026-11-23", "2026-11-22"]
        assert [one.key for one in store.stats_by("week")] == ["2026-11-23", "2026-11-16"]
