"""What is drafted with, what may follow, and how many seeds a budget buys."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from statistics import mean
from typing import Any

import pytest

from cems_tui.domain.decision import Candidate, RoutingDecision
from cems_tui.routing.decide.tries import (
    MOST_TRIES,
    best_of,
    escalation_of,
    finisher_of,
    largest_of,
)
from tests.store.records import candidate, decision


def offered(choice: str, *candidates: Candidate) -> RoutingDecision:
    return decision(choice=choice, candidates=candidates)


def one(function: str, quality: float | None, usd: float | None, **changes: Any) -> Candidate:
    ends = None if quality is None else (quality - 0.329, quality + 0.329)
    values = {"quality": quality, "cost_usd": usd, "interval": ends} | changes
    return candidate(function, **values)


CHEAP, MIDDLE, DEAR = one("turbo@1", 1.5, 1e-6), one("base@4", 1.6, 4e-6), one("base@20", 1.8, 2e-5)


def test_the_cheapest_drafts_and_the_pick_follows() -> None:
    plan = escalation_of(offered("base@4", DEAR, MIDDLE, CHEAP), 0.05)
    assert plan is not None
    assert (plan.draft, plan.dear, plan.ceiling) == ("turbo@1", "base@4", 1.6)
    assert plan.falls_short(1.54)
    assert not plan.falls_short(1.56)


def test_where_the_pick_is_the_cheapest_the_best_follows() -> None:
    plan = escalation_of(offered("turbo@1", DEAR, MIDDLE, CHEAP), 0.0)
    assert plan is not None
    assert plan.dear == "base@20"


@pytest.mark.parametrize(
    "change",
    [
        {"allowed": False},
        {"installed": False},
        {"fits": False},
        {"blocked_by": "draws no such size"},
        {"cost_usd": None},
        {"quality": None},
    ],
)
def test_what_cannot_be_drawn_priced_or_foreseen_takes_no_part(change: dict[str, Any]) -> None:
    assert escalation_of(offered("base@20", DEAR, replace(CHEAP, **change)), 0.0) is None


def test_a_draft_that_a_cheaper_one_outside_the_pool_beats_is_told() -> None:
    outside = one("turbo@1", 1.7, 1e-6, allowed=False)
    plan = escalation_of(offered("base@20", DEAR, MIDDLE, outside), 0.0)
    assert plan is not None
    assert (plan.draft, plan.beaten_by) == ("base@4", "turbo@1")
    worse = replace(outside, quality=1.2)
    plan = escalation_of(offered("base@20", DEAR, MIDDLE, worse), 0.0)
    assert plan is not None
    assert plan.beaten_by is None


def test_many_cheap_seeds_beat_one_dear_picture_where_seeds_differ() -> None:
    cards = offered("base@20", DEAR, MIDDLE, CHEAP)
    alike = best_of(cards, {"turbo@1": 0.01, "base@4": 0.01, "base@20": 0.01}, None, 2e-5)
    apart = best_of(cards, {"turbo@1": 0.3, "base@4": 0.01, "base@20": 0.3}, None, 2e-5)
    assert alike is not None
    assert apart is not None
    assert (alike.function, alike.tries) == ("base@20", 1)
    assert (apart.function, apart.tries) == ("turbo@1", 20)
    assert apart.cost_usd == pytest.approx(2e-5)
    assert apart.expected == pytest.approx(1.5 + 0.3 * largest_of(20))


def test_an_unmeasured_spread_is_that_of_the_predicted_interval() -> None:
    found = best_of(offered("turbo@1", CHEAP), {}, 4, None)
    assert found is not None
    assert found.expected == pytest.approx(1.5 + 0.2 * largest_of(4), abs=1e-3)


def test_a_given_number_of_tries_has_to_be_within_the_budget() -> None:
    cards = offered("base@20", DEAR, MIDDLE, CHEAP)
    found = best_of(cards, {}, 5, 2e-5)
    assert found is not None
    assert (found.function, found.tries) == ("base@4", 5)
    assert best_of(cards, {}, 50, 2e-5) is None
    assert best_of(cards, {}, None, 1e-7) is None


def test_a_function_that_costs_next_to_nothing_is_not_drawn_without_end() -> None:
    found = best_of(offered("turbo@1", replace(CHEAP, cost_usd=1e-12)), {}, None, 1.0)
    assert found is not None
    assert found.tries == MOST_TRIES


def test_what_is_unknown_of_a_pick_stays_unknown() -> None:
    found = best_of(offered("tiny@20", one("tiny@20", None, None)), {}, 3, None)
    assert found is not None
    assert (found.tries, found.expected, found.cost_usd) == (3, None, None)


@pytest.mark.parametrize("count", [2, 5, 20])
def test_the_expected_largest_is_what_drawing_shows(count: int) -> None:
    chance = Random(count)
    drawn = mean(max(chance.gauss(0, 1) for _ in range(count)) for _ in range(4000))
    assert largest_of(count) == pytest.approx(drawn, abs=0.06)


def test_what_finishes_a_draft_is_the_best_of_what_is_dearer() -> None:
    cards = offered("turbo@1", CHEAP, MIDDLE, DEAR)
    assert finisher_of(cards, "turbo@1") == DEAR
    assert finisher_of(cards, "base@4") == DEAR
    assert finisher_of(cards, "base@20") is None
    assert finisher_of(cards, "forgotten@9") is None
    unpriced = offered("turbo@1", CHEAP, replace(DEAR, cost_usd=None))
    assert finisher_of(unpriced, "turbo@1") is None
