"""Regret from lots: right on average whatever the routing chose, and its interval holds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np
import pytest

from cems_tui.evidence.regret import LEAST_LOTS, Lot, MeasuredRegret, measured_regret
from tests.routing.fakes import SHARED_DATA

RUNS = 200


@dataclass(frozen=True)
class Routed:
    """One routed picture: what each function would score, what was chosen, who could draw it."""

    scores: dict[str, float]
    chosen: str
    able: tuple[str, ...]

    def others(self) -> list[str]:
        return [name for name in self.able if name != self.chosen]

    def gain(self, name: str) -> float:
        return self.scores[name] - self.scores[self.chosen]


def drawn_by_lot(
    history: Sequence[Routed], lots: int, chance: random.Random
) -> tuple[MeasuredRegret, dict[str, float]]:
    """What lots say, and what is true of the pictures they were drawn from.

    Half of the history is there at first, the rest arrives between the lots.
    """
    names, there, drawn = list(history[0].scores), len(history) // 2, dict[int, Lot]()
    gains = np.array(
        [[one.gain(n) if n in one.others() else np.nan for n in names] for one in history]
    )
    truth = []
    for _ in range(lots):
        frame = [number for number in range(there) if number not in drawn]
        truth.append(np.nanmean(gains[frame], axis=0))
        one = history[picked := chance.choice(frame)]
        other = chance.choice(one.others())
        drawn[picked] = Lot(other, 1 / len(one.others()), one.gain(other), 0.001)
        there = min(len(history), there + 1)
    could = dict(zip(names, (~np.isnan(gains)).sum(axis=0).tolist(), strict=True))
    found = measured_regret("mixed", "m:1", list(drawn.values()), could, len(history))
    return found, dict(zip(names, np.mean(truth, axis=0).tolist(), strict=True))


def made_up(count: int, seed: int) -> list[Routed]:
    """Routing is good: it takes what scores best three times in four; a function that is poor on
    hard prompts cannot draw some of the easy ones, and later prompts are harder."""
    chance, found = random.Random(seed), []
    for number in range(count):
        hard = chance.random() + number / count
        scores = {
            "base@20": 1.5 - 0.3 * hard + chance.gauss(0, 0.1),
            "small@4": 1.6 - 0.7 * hard + chance.gauss(0, 0.1),
            "turbo@1": 1.45 - 0.3 * hard + chance.gauss(0, 0.2),
        }
        able = tuple(scores) if hard > 0.5 or chance.random() < 0.5 else ("base@20", "turbo@1")
        best = max(able, key=scores.__getitem__)
        found.append(Routed(scores, best if chance.random() < 0.75 else chance.choice(able), able))
    return found


def recorded(count: int) -> list[Routed]:
    """Prompts of CEMS's own table, routed to what scored best but for each third."""
    pq = pytest.importorskip("pyarrow.parquet")
    path = SHARED_DATA / "cems_train.parquet"
    if not path.exists():
        pytest.skip("cems_train.parquet is not on this machine")
    columns = ["prompt_id", "function", "score"]
    rows = pq.read_table(path, columns=columns, filters=[("metric", "=", "clip")])
    scores: dict[str, dict[str, float]] = {}
    for prompt, function, score in zip(*(rows[name].to_pylist() for name in columns), strict=True):
        scores.setdefault(prompt, {})[function] = score
    whole = [one for one in scores.values() if len(one) == 4][:count]
    return [
        Routed(one, sorted(one, key=one.__getitem__)[-1 - (number % 3 == 0)], tuple(one))
        for number, one in enumerate(whole)
    ]


@pytest.mark.parametrize("table", ["made up", "recorded"])
def test_the_mean_of_many_estimates_is_the_truth_and_intervals_hold_it(table: str) -> None:
    history = made_up(160, 1) if table == "made up" else recorded(160)
    runs = [drawn_by_lot(history, 60, random.Random(seed)) for seed in range(RUNS)]
    for name in history[0].scores:
        told = [
            (one, truth[name])
            for found, truth in runs
            for one in found.instead
            if one.function == name and one.gained is not None
        ]
        assert len(told) > 0.9 * RUNS
        wrong = [(one.gained or 0.0) - true for one, true in told]
        assert abs(mean(wrong)) < 4 * stdev(wrong) / len(wrong) ** 0.5
        held = [one.interval and one.interval[0] <= true <= one.interval[1] for one, true in told]
        assert mean(map(bool, held)) > 0.84
    held = []
    for found, truth in runs:
        best = max(truth[one.function] * one.pictures / found.pictures for one in found.instead)
        if found.interval is not None:
            held.append(found.interval[0] <= max(0.0, best) <= found.interval[1])
    assert mean(held) > 0.87


def test_without_the_chances_the_same_lots_would_be_biased() -> None:
    """Who draws with many rivals is drawn again with each of them less often."""
    history = made_up(160, 1)
    wrong, right = [], []
    for seed in range(RUNS):
        chance = random.Random(seed)
        picked = chance.sample(history, 60)
        found = []
        for one in picked:
            other = chance.choice(one.others())
            found.append(Lot(other, 1 / len(one.others()), one.gain(other)))
        mine = [lot for lot in found if lot.other == "base@20"]
        wrong.append(mean(lot.gained for lot in mine))
        told = measured_regret("mixed", "m:1", mine, {"base@20": 160}, 160)
        right.append(told.instead[0].gained or 0.0)
    true = mean(one.gain("base@20") for one in history if "base@20" in one.others())
    assert abs(mean(right) - true) < 0.3 * abs(mean(wrong) - true)


def lots(count: int, other: str = "base@20", gained: float = 0.1) -> list[Lot]:
    return [Lot(other, 0.1, gained + 0.01 * (-1) ** number, 0.002) for number in range(count)]


def test_too_few_lots_are_counted_not_guessed() -> None:
    found = measured_regret("mixed", "m", lots(3), {"base@20": 40}, 50)
    assert (found.value, found.interval, found.best) == (None, None, None)
    assert found.missing == LEAST_LOTS - 3
    assert found.instead[0].gained is None


def test_a_function_that_could_draw_few_pictures_changes_the_whole_little() -> None:
    found = measured_regret("mixed", "m", lots(10), {"base@20": 10}, 100)
    assert found.instead[0].gained == pytest.approx(0.1)
    assert found.value == pytest.approx(0.01)
    assert found.instead[0].cost_usd == pytest.approx(0.002)


def test_routing_that_beats_every_single_function_has_no_regret() -> None:
    found = measured_regret("mixed", "m", lots(10, gained=-0.1), {"base@20": 90}, 100)
    assert (found.value, found.interval) == (0.0, (0.0, 0.0))


def test_a_cost_is_told_only_where_every_lot_has_one() -> None:
    some = [*lots(9), Lot("base@20", 0.1, 0.1)]
    [one] = measured_regret("mixed", "m", some, {"base@20": 90}, 100).instead
    assert one.cost_usd is None
