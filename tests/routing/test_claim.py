"""What routing is worth at equal quality and at equal cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cems_tui.routing.evaluation.claim import mixing, singles, worth

COST = np.array([1.0, 3.0])
HALVES = np.array([[1.0, 0.0], [0.0, 1.0]] * 50 + [[0.0, 1.0]] * 100)
"""The dear function is better for three prompts of four, the cheap one for the others."""


def test_a_router_that_knows_which_prompts_need_the_dear_function_saves_its_price() -> None:
    found = worth(HALVES, HALVES, COST, resamples=200)
    assert found.quality.value == pytest.approx(1.0)
    assert found.cost_usd.value == pytest.approx(0.25 * 1 + 0.75 * 3)
    # 0.75 is the best single's quality: half of the prompts on the dear function reach it.
    assert found.saved_at_best_single is not None
    assert found.saved_at_best_single.value == pytest.approx(1 - 2.0 / 3.0)
    assert found.gained_at_best_single.value == pytest.approx(0.25)
    low, high = found.saved_over_mixing.ci95
    assert 0 < low < found.saved_over_mixing.value < high < 1


def test_a_router_that_knows_only_the_means_is_worth_nothing() -> None:
    found = worth(HALVES, np.tile(HALVES.mean(axis=0), (200, 1)), COST, resamples=200)
    assert found.gained_at_best_single.ci95 == (0.0, 0.0)
    assert found.saved_at_best_single is not None
    assert found.saved_at_best_single.value == pytest.approx(0.0)
    assert found.saved_over_mixing.value == pytest.approx(0.0, abs=1e-9)


def test_a_router_that_is_wrong_never_reaches_the_best_single_and_says_so() -> None:
    wrong = 1.0 - HALVES
    found = worth(HALVES, wrong - np.array([0.0, 5.0]), COST, resamples=200)
    assert found.saved_at_best_single is None
    assert found.gained_at_best_single.value < 0


def test_other_metrics_follow_the_picks() -> None:
    other = np.tile([10.0, 20.0], (200, 1))
    found = worth(HALVES, HALVES, COST, {"other": other}, resamples=50)
    assert found.other["other"].value == pytest.approx(0.25 * 10 + 0.75 * 20)
    ways = singles(HALVES, COST, ["cheap", "dear"], {"other": other}, resamples=50)
    assert ways["always dear"][2]["other"].value == pytest.approx(20.0)
    assert ways["random"][1] == pytest.approx(2.0)
    assert ways["oracle"][0].value == pytest.approx(1.0)


def test_random_mixing_lies_on_the_line_between_the_single_functions() -> None:
    quality, usd, means = mixing(HALVES, COST, 2.0, {"same": HALVES})
    assert quality.value == pytest.approx((0.25 + 0.75) / 2)
    assert usd == pytest.approx(2.0)
    assert means["same"].value == pytest.approx(quality.value)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_no_router_is_worth_more_than_the_oracle(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.normal(size=(60, 3))
    cost = np.sort(random.uniform(0.1, 5.0, size=3))
    one = worth(truth, random.normal(size=(60, 3)), cost, resamples=20)
    best = worth(truth, truth, cost, resamples=20)
    assert one.quality.value <= best.quality.value + 1e-9
    assert one.gained_over_mixing.value <= best.gained_over_mixing.value + 1e-9
    assert one.gained_at_best_single.value <= best.gained_at_best_single.value + 1e-9
