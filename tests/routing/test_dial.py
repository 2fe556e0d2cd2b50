"""The dial: 0 is always the cheapest, 1 the best quality, and in between cost only rises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cems_tui.errors import UsageError
from cems_tui.routing.decide.dial import Dial, choices, lambda_for_dial, representatives

qualities = arrays(np.float64, (12, 3), elements=st.floats(-5.0, 5.0, width=32))
costs = arrays(np.float64, 3, elements=st.floats(1e-7, 1e-3))
dials = st.floats(0.0, 1.0)


def mean_cost(quality: np.ndarray, cost: np.ndarray, lambda_per_usd: float) -> float:
    return float(cost[choices(quality, cost, lambda_per_usd)].mean())


@given(quality=qualities, cost=costs)
def test_the_ends_of_the_dial_are_exact(quality: np.ndarray, cost: np.ndarray) -> None:
    assert lambda_for_dial(1.0, quality, cost) == 0.0
    cheapest = lambda_for_dial(0.0, quality, cost)
    assert mean_cost(quality, cost, cheapest) == pytest.approx(cost.min(), rel=1e-9)


@given(quality=qualities, cost=costs, one=dials, other=dials)
def test_more_dial_never_costs_less(
    quality: np.ndarray, cost: np.ndarray, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    first, second = (lambda_for_dial(dial, quality, cost) for dial in (low, high))
    assert first >= second
    assert mean_cost(quality, cost, first) <= mean_cost(quality, cost, second) * (1 + 1e-9)


@given(quality=qualities, cost=costs, dial=dials)
def test_the_mean_cost_is_at_most_what_the_dial_stands_for(
    quality: np.ndarray, cost: np.ndarray, dial: float
) -> None:
    value = lambda_for_dial(dial, quality, cost)
    target = cost.min() + dial * (mean_cost(quality, cost, 0.0) - cost.min())
    assert mean_cost(quality, cost, value) <= target * (1 + 1e-9)


@given(quality=qualities, cost=costs, dial=dials)
def test_the_mean_cost_is_within_one_step_of_what_the_dial_stands_for(
    quality: np.ndarray, cost: np.ndarray, dial: float
) -> None:
    """A little less λ, and at least one more prompt would take the mean over the target."""
    value = lambda_for_dial(dial, quality, cost)
    target = cost.min() + dial * (mean_cost(quality, cost, 0.0) - cost.min())
    if value > 0.0:
        assert mean_cost(quality, cost, value * (1 - 1e-6)) >= target * (1 - 1e-9)


def test_between_many_prompts_the_dial_meets_its_cost() -> None:
    random = np.random.default_rng(1)
    quality, cost = random.normal(size=(4000, 3)), np.array([1e-6, 5e-6, 2e-5])
    dearest = mean_cost(quality, cost, 0.0)
    for dial in (0.1, 0.5, 0.9):
        target = 1e-6 + dial * (dearest - 1e-6)
        met = mean_cost(quality, cost, lambda_for_dial(dial, quality, cost))
        assert met == pytest.approx(target, rel=0.01)


def test_equal_prices_one_function_and_missing_prices_leave_nothing_to_trade() -> None:
    quality = np.array([[1.0, 2.0], [3.0, 0.0]])
    assert lambda_for_dial(0.3, quality, np.array([1e-6, 1e-6])) == 0.0
    assert lambda_for_dial(0.3, quality[:, :1], np.array([1e-6])) == 0.0
    assert lambda_for_dial(0.3, quality, np.array([1e-6, np.nan])) == 0.0


@pytest.mark.parametrize("dial", [-0.01, 1.01, float("nan")])
def test_a_dial_out_of_range_is_refused(dial: float) -> None:
    with pytest.raises(UsageError):
        lambda_for_dial(dial, np.zeros((2, 2)), np.array([1.0, 2.0]))


def test_a_dial_looks_only_at_those_who_may_be_chosen() -> None:
    random = np.random.default_rng(2)
    quality = random.normal(size=(200, 3))
    dial = Dial(("a", "b", "c"), quality)
    pool = dial.lambda_at(0.5, {"a": 1e-6, "b": 3e-6})
    assert pool == lambda_for_dial(0.5, quality[:, :2], np.array([1e-6, 3e-6]))
    assert pool != dial.lambda_at(0.5, {"a": 1e-6, "b": 3e-6, "c": 9e-6})


def test_a_few_representatives_meet_the_dial_of_all_training_prompts() -> None:
    random = np.random.default_rng(3)
    quality = 30.0 + random.normal(size=(4000, 1)) * 3 + random.normal(size=(4000, 4))
    cost = np.array([1.0e-4, 1.5e-5, 3.3e-5, 1.1e-4])
    few, share = representatives(quality)
    assert len(few) <= 400 + 4
    assert share.sum() == pytest.approx(1.0, abs=1e-5)
    for dial in (0.1, 0.3, 0.5, 0.7, 0.9):
        exact = mean_cost(quality, cost, lambda_for_dial(dial, quality, cost))
        met = mean_cost(quality, cost, lambda_for_dial(dial, few, cost, share))
        assert met == pytest.approx(exact, rel=0.03)
    cheapest = mean_cost(quality, cost, lambda_for_dial(0.0, few, cost, share))
    assert cheapest == pytest.approx(cost.min())
    assert lambda_for_dial(1.0, few, cost, share) == 0.0


def test_estimates_that_hardly_differ_are_told_apart_by_the_dial() -> None:
    quality = np.zeros((12, 3))
    quality[0, 0], quality[2, 2] = 1.0, 1.17549435e-38
    cost = np.array([9.04953191e-04, 1e-7, 1e-3])
    value = lambda_for_dial(0.5, quality, cost)
    target = cost.min() + 0.5 * (mean_cost(quality, cost, 0.0) - cost.min())
    assert mean_cost(quality, cost, value) <= target * (1 + 1e-9)
    assert mean_cost(quality, cost, value * (1 - 1e-6)) >= target * (1 - 1e-9)
