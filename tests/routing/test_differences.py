"""Differences of two functions for one prompt: how sure they are, and from where on they count."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cems_tui.domain.decision import Policy
from cems_tui.routing.decide.dial import balanced_choices, knee
from cems_tui.routing.decide.difference import PairedSpread
from cems_tui.routing.decide.policy import Option, pick, told_apart_by
from cems_tui.routing.evaluation.balance import balance_of
from cems_tui.routing.evaluation.differences import learn_paired_spread, seed_errors
from cems_tui.routing.training.data import pivot_of
from cems_tui.score_tables.table import Row, ScoreTable
from tests.routing.fakes import table_of_noise, table_with_signal, train

NAMES = ("cheap@1", "middle@4", "dear@20")


def world(prompts: int, seed: int, luck: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Real and expected scores: a level that functions share, and errors of their own."""
    draw = np.random.default_rng(seed)
    shared = draw.normal(0.0, 2.0, (prompts, 1))
    said = draw.normal((0.0, 0.3, 0.6), 0.4, (prompts, 3))
    own = draw.normal(0.0, (luck, 2 * luck, luck), (prompts, 3))
    return said + shared + own, said


@pytest.mark.parametrize("seed", range(4))
def test_nine_of_ten_differences_of_new_prompts_lie_within(seed: int) -> None:
    spread = learn_paired_spread(NAMES, *world(2000, seed), None)
    truth, said = world(4000, 1000 + seed)
    for one in range(3):
        for other in range(one):
            gap = said[:, one] - said[:, other]
            real = truth[:, one] - truth[:, other]
            low, high = spread.low[one, other], spread.high[one, other]
            held = ((real >= gap + low) & (real <= gap + high)).mean()
            assert 0.88 <= held <= 0.92


def test_what_both_pictures_share_cancels() -> None:
    truth, said = world(2000, 1)
    spread = learn_paired_spread(NAMES, truth, said, None)
    low, high = spread.interval("dear@20", "cheap@1", 0.6) or (0.0, 0.0)
    assert low < 0.6 < high
    assert high - low < 0.5 * np.ptp(np.quantile(truth[:, 0] - said[:, 0], [0.05, 0.95]))


def test_few_prompts_widen_the_interval_and_too_few_tell_nothing() -> None:
    wide = learn_paired_spread(NAMES, *world(40, 1), None)
    exact = learn_paired_spread(NAMES, *world(4000, 1), None)
    assert np.median(wide.high - wide.low) > np.median(exact.high - exact.low) * 0.9
    few = learn_paired_spread(NAMES, *world(5, 1), None)
    assert few.interval("dear@20", "cheap@1", 0.6) is None
    assert few.least_gain("dear@20", "cheap@1") is None


def test_missing_scores_leave_a_pair_out_and_no_other() -> None:
    truth, said = world(300, 1)
    truth[:150, 0], truth[150:, 1] = np.nan, np.nan
    spread = learn_paired_spread(NAMES, truth, said, None)
    assert spread.interval("middle@4", "cheap@1", 0.1) is None
    assert spread.interval("dear@20", "cheap@1", 0.1) is not None


def test_a_gain_that_no_held_out_prompt_bore_out_never_counts() -> None:
    draw = np.random.default_rng(0)
    said = draw.normal((0.0, 1.0), 1.0, (400, 2))
    truth = draw.normal((0.0, -1.0), 1.0, (400, 2))
    spread = learn_paired_spread(("cheap@1", "dear@20"), truth, said, None)
    assert spread.least_gain("dear@20", "cheap@1") is None


def test_a_gain_counts_from_what_another_seed_changes() -> None:
    truth, said = world(3000, 2)
    free = learn_paired_spread(NAMES, truth, said, None)
    errors = np.full((3, 3), 0.25)
    held = learn_paired_spread(NAMES, truth, said, errors)
    assert (free.least_gain("dear@20", "cheap@1") or 0.0) < 0.1
    assert held.least_gain("dear@20", "cheap@1") == 0.25


def test_seeds_are_paired_and_raters_are_no_seeds() -> None:
    draw = np.random.default_rng(0)
    rows = []
    for prompt in range(300):
        level = draw.normal()
        for seed in range(3):
            luck = draw.normal()
            for function, own in (("cheap@1", 0.1), ("dear@20", 0.2)):
                score = level + luck + own * draw.normal()
                rows.append((f"p{prompt}", function, score, str(seed)))

    def table(column: str) -> ScoreTable:
        return ScoreTable.of(
            Row(name, name, function, "quality", score, **{column: repeat})  # type: ignore[arg-type]
            for name, function, score, repeat in rows
        )

    paired = seed_errors(table("seed"), pivot_of(table("seed"), "quality"))
    assert paired is not None
    assert paired[0, 1] == pytest.approx(np.hypot(0.1, 0.2), rel=0.1)
    assert seed_errors(table("rater"), pivot_of(table("rater"), "quality")) is None
    unlabelled = ScoreTable.of(Row(n, n, f, "quality", s) for n, f, s, _ in rows)
    loose = seed_errors(unlabelled, pivot_of(unlabelled, "quality"))
    assert loose is not None
    assert loose[0, 1] == pytest.approx(np.sqrt(2.0 + 0.01 + 0.04), rel=0.1)


def test_the_card_of_a_router_gives_them_back() -> None:
    spread = learn_paired_spread(NAMES, *world(300, 1), np.full((3, 3), 0.1))
    again = PairedSpread.from_json(NAMES, json.loads(json.dumps(spread.to_json())))
    for name in ("low", "high", "unfamiliar", "least"):
        np.testing.assert_array_equal(getattr(again, name), getattr(spread, name))
    assert again.cells == spread.cells


@pytest.mark.parametrize(
    "change",
    [
        {"low": [[0.0, 1.0, 0.0]] * 3},
        {"high": [[0.0, -1.0, 0.0]] * 3},
        {"low": [[0.0]]},
        {"low": [["0"] * 3] * 3},
        {"low": [[True] * 3] * 3},
        {"low": [[float("inf")] * 3] * 3},
        {"least": 3},
    ],
)
def test_a_card_that_says_what_cannot_be_is_refused(change: dict[str, object]) -> None:
    row = {**learn_paired_spread(NAMES, *world(300, 1), None).to_json(), **change}
    with pytest.raises((TypeError, ValueError)):
        PairedSpread.from_json(NAMES, row)


@given(
    quality=arrays(np.float64, (6, 3), elements=st.floats(-2.0, 2.0)),
    cost=arrays(np.float64, 3, elements=st.floats(1e-6, 1e-4)),
    least=arrays(np.float64, (3, 3), elements=st.floats(0.0, 1.0)),
    weight=st.floats(0.0, 1e5),
)
def test_many_prompts_at_once_go_where_each_alone_goes(
    quality: np.ndarray, cost: np.ndarray, least: np.ndarray, weight: float
) -> None:
    zeros = np.zeros((3, 3))
    spread = PairedSpread(NAMES, zeros, zeros, zeros, least)
    together = balanced_choices(quality, cost, weight, least)
    for row, taken in enumerate(together):
        options = [
            Option(name, float(quality[row, m]), float(cost[m])) for m, name in enumerate(NAMES)
        ]
        alone = pick(options, Policy.balanced(), weight, told_apart_by(spread)).function
        utility = quality[row] - weight * cost
        place = NAMES.index(alone)
        assert place == taken or utility[place] == pytest.approx(utility[taken], abs=1e-12)


def test_the_knee_is_where_a_share_of_cost_buys_a_share_of_quality() -> None:
    cost = np.array([10.0, 6.0, 3.0, 1.0])  # of the sweep, from λ = 0 to the cheapest for all
    quality = np.array([2.0, 1.9, 1.6, 1.0])
    singles = np.array([1.0, 10.0]), np.array([1.0, 1.9])
    assert knee(cost, quality, *singles) == pytest.approx((3.0 - 1.0) / (10.0 - 1.0))
    worse = np.array([1.0, 10.0]), np.array([1.9, 1.0])
    assert knee(cost, quality, *worse) == 0.0


def test_what_is_trained_says_where_the_default_stands_and_how_sure_differences_are() -> None:
    card = train(table_with_signal(), metric="quality", name="mine").card
    assert card.balanced is not None
    assert card.differences is not None
    assert 0.0 <= card.balanced.dial <= 1.0
    assert card.balanced.cost_usd <= 1e-5
    low, high = card.differences.interval("dear@20", "cheap@1", 0.0) or (0.0, 0.0)
    assert low < 0.0 < high
    assert card.differences.least_gain("dear@20", "cheap@1") == pytest.approx(0.57, abs=0.1)


def test_the_default_of_scores_without_signal_stays_with_the_cheapest() -> None:
    checkpoint = train(table_of_noise(), metric="quality", name="mine")
    card = checkpoint.card
    assert card.balanced is not None
    assert card.balanced.cost_usd <= 2e-6


def test_the_default_pays_no_more_than_its_knee_and_loses_only_what_cannot_be_told() -> None:
    truth, said = world(3000, 3)
    cost = np.array([1e-6, 3e-6, 9e-6])
    free = balance_of(truth, said, cost, learn_paired_spread(NAMES, truth, said, None))
    held = learn_paired_spread(NAMES, truth, said, np.full((3, 3), 0.5))
    thrifty = balance_of(truth, said, cost, held)
    assert thrifty.dial == free.dial
    assert thrifty.cost_usd < free.cost_usd
    assert free.quality - thrifty.quality < 0.5
