"""The figures of an evaluation, on tables small enough to check by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cems_tui.routing.evaluation.curves import hull_corners, running_maximum, zero_mix
from cems_tui.routing.evaluation.evaluate import (
    agreement,
    evaluate,
    figures_by_group,
    percentile_interval,
    ranking,
)
from cems_tui.routing.evaluation.verdict import verdict_in_words

NAMES = ("cheap", "middle", "dear")
COST = np.array([1.0, 2.0, 4.0])


def scores(count: int = 400, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.array([1.0, 1.5, 2.0]) + random.normal(size=(count, 3))


def test_the_oracle_recovers_everything() -> None:
    truth = scores()
    judged = evaluate(truth, truth, COST, NAMES, resamples=100)
    assert judged.area_recovered is not None
    assert judged.gap_recovered is not None
    assert judged.area_recovered.value == pytest.approx(1.0)
    assert judged.gap_recovered.value == pytest.approx(1.0)
    assert judged.ranking.top1 == 1.0
    assert judged.ranking.second_best is None
    assert judged.verdict == "beats best single"


def test_always_the_best_single_ties_to_the_last_digit() -> None:
    truth = scores()
    constant = np.tile(truth.mean(axis=0), (len(truth), 1))
    judged = evaluate(truth, constant, COST, NAMES, resamples=200)
    assert judged.quality_vs_best_single.value == 0.0
    assert judged.verdict == "ties"
    assert judged.shares == {"cheap": 0.0, "middle": 0.0, "dear": 1.0}


def test_choosing_against_the_scores_is_worse() -> None:
    truth = scores()
    judged = evaluate(truth, -truth, COST, NAMES, resamples=100)
    assert judged.verdict == "worse"
    assert judged.ranking.top1 == 0.0


def test_figures_that_need_prices_are_null_without_them() -> None:
    truth = scores()
    judged = evaluate(truth, truth, None, NAMES, resamples=100)
    row = judged.to_json()
    assert row["area_recovered"] is row["area_gain_over_zero"] is row["qnc"] is None
    assert row["curve"] == []
    assert row["cpt"] == {"50": None, "80": None, "95": None}
    assert all(strategy["cost_usd"] is None for strategy in row["strategies"])
    unknown = [one["name"] for one in row["strategies"] if one["quality"] is None]
    assert unknown == ["zero-mix"]
    assert row["verdict"] == "beats best single"


def test_the_json_has_every_key_of_the_contract() -> None:
    truth = scores()
    row = evaluate(truth, truth, COST, NAMES, metrics={"other": truth * 2}, resamples=50).to_json()
    json.dumps(row, allow_nan=False)
    assert {
        *("prompts", "strategies", "curve", "area_recovered", "area_gain_over_zero", "qnc", "cpt"),
        *("quality_vs_best_single", "gap_recovered", "top1", "second_best", "second_best_random"),
        *("second_best_best_single", "shares", "verdict"),
    } <= set(row)
    names = [strategy["name"] for strategy in row["strategies"]]
    assert names == [
        *("oracle", "random", "zero-mix", "always:cheap", "always:middle", "always:dear", "router")
    ]
    for strategy in row["strategies"]:
        assert strategy["metrics"]["other"] == pytest.approx(2 * strategy["quality"])
    assert len(row["curve"]) >= 401


def test_the_zero_mix_costs_what_the_router_costs() -> None:
    truth = scores()
    by_name = {s.name: s for s in evaluate(truth, truth, COST, NAMES, resamples=10).strategies}
    assert by_name["zero-mix"].cost_usd == pytest.approx(by_name["router"].cost_usd)
    assert by_name["router"].quality > by_name["zero-mix"].quality  # type: ignore[operator]


def test_the_hull_leaves_out_what_mixing_beats() -> None:
    cost, quality = np.array([1.0, 2.0, 4.0, 5.0]), np.array([1.0, 1.1, 3.0, 2.0])
    assert hull_corners(cost, quality) == [0, 2]
    assert zero_mix(cost, quality, 2.5).tolist() == [0.5, 0.0, 0.5, 0.0]
    assert zero_mix(cost, quality, 5.0).tolist() == [0.0, 0.0, 1.0, 0.0]


def test_the_running_maximum_never_falls_and_is_linear_between_points() -> None:
    cost, quality = np.array([3.0, 1.0, 2.0]), np.array([2.0, 1.0, 0.5])
    grid = np.array([1.0, 1.5, 2.0, 2.5, 3.0, 9.0])
    assert running_maximum(cost, quality, grid).tolist() == [1.0, 1.0, 1.0, 1.5, 2.0, 2.0]


def test_costs_to_reach_a_share_of_the_best_single() -> None:
    # two functions, two prompts: the dear one only helps on the first prompt
    truth = np.array([[0.0, 1.0], [1.0, 1.0]] * 50)
    judged = evaluate(truth, truth, np.array([1.0, 3.0]), ("cheap", "dear"), resamples=20)
    assert judged.qnc == pytest.approx(2.0 / 3.0)  # half the prompts go to the dear one
    assert judged.cpt["50"] == pytest.approx(0.25)
    assert judged.cpt["80"] == pytest.approx(0.4)


def test_ranks_count_ties_and_misses() -> None:
    truth = np.array([[3.0, 3.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 2.0, 9.0]])
    found = ranking(truth, np.array([1, 1, 2, 1]))
    assert found.top1 == 0.25  # the tie counts
    assert found.second_best == pytest.approx(2 / 3)
    assert found.second_best_random == pytest.approx(3 / 7)
    assert found.second_best_best_single == 0.0  # its one miss is the last


def test_intervals_narrow_with_more_prompts_and_hold_the_value() -> None:
    small, large = (
        evaluate(scores(count), scores(count) + 1.0, COST, NAMES, resamples=200)
        for count in (60, 2000)
    )
    for judged in (small, large):
        low, high = judged.quality_vs_best_single.ci95
        assert low <= judged.quality_vs_best_single.value <= high
    width = [
        j.quality_vs_best_single.ci95[1] - j.quality_vs_best_single.ci95[0] for j in (small, large)
    ]
    assert width[1] < width[0]


def test_what_one_resample_in_a_hundred_denies_is_not_called_a_gain() -> None:
    resamples = np.linspace(0.1, 1.0, 1000)
    assert percentile_interval(np.array([0.5, *resamples])).is_a_gain
    resamples[:10] = -0.1
    doubtful = percentile_interval(np.array([0.5, *resamples]))
    assert doubtful.ci95[0] > 0
    assert not doubtful.is_a_gain


def test_a_doubtful_gain_is_a_tie_that_more_prompts_would_settle() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=(120, 2))
    predicted = truth * 0.1 + random.normal(size=truth.shape)
    found = evaluate(truth, predicted, np.array([1.0, 2.0]), ["plain@1", "dear@1"])
    assert found.area_gain_over_zero
    assert found.area_gain_over_zero.ci95[0] > 0
    assert (found.verdict, found.verdict_words) == ("ties", "ties")
    assert "more prompts would tell" in verdict_in_words(found.to_json())


def test_better_pictures_for_more_than_the_cheapest_best_single_costs_are_better() -> None:
    kind = np.arange(200) % 2
    truth = np.stack([1.0 + kind, 2.0 - kind], axis=1)  # each is the better one for half of them
    found = evaluate(truth, truth, np.array([1.0, 4.0]), ["plain@1", "dear@1"])
    assert found.best_single == "plain@1"
    assert (found.verdict, found.verdict_words) == ("beats best single", "better pictures")


def test_one_price_for_all_leaves_no_area() -> None:
    truth = scores()
    judged = evaluate(truth, truth, np.array([1.0, 1.0, 1.0]), NAMES, resamples=20)
    assert judged.area_recovered is None
    assert judged.verdict == "beats best single"


def test_agreement_is_told_of_differences_apart_from_levels() -> None:
    random = np.random.default_rng(1)
    level, differences = random.normal(size=(500, 1)) * 5, random.normal(size=(500, 3))
    knows_levels = agreement(level + differences, level + random.normal(size=(500, 3)))
    assert knows_levels.quality is not None
    assert knows_levels.differences is not None
    assert knows_levels.quality > 0.9
    assert abs(knows_levels.differences) < 0.1
    knows_differences = agreement(level + differences, differences)
    assert knows_differences.differences == pytest.approx(1.0)
    means = np.array([1.0, 2.0, 3.0])
    only_means = agreement(means + 0.1 * differences, np.tile(means, (500, 1)))
    assert only_means.differences == pytest.approx(1.0, abs=0.05)
    assert only_means.interaction is None  # nothing is said about the prompt


def test_every_group_is_judged_by_itself() -> None:
    truth = scores(200)
    said = truth.copy()
    said[100:] = -truth[100:]
    groups = ["good"] * 100 + ["bad"] * 90 + [""] * 10
    found = figures_by_group(truth, said, COST, NAMES, groups)
    assert list(found) == ["good", "bad"]
    assert [found[name]["prompts"] for name in found] == [100, 90]
    assert [found[name]["verdict"] for name in found] == ["beats best single", "worse"]
