"""The search language of the history: words and conditions, and what cannot be one."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.score import Score
from cems_tui.errors import UsageError
from cems_tui.store.database import Store, open_store
from cems_tui.store.search import KEYS, ORDERS, SORTS, parsed
from tests.store.records import generation

HERE = timezone(timedelta(hours=2))
AT = datetime(2026, 11, 27, 12, 0, tzinfo=HERE)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(tmp_path / "cems.db")
    evening, day = opened.session("evening"), opened.session()
    first = generation(evening, tmp_path, id="01A")
    pictures = [
        replace(
            first,
            prompt="a red car",
            executed="starter-turbo@1",
            cost_usd=1e-6,
            created="2026-11-20T10:00:00.000+00:00",
            scores=(Score("mixed", 1.2, "m"), Score("nima", 7.0, "n")),
            decision=replace(first.decision, metric="mixed"),
        ),
        replace(
            first,
            id="01B",
            session=day,
            prompt="a blue car function:test",
            executed="starter-turbo-xl@4",
            cost_usd=None,
            created="2026-11-26T23:30:00.000+00:00",
            scores=(Score("mixed", 1.6, "m"),),
            decision=replace(first.decision, metric="mixed", router=None),
        ),
    ]
    for one in pictures:
        opened.add_generation(one)
    opened.rate("01A", 4)
    opened.star("01B")
    return opened


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", "BA"),
        ("car", "BA"),
        ("red car", "A"),
        ("function:starter-turbo", "A"),
        ("function:starter-turbo@1", "A"),
        ("function:starter", ""),
        ("session:evening", "A"),
        ("router:none", "B"),
        ("score:>1.5", "B"),
        ("score:<=1.2", "A"),
        ("score:>5", ""),
        ("cost:<0.001", "A"),
        ("cost:>=0", "A"),
        ("rating:4", "A"),
        ("rating:<4", ""),
        ("star:yes", "B"),
        ("star:no", "A"),
        ("since:2026-11-21", "B"),
        ("until:2026-11-20", "A"),
        ("until:2026-11-19", ""),
        ("car rating:>3 score:>1", "A"),
        ('"function:test"', "B"),
        ("router:' OR 1=1 --", ""),
    ],
)
def test_what_is_asked_for_is_found(store: Store, typed: str, found: str) -> None:
    assert "".join(one.id[-1] for one in store.generations(typed)) == found


@pytest.mark.parametrize(
    ("typed", "after"),
    [
        ("since:today", "2026-11-26T22:00:00.000+00:00"),
        ("since:yesterday", "2026-11-25T22:00:00.000+00:00"),
        ("since:12h", "2026-11-26T22:00:00.000+00:00"),
        ("since:7d", "2026-11-20T10:00:00.000+00:00"),
        ("since:2026-11-27T12:00:00+00:00", "2026-11-27T12:00:00.000+00:00"),
        ("until:2026-11-27", "2026-11-27T22:00:00.000+00:00"),
        ("until:yesterday", "2026-11-26T22:00:00.000+00:00"),
    ],
)
def test_days_are_the_user_s_own(typed: str, after: str) -> None:
    assert parsed(typed, AT).conditions[0].arguments == (after,)


@pytest.mark.parametrize(
    "typed",
    [
        *("score:high", "cost:", "rating:>>3", "star:maybe", "since:soon", "until:2026-13-01"),
        *("since:999999w", "model:", "session:", "cost:nan", "score:>inf", "function:"),
    ],
)
def test_a_condition_that_cannot_be_one_is_told(typed: str) -> None:
    with pytest.raises(UsageError, match="cannot be searched for"):
        parsed(typed, AT)


def test_what_is_no_key_is_a_word() -> None:
    search = parsed("10:30 http://x ratio:3 a:b red", AT)
    assert search.words == "10:30 http://x ratio:3 a:b red"
    assert search.conditions == ()


@given(st.text(max_size=40), st.sampled_from(KEYS))
def test_any_text_is_a_search_or_is_refused(text: str, key: str) -> None:
    for typed in (text, f"{key}:{text}"):
        try:
            search = parsed(typed, AT)
        except UsageError:
            continue
        with sqlite3.connect(":memory:") as db:
            db.execute(
                "CREATE TABLE generations (id, session, executed, router, model, cost_usd, "
                "rating, starred, created, metric)"
            )
            db.execute("CREATE TABLE scores (generation, metric, value)")
            db.execute("CREATE TABLE sessions (id, name)")
            db.execute("CREATE TABLE regrets (id, regret)")
            for one in search.conditions:
                values = [
                    v.encode("utf-8", "replace").decode() if isinstance(v, str) else v
                    for v in one.arguments
                ]
                db.execute(f"SELECT 1 FROM generations WHERE {one.sql}", values)


def test_every_order_can_be_followed(store: Store) -> None:
    listed = {sort: "".join(g.id[-1] for g in store.generations(sort=sort)) for sort in SORTS}
    assert set(ORDERS) == set(SORTS)
    assert listed == {
        "newest": "BA",
        "oldest": "AB",
        "cost": "AB",
        "score": "BA",
        "rating": "AB",
    }
