"""Steps of one net: one line, and prices that cannot be right are told and put on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.step_line import (
    StepLine,
    cheaper_with_more_steps,
    net_and_steps,
    on_one_line,
    step_line,
)

STEPS = st.sampled_from([1, 2, 4, 8, 20, 50])


def test_points_on_a_line_give_it_back() -> None:
    line = step_line((steps, 0.3 + 0.1 * steps, 1.0) for steps in (4, 8, 50))
    assert line is not None
    assert (line.fixed, line.per_step) == (pytest.approx(0.3), pytest.approx(0.1))


def test_one_step_count_is_no_line() -> None:
    assert step_line([(4, 1.0, 1.0), (4, 2.0, 1.0)]) is None


@given(st.lists(st.tuples(STEPS, st.floats(1e-6, 1e3), st.floats(0.1, 10.0)), min_size=2))
def test_a_line_never_falls_and_never_begins_below_nothing(
    points: list[tuple[int, float, float]],
) -> None:
    line = step_line(points)
    assert line is None or (line.fixed >= 0.0 and line.per_step >= 0.0)
    assert line is None or line.at(1) > 0.0


def test_a_falling_line_is_held_level() -> None:
    assert step_line([(4, 2.0, 1.0), (8, 2.0, 1.0), (20, 1.0, 1.0)]) == StepLine(
        pytest.approx(4 / 3), 0.0
    )


def test_names_without_steps_belong_to_no_net() -> None:
    assert net_and_steps("base@20") == ("base", 20)
    assert [net_and_steps(name) for name in ("dalle", "base@", "@4", "a@x", "a@0")] == [None] * 5


def test_more_steps_that_are_cheaper_are_found() -> None:
    prices = {"base@4": 2.0, "base@8": 1.0, "other@1": 9.0, "base@20": None, "gpt": 0.1}
    assert cheaper_with_more_steps(prices) == [("base@8", "base@4")]


def test_prices_that_cannot_be_right_are_put_on_one_line_and_others_left() -> None:
    prices = {"base@4": 1.1, "base@8": 1.0, "base@50": 9.0, "other@4": 3.0, "other@8": None}
    told = on_one_line(prices)
    assert cheaper_with_more_steps(told) == []
    assert (told["other@4"], told["other@8"]) == (3.0, None)
    assert told["base@4"] != 1.1


@given(st.dictionaries(STEPS.map(lambda n: f"net@{n}"), st.floats(1e-9, 1e3), min_size=1))
def test_no_price_of_more_steps_is_below_one_of_fewer_on_the_line(
    prices: dict[str, float | None],
) -> None:
    told = on_one_line(prices)
    assert set(told) == set(prices)
    assert all((told[a] or 0) >= (told[b] or 0) * (1 - 1e-9) for a, b in told_pairs(told))


def told_pairs(prices: dict[str, float | None]) -> list[tuple[str, str]]:
    ordered = sorted(prices, key=lambda name: int(name.partition("@")[2]))
    return list(zip(ordered[1:], ordered, strict=False))
