"""What a report says of why functions differ: planted components, features and luck are found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cems_tui.bench.analysis import (
    FEATURES,
    Prices,
    analyse,
    correlations,
    linguistic_features,
    metric_correlations,
    variance_shares,
    word_counts,
)
from cems_tui.bench.report import outlier_notes
from cems_tui.routing.evaluation.evaluate import resampled
from cems_tui.score_tables.table import Pivot, Row, ScoreTable

FUNCTIONS = ("net@1", "net@4", "other@2")
COSTS = {"net@1": 1e-6, "net@4": 4e-6, "other@2": 2e-6}


def pivot_of(
    score: Callable[[int, int, int], float],
    prompts: int,
    seeds: int = 1,
    *,
    words: Callable[[int], str] = lambda number: f"prompt {number}",
    lower: bool = False,
) -> Pivot:
    """One metric of a table whose scores are `score(prompt, function, seed)`."""
    return ScoreTable.of(
        Row(
            f"p{p}", words(p), name, "m", score(p, m, seed), seed=str(seed),
            higher_is_better=not lower,
        )
        for p in range(prompts)
        for m, name in enumerate(FUNCTIONS)
        for seed in range(seeds)
    ).pivot("m")  # fmt: skip


def planted(
    spread: tuple[float, float, float, float], prompts: int, seeds: int, seed: int = 3
) -> Pivot:
    """Scores with these standard deviations of prompt, function, interaction and seed."""
    random = np.random.default_rng(seed)
    of_prompt = random.normal(0, spread[0], prompts)
    of_function = np.array([-1.0, 0.0, 1.0]) * spread[1]  # a variance of just its square
    of_both = random.normal(0, spread[2], (prompts, 3))
    noise = random.normal(0, spread[3], (prompts, 3, seeds))
    return pivot_of(
        lambda p, m, s: float(of_prompt[p] + of_function[m] + of_both[p, m] + noise[p, m, s]),
        prompts,
        seeds,
    )


def shares(pivot: Pivot, resamples: int = 200) -> list[tuple[float, tuple[float, float]]]:
    found = variance_shares(pivot, resampled(len(pivot.scores), resamples, 1))
    parts = (found.prompt, found.function, found.interaction, found.seed)
    return [(one.value, one.ci95) for one in parts if one is not None]


def test_planted_components_are_found_within_their_intervals() -> None:
    found = shares(planted((2.0, 1.0, 1.0, 1.0), 600, 3))
    truth = [4 / 7, 1 / 7, 1 / 7, 1 / 7]
    for (value, (low, high)), share in zip(found, truth, strict=True):
        assert value == pytest.approx(share, abs=0.04)
        assert low < value < high
    assert sum(value for value, _ in found) == pytest.approx(1.0)


def test_without_repeats_the_seeds_are_within_the_interaction() -> None:
    found = shares(planted((1.0, 0.0, 1.0, 1.0), 800, 1))
    assert len(found) == 3
    assert found[2][0] == pytest.approx(2 / 3, abs=0.06)


def test_luck_alone_leaves_nothing_to_learn() -> None:
    found = analyse(planted((1.0, 0.0, 0.0, 1.0), 500, 4), Prices({}, {}), {})
    assert found.headroom is not None
    assert found.headroom.oracle.value > 0.3
    assert found.headroom.learnable == pytest.approx(0.0, abs=0.08)
    assert found.headroom.repeated_prompts == 500


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 30), st.integers(1, 3))
def test_shares_are_shares_and_the_oracle_is_the_best(seed: int, prompts: int, seeds: int) -> None:
    pivot = planted((1.0, 0.5, 0.5, 0.5), prompts, seeds, seed)
    for value, (low, high) in shares(pivot, 30):
        assert 0.0 <= low <= high <= 1.0
        assert 0.0 <= value <= 1.0
    found = analyse(pivot, Prices(dict(COSTS), {}), {})
    quality = {one.name: one.quality.value for one in found.strategies}
    assert quality["oracle"] == max(quality.values())
    assert quality["random"] == pytest.approx(np.mean([quality[f"always {f}"] for f in FUNCTIONS]))
    for win in found.wins:
        for other, share in win.over.items():
            back = next(one for one in found.wins if one.function == other)
            assert share.value + back.over[win.function].value == pytest.approx(1.0)
    for curve in found.curves:
        assert list(curve.points) == sorted(curve.points)
    regrets = [row.regret for row in found.prompts]
    assert regrets == sorted(regrets, reverse=True)
    assert min(regrets) >= 0.0


def test_a_lower_is_better_metric_keeps_its_direction() -> None:
    found = analyse(
        pivot_of(lambda p, m, s: 1.0 + m + 0.1 * p, 12, lower=True), Prices(dict(COSTS), {}), {}
    )
    quality = {one.name: one.quality for one in found.strategies}
    assert quality["always net@1"].value == pytest.approx(1.55)
    low, high = quality["oracle"].ci95
    assert low < quality["oracle"].value < high
    assert quality["oracle"].value == pytest.approx(1.55)
    assert found.prompts[0].regret == 0.0
    assert found.steps[0].points[0][1].value == pytest.approx(1.55)


def test_a_feature_that_suits_a_function_is_found() -> None:
    def words(number: int) -> str:
        return " ".join(["word"] * (1 + number % 20))

    def score(p: int, m: int, seed: int) -> float:
        return 0.1 * (p % 20) + (0.2 * (p % 20) if m == 2 else 2.0)

    found = analyse(pivot_of(score, 80, words=words), Prices({}, {}), {})
    row = next(one for one in found.features if one.feature == "words")
    assert row.score.ci95[0] > 0.5
    assert row.advantage["other@2"].ci95[0] > 0.5
    assert row.advantage["net@1"].ci95[1] < -0.5
    least, most = row.won["other@2"]
    assert least.ci95[1] < most.ci95[0]
    assert "digits" not in {one.feature for one in found.features}  # none of them has any


def test_pearsons_r_is_numpys() -> None:
    random = np.random.default_rng(5)
    x, y = random.normal(size=(50, 2)), random.normal(size=(50, 3))
    own = correlations(np.full((1, 50), 1 / 50), x, y)[0]
    assert own == pytest.approx(np.corrcoef(x.T, y.T)[:2, 2:])
    constant: NDArray[np.float64] = np.ones((50, 1))
    assert correlations(np.full((1, 50), 1 / 50), constant, y)[0] == pytest.approx(0.0)
    matrices = {"a": x, "b": x + y[:, :2], "c": -x}
    found = metric_correlations(matrices, ("f", "g"))
    whole = {one.metrics: one.r for one in found if one.function is None}
    assert whole["a", "b"].value == pytest.approx(
        np.corrcoef(x.ravel(), matrices["b"].ravel())[0, 1]
    )
    assert whole["a", "c"].ci95 == pytest.approx((-1.0, -1.0))
    assert len(found) == 3 * 3


def test_words_are_counted_overall_and_by_group() -> None:
    found = word_counts(["a b c", "a", "one two"], ["g", "g", "h"])
    assert [(one.group, one.least, one.most, one.mean) for one in found] == [
        (None, 1, 3, 2.0), ("g", 1, 3, 2.0), ("h", 2, 2, 2.0)
    ]  # fmt: skip
    assert found[2].deviation is None
    assert linguistic_features(["", "a"]).shape == (2, len(FEATURES))


def test_a_slip_of_the_pen_is_told() -> None:
    scores = [1.0, 2.0, 3.0, 4.0, 5.0] * 10
    table = ScoreTable.of(Row(f"p{n}", f"p {n}", "f", "m", v) for n, v in enumerate([*scores, 41]))
    [note] = outlier_notes(table)
    assert "1 score of m" in note
    assert "41" in note
    calm = ScoreTable.of(Row(f"p{n}", f"p {n}", "f", "m", v) for n, v in enumerate(scores))
    assert outlier_notes(calm) == ()
