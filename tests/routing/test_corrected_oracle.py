"""The oracle without luck: nothing but noise is worth no more than the mean."""

from __future__ import annotations

import random

import pytest

from cems_tui.routing.evaluation.oracle import corrected_oracle
from cems_tui.score_tables.formats import Row, ScoreTable
from tests.routing.fakes import table_of_noise, table_with_signal


def repeated(spread: float, effect: float, repeats: int = 3) -> ScoreTable:
    """Two functions, one better on every other prompt by twice the effect."""
    draw = random.Random(0)
    return ScoreTable.of(
        Row(f"p{n}", f"prompt {n}", name, "q", sign * effect * (-1) ** n + draw.gauss(0, spread))
        for n in range(2000)
        for name, sign in (("a", 1), ("b", -1))
        for _ in range(repeats)
    )


def test_of_pure_noise_the_naive_oracle_is_luck_and_the_corrected_one_is_not() -> None:
    found = corrected_oracle(repeated(1.0, 0.0).pivot("q"))
    assert found is not None
    assert found["naive_quality"] > 0.25
    assert found["quality"] == pytest.approx(0.0, abs=0.05)


def test_where_differences_are_real_little_is_taken_off() -> None:
    found = corrected_oracle(repeated(0.1, 1.0).pivot("q"))
    assert found is not None
    assert found["quality"] == pytest.approx(1.0, abs=0.02)
    assert found["prompts"] == 2000


def test_without_repeats_there_is_nothing_to_correct_by() -> None:
    assert corrected_oracle(table_of_noise().pivot("quality")) is None
    assert corrected_oracle(table_with_signal(20, repeats=2).pivot("quality")) is not None
