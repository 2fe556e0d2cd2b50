"""Figures of the history: the unknown is counted apart, instruments are never averaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from cems_tui.domain.decision import Policy
from cems_tui.domain.generation import Seconds
from cems_tui.domain.score import Score
from cems_tui.errors import UnknownName
from cems_tui.store.database import Store, open_store
from screens.totals import SessionTotals
from tests.store.records import candidate, decision, generation

FOLDER = Path("/pictures")


def alike(value: Any) -> Any:
    """Figures to nine digits: sums in another order differ in the last ones."""
    if isinstance(value, float):
        return float(f"{value:.9g}") if abs(value) > 1e-12 else 0.0
    if isinstance(value, dict):
        return {key: alike(one) for key, one in value.items()}
    return [alike(one) for one in value] if isinstance(value, list | tuple) else value


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cems.db") as opened:
        yield opened


def test_an_empty_history_costs_nothing(store: Store) -> None:
    empty = store.stats()
    assert (empty.pictures, empty.cost_usd, empty.unpriced, empty.functions) == (0, 0.0, 0, ())
    assert (empty.savings.estimated_usd, empty.since) == (0.0, None)
    assert json.loads(json.dumps(empty.to_json()))["savings"]["label"] == "estimated"


def test_unpriced_pictures_are_counted_apart(store: Store) -> None:
    session = store.session()
    for cost in (0.25, 0.5, None):
        store.add_generation(generation(session, FOLDER, cost_usd=cost, load_cost_usd=None))
    found = store.stats()
    assert (found.cost_usd, found.unpriced) == (0.75, 1)
    assert (found.load_cost_usd, found.load_unpriced) == (None, 3)
    [function] = found.functions
    assert (function.priced, function.mean_cost_usd, function.pictures) == (2, 0.375, 3)


def test_a_history_without_any_price_has_no_cost(store: Store) -> None:
    store.add_generation(generation(store.session(), FOLDER, cost_usd=None))
    assert store.stats().cost_usd is None


def test_seconds_are_summed_and_the_unmeasured_stays_unknown(store: Store) -> None:
    session = store.session()
    for denoise in (1.0, 2.0):
        seconds = Seconds(None, 0.5, denoise, None, None, denoise + 0.5)
        store.add_generation(generation(session, FOLDER, seconds=seconds))
    found = store.stats().seconds
    assert (found["denoise"], found["encode"], found["total"]) == (3.0, 1.0, 4.0)
    assert found["load"] is found["decode"] is found["score"] is None


def test_readings_of_two_instruments_are_never_averaged(store: Store) -> None:
    session = store.session()
    for value, scorer in ((4.0, "a:1"), (6.0, "a:1"), (9.0, "a:2")):
        store.add_generation(
            generation(session, FOLDER, scores=(Score("nima", value, scorer, True),))
        )
    [function] = store.stats().functions
    assert [(s.metric, s.scorer, s.mean, s.count) for s in function.scores] == [
        ("nima", "a:1", 5.0, 2),
        ("nima", "a:2", 9.0, 1),
    ]


def test_functions_are_those_that_ran(store: Store) -> None:
    session = store.session()
    store.add_generation(
        generation(session, FOLDER, executed="starter-turbo@1", fallback="out of memory")
    )
    assert [f.function for f in store.stats().functions] == ["starter-turbo@1"]


def test_savings_compare_only_what_is_known_and_allowed(store: Store) -> None:
    session = store.session()
    dear, cheap = candidate("dear@1", cost_usd=1.0), candidate("cheap@1", cost_usd=0.1)
    forbidden = candidate("gold@1", cost_usd=9.0, allowed=False)
    unknown = candidate("new@1", cost_usd=None)
    for ran, candidates in (
        ("cheap@1", (cheap, dear, forbidden, unknown)),
        ("dear@1", (dear, cheap)),
        ("new@1", (dear, cheap, unknown)),
    ):
        store.add_generation(
            generation(session, FOLDER, executed=ran, decision=decision(candidates=candidates))
        )
    found = store.stats().savings
    assert (found.estimated_usd, found.compared, found.routed) == (pytest.approx(0.9), 2, 3)


def test_what_a_busy_moment_cost_is_not_set_against_an_estimate(store: Store) -> None:
    session = store.session()
    for paid in (0.1, 50.0, None):
        store.add_generation(generation(session, FOLDER, cost_usd=paid))
    saved = store.stats().savings
    assert saved.estimated_usd == 0.0  # it drew with the dearest
    assert saved.compared == 3


def test_pinned_pictures_stand_apart_and_save_exactly_nothing(store: Store) -> None:
    session = store.session()
    candidates = (candidate("dear@1", cost_usd=1.0), candidate("cheap@1", cost_usd=0.1))
    pinned = replace(decision(candidates=candidates), policy=Policy.pinned("cheap@1"))
    store.add_generation(generation(session, FOLDER, cost_usd=0.25, decision=pinned))
    found = store.stats().savings
    assert (found.estimated_usd, found.compared, found.routed) == (0.0, 0, 0)
    assert (found.pinned, found.pinned_usd, found.against) == (1, 0.25, ())


def test_the_database_and_the_app_add_up_the_same_savings(store: Store) -> None:
    session = store.session()
    totals = SessionTotals()
    for number in range(7):
        candidates = (
            candidate("dear@1", cost_usd=1.0 + number, quality=1.5, interval=(1.2, 1.8)),
            candidate("cheap@1", rank=2, cost_usd=0.1, quality=1.1, interval=(0.7, 1.5)),
        )
        ran = "dear@1" if number % 3 == 0 else "cheap@1"
        taken = decision(candidates=candidates, choice=ran)
        if number == 6:
            taken = replace(taken, policy=Policy.pinned(ran))
        made = generation(session, FOLDER, executed=ran, function=ran, decision=taken)
        store.add_generation(made)
        totals = totals.adding(made)
    saved = store.stats().savings
    assert alike([asdict(one) for one in totals.savings.against]) == alike(
        [asdict(one) for one in saved.against]
    )
    assert json.loads(json.dumps(store.stats().to_json()))["savings"]["against"][2]["function"]


def test_failures_and_sessions_are_counted(store: Store) -> None:
    first, second = store.session("first"), store.session()
    store.session("idle")
    store.add_generation(generation(first, FOLDER))
    store.add_failure("01R", second, "nul \x00", "out of memory", 5, "starter-base@20")
    store.add_failure("01R", second, "a cat", "stopped", 130)
    found = store.stats()
    assert (found.pictures, found.failures, found.sessions) == (1, 2, 2)
    assert found.failures_by_exit_code == {5: 1, 130: 1}
    mine = store.stats(session="first")
    assert (mine.pictures, mine.failures, mine.sessions) == (1, 0, 1)
    with pytest.raises(UnknownName):
        store.add_failure("01R", "nobody", "a", "b", 1)
    with pytest.raises(UnknownName):
        store.stats(session="nobody")


def test_a_stretch_of_time_is_counted_alone(store: Store) -> None:
    session = store.session()
    for day in (1, 2, 3):
        store.add_generation(generation(session, FOLDER, created=f"2026-01-0{day}T12:00:00"))
    found = store.stats(since="2026-01-02", until="2026-01-02T23:59:59")
    assert (found.pictures, found.since) == (1, "2026-01-02T12:00:00")
