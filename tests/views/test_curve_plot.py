"""Curves in letters: what stands in a plot, and the hull of mixing."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.views.curve_plot import drawn_curve, drawn_ways, hull

POINTS = st.lists(st.tuples(st.floats(1e-3, 10), st.floats(-2, 2)), min_size=1, max_size=8)


@given(POINTS)
def test_mixing_is_a_rising_concave_line_over_every_function(
    singles: list[tuple[float, float]],
) -> None:
    made = hull(singles)
    assert made == sorted(made)
    slopes = [(q1 - q0) / (c1 - c0) for (c0, q0), (c1, q1) in itertools.pairwise(made)]
    assert all(slope > 0 for slope in slopes)
    assert all(a >= b - 1e-9 * abs(a) for a, b in itertools.pairwise(slopes))
    best = max(quality for _, quality in singles)
    assert made[-1][1] == best


@pytest.mark.parametrize("size", [(70, 14), (190, 52)])
def test_a_plot_has_the_size_that_was_asked_for(size: tuple[int, int]) -> None:
    curve = [(0.002 * 1.1**n, 1.7 + 0.01 * n) for n in range(20)]
    singles = {"cheap": (0.002, 1.7), "bad": (0.005, 0.2), "dear": (0.02, 1.9)}
    lines = drawn_curve(curve, singles, (0.01, 1.95), curve[4], size)
    assert len(lines) == size[1]
    assert max(map(len, lines)) == size[0]
    text = "\n".join(lines)
    assert all(mark in text for mark in "●○◆▾")
    assert "cheap" in text


def test_too_little_room_draws_nothing_and_nothing_is_no_error() -> None:
    assert drawn_curve([], {"a": (0.1, 1.0)}, None, None, (10, 3)) == []
    assert drawn_curve([], {}, None, None, (80, 20)) == []
    assert drawn_ways({}, (80, 20)) == []


def test_each_way_has_a_mark_that_is_told_below() -> None:
    lines = drawn_ways({"you": (0.01, 1.8), "cheapest": (0.002, 1.6)}, (60, 12))
    text = "\n".join(lines)
    assert "◆ you" in text
    assert "○ cheapest" in text
    assert text.count("◆") == 2
