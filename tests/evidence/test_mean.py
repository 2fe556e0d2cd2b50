"""The interval of a mean is Student's, of few figures too."""

from __future__ import annotations

import random

import pytest

from cems_tui.evidence.mean import mean_of, t_quantile

TABLE = {1: 6.3138, 2: 2.9200, 3: 2.3534, 5: 2.0150, 10: 1.8125, 30: 1.6973, 1000: 1.6464}
"""Student's t at 95 %, from any table of it."""


@pytest.mark.parametrize(("freedom", "value"), TABLE.items())
def test_quantiles_are_those_of_the_table(freedom: int, value: float) -> None:
    assert t_quantile(freedom) == pytest.approx(value, rel=4e-3)


def test_a_single_figure_says_nothing_of_its_spread() -> None:
    assert mean_of(0, 0.0, 0.0) is None
    single = mean_of(1, 3.0, 9.0)
    assert single is not None
    assert (single.value, single.interval) == (3.0, None)


def test_nine_of_ten_intervals_hold_the_mean() -> None:
    draw = random.Random(4)
    held = 0
    for _ in range(2000):
        figures = [draw.gauss(1.0, 2.0) for _ in range(6)]
        found = mean_of(6, sum(figures), sum(one * one for one in figures))
        assert found is not None
        assert found.interval is not None
        held += found.interval[0] <= 1.0 <= found.interval[1]
    assert 0.88 < held / 2000 < 0.92
