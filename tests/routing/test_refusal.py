"""A router that did not beat the best single function is refused, and told why in numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.evaluation.verdict import refusal
from tests.routing.fakes import table_of_noise, table_with_signal, train


@pytest.fixture(scope="module")
def good() -> Card:
    return train(table_with_signal(150), metric="quality", name="good").card


def test_a_router_that_beats_the_best_single_is_not_refused(good: Card) -> None:
    assert good.verdict == "beats best single"
    assert refusal(good) is None


def test_one_that_ties_is_refused_with_its_numbers() -> None:
    card = train(table_of_noise(), metric="quality", name="noise").card
    assert card.verdict == "ties"
    told = refusal(card)
    assert told is not None
    assert "noise only ties with the best single function on 120 prompts" in told
    gain = card.evaluation["area_gain_over_zero"]
    assert f"{gain['value']:+.3g}" in told


def test_one_that_is_worse_says_so(good: Card) -> None:
    figures = {**good.evaluation, "verdict": "worse"}
    told = refusal(replace(good, evaluation=figures))
    assert told is not None
    assert "is worse than the best single function" in told


def test_one_that_was_never_judged_is_refused(good: Card) -> None:
    told = refusal(replace(good, evaluation={}))
    assert told is not None
    assert "never judged" in told


def test_figures_without_prices_still_say_why(good: Card) -> None:
    figures = {**good.evaluation, "verdict": "ties", "area_gain_over_zero": None}
    told = refusal(replace(good, evaluation=figures))
    assert told is not None
    assert "its quality differs by" in told
    assert "mixing" not in told
