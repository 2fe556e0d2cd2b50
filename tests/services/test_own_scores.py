"""One's own scores: instruments apart, a picture once, and what cannot teach left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from cems_tui.domain.pricing import Pricing
from cems_tui.domain.score import Score
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.score_tables.own import Instrument, OwnReading, Scored, own_table
from cems_tui.score_tables.table import Row
from cems_tui.store.database import open_store
from tests.store.records import generation


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    return tmp_path


def score(value: float, scorer: str = "starter-clip:sha256:a") -> tuple[Score, ...]:
    return (Score("clip", value, scorer),)


def test_history_gives_a_row_a_score_and_leaves_out_what_teaches_nothing(home: Path) -> None:
    with open_store(home / "cems.db") as store:
        session = store.session()
        for seed, value in ((1, 30.0), (1, 30.0), (2, 31.0)):  # one picture was made twice
            store.add_generation(generation(session, home, seed=seed, scores=score(value)))
        store.add_generation(generation(session, home, negative="text", scores=score(1.0)))
        hidden = generation(session, home, seed=3, scores=score(2.0))
        store.add_generation(hidden)
        store.hide(hidden.id)
    rows = [reading.row for reading in Profile.current().scores.readings()]
    assert [(row.score, row.seed, row.function) for row in rows] == [
        (30.0, "1", "starter-base@20"),
        (31.0, "2", "starter-base@20"),
    ]
    assert rows[0].seconds == pytest.approx(0.38)
    assert rows[0].memory_gb == pytest.approx(0.031)


def test_two_instruments_never_share_a_table(home: Path) -> None:
    def reading(value: float, instrument: Instrument) -> OwnReading:
        return OwnReading(instrument, Row(f"p{value}", f"prompt {value}", "a", "clip", value))

    old, new = Instrument("clip:old"), Instrument("clip:new")
    foreign = Instrument(None, "table")
    readings = [
        *(reading(float(n), old) for n in range(3)),
        *(reading(float(n), new) for n in range(5)),
        *(reading(float(n), foreign) for n in range(4)),
    ]

    def table(readings: list[OwnReading], prefer: str | None = None, *functions: str) -> Scored:
        return own_table(readings, "clip", Pricing(), {"clip": prefer}, functions)

    most = table(readings)
    assert (len(most.table.rows), most.scorers) == (5, {"clip": "clip:new"})
    asked = table(readings, "clip:old")
    assert (len(asked.table.rows), asked.scorers) == (3, {"clip": "clip:old"})
    known = [*readings, OwnReading(old, Row("q", "a prompt", "mine@1", "clip", 1.0))]
    able = table(known, None, "mine@1")
    assert able.scorers == {"clip": "clip:old"}
    gone = table(readings, "clip:lost")
    assert gone.scorers == {"clip": "clip:new"}


def test_no_score_of_one_s_own_is_an_error_that_says_what_to_do(home: Path) -> None:
    scores = Profile.current().scores
    with pytest.raises(UsageError) as caught:
        scores.table(None)
    assert "cems bench run" in caught.value.hint
    assert scores.readings() == []
