"""Votes price a scorer's unit where they can, and show a scorer that is no better than a coin."""

from __future__ import annotations

import random
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.evidence.preference import LEAST_VOTES, Judged, agreement, slope, wilson


def votes(beta: float, count: int, seed: int) -> list[Judged]:
    """Votes of a person for whom a unit is worth odds of e^beta."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        difference = draw.gauss(0.0, 0.3)
        found.append(Judged(difference, float(draw.random() < 1 / (1 + exp(-beta * difference)))))
    return found


def test_a_unit_is_priced_by_many_votes() -> None:
    found = agreement("mixed", "m:1", votes(5.0, 4000, seed=1))
    assert found is not None
    assert found.units_for_three_to_one == pytest.approx(log(3) / 5.0, rel=0.1)
    assert found.interval[0] > 0.5


def test_nine_of_ten_intervals_hold_the_price() -> None:
    held = 0
    for seed in range(300):
        found = slope(votes(5.0, 150, seed))
        assert found is not None
        held += abs(found[0] - 5.0) <= 1.645 * found[1]
    assert 0.85 < held / 300 < 0.95


def test_few_votes_price_nothing() -> None:
    found = agreement("mixed", "m:1", votes(50.0, LEAST_VOTES - 1, seed=2))
    assert found is not None
    assert (found.units_for_three_to_one, found.units_interval) == (None, None)


def test_a_scorer_that_rewards_the_loser_is_seen() -> None:
    wrong = [Judged(0.4, 0.0), Judged(-0.2, 1.0)] * 10
    found = agreement("clip", "c:1", wrong)
    assert found is not None
    assert (found.agreed, found.units_for_three_to_one) == (0.0, None)
    assert found.interval[1] < 0.5


def test_ties_say_nothing_of_agreement_and_an_equal_score_is_half() -> None:
    assert agreement("m", "s", [Judged(0.3, 0.5)] * 5) is None
    found = agreement("m", "s", [Judged(0.0, 1.0)] * 4)
    assert found is not None
    assert found.agreed == 0.5
    assert slope([Judged(0.0, 1.0)] * 4) is None


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.sampled_from([0.0, 0.5, 1.0])), max_size=30))
def test_every_set_of_votes_has_an_answer(drawn: list[tuple[float, float]]) -> None:
    found = agreement("m", "s", [Judged(*one) for one in drawn])
    if found is not None:
        assert 0.0 <= found.interval[0] <= found.agreed <= found.interval[1] <= 1.0
        if found.units_interval is not None:
            low, high = found.units_interval
            assert found.units_for_three_to_one is not None
            assert 0.0 < low <= found.units_for_three_to_one
            assert high is None or high >= found.units_for_three_to_one


def test_the_interval_of_a_share_stays_in_it() -> None:
    assert wilson(0.0, 5)[0] == 0.0
    assert wilson(5.0, 5)[1] == pytest.approx(1.0)
