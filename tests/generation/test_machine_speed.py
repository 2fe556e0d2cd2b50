"""One price scale: what was drawn here and what was not are on the same machine."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.function import Expected, GenerationFunction, Model
from cems_tui.generation.cost_model import CostModel, Observation
from cems_tui.generation.machine_speed import load_references_of, references_of

TOLD = {"turbo@1": 0.0242, "small@4": 0.056, "base@4": 0.0889, "base@20": 0.389, "base@50": 0.945}
"""Processor seconds of the pack's functions on the machine it was made on."""

COLD = 2.4
"""How much longer the first picture after a load takes, as measured."""


def function(name: str, source: str = "the author's machine") -> GenerationFunction:
    model, _, steps = name.partition("@")
    expected = Expected(seconds=TOLD[name], memory_bytes=31_000_000, source=source)
    row = Model(model, "stable-diffusion", "Apache-2.0", "tests")
    return GenerationFunction(name, row, int(steps), 2.5, 64, 64, expected=expected)


FUNCTIONS = {name: function(name) for name in TOLD}


def run(name: str, factor: float, *, cold: bool = False, side: int = 64) -> Observation:
    seconds = TOLD[name] * factor * (COLD if cold else 1.0) * (side / 64) ** 2
    return Observation(name, side, side, 0.0, seconds, 0.0, 5.0 if cold else None, 31_000_000)


def prices(*runs: Observation) -> dict[str, float]:
    model = CostModel(runs, references=references_of(FUNCTIONS.values()))
    found = {name: model.predict(one).seconds for name, one in FUNCTIONS.items()}
    return {name: seconds for name, seconds in found.items() if seconds is not None}


def ratios(found: dict[str, float]) -> dict[str, float]:
    return {name: seconds / found["turbo@1"] for name, seconds in found.items()}


def test_before_the_first_picture_the_told_figures_speak() -> None:
    assert prices() == TOLD


def test_a_cold_first_picture_changes_no_ratio_between_two_functions() -> None:
    assert ratios(prices(run("turbo@1", 1.6, cold=True))) == pytest.approx(ratios(TOLD))


def test_ten_pictures_in_a_busy_hour_change_no_ratio_between_two_functions() -> None:
    busy = [run("turbo@1", 4.0 * random.Random(n).uniform(0.7, 1.4)) for n in range(10)]
    assert ratios(prices(*busy)) == pytest.approx(ratios(TOLD))


def test_what_was_never_drawn_here_is_priced_for_this_machine_and_called_an_estimate() -> None:
    model = CostModel(
        [run("turbo@1", 1.6, cold=True), *[run("turbo@1", 1.6)] * 2],
        references=references_of(FUNCTIONS.values()),
    )
    dear, cheap = model.predict(FUNCTIONS["base@50"]), model.predict(FUNCTIONS["turbo@1"])
    assert dear.seconds == pytest.approx(1.6 * TOLD["base@50"])
    assert (dear.provenance, cheap.provenance) == ("estimated", "measured")
    assert "1.6 × what was told, by 2 runs here" in dear.source


def test_cold_pictures_are_left_out_as_soon_as_a_settled_one_is_there() -> None:
    found = prices(*[run("turbo@1", 1.6, cold=True)] * 5, run("turbo@1", 1.6))
    assert found["turbo@1"] == pytest.approx(1.6 * TOLD["turbo@1"])


def test_more_steps_of_one_net_are_never_cheaper_however_the_hours_were() -> None:
    found = prices(*[run("base@4", 8.0)] * 20, *[run("base@20", 1.0)] * 20)
    assert found["base@4"] < found["base@20"] < found["base@50"]


def test_a_model_that_is_truly_slower_here_comes_to_be_priced_so() -> None:
    mixed = [run("turbo@1", 1.0), run("small@4", 1.0), run("base@20", 3.0)] * 20
    found = prices(*mixed)
    assert found["base@20"] / TOLD["base@20"] == pytest.approx(3.0, rel=0.25)
    assert found["turbo@1"] / TOLD["turbo@1"] == pytest.approx(1.0, rel=0.05)


@given(st.lists(st.sampled_from(sorted(TOLD)), min_size=3, max_size=12), st.floats(0.2, 50.0))
def test_after_three_pictures_the_seconds_of_all_are_foreseen_within_15_percent(
    drawn: list[str], factor: float
) -> None:
    noise = random.Random(len(drawn))
    found = prices(*[run(name, factor * noise.uniform(0.93, 1.07)) for name in drawn])
    for name, seconds in found.items():
        assert seconds == pytest.approx(factor * TOLD[name], rel=0.15)


def test_figures_of_another_origin_are_not_moved_by_these_runs() -> None:
    paper = GenerationFunction(
        "sdxl-turbo@4",
        Model("sdxl-turbo", "stable-diffusion-xl", "x", "y"),
        4,
        0.0,
        512,
        512,
        expected=Expected(seconds=1.8, provenance="published", source="a paper"),
    )
    model = CostModel([run("turbo@1", 4.0)], references=references_of([*FUNCTIONS.values(), paper]))
    assert model.predict(paper) == paper.expected


def test_what_was_measured_on_this_machine_is_no_reference_for_its_speed() -> None:
    mine = function("base@20")
    measured = GenerationFunction(
        "base@20", mine.model, 20, 2.5, 64, 64, expected=Expected(0.5, provenance="measured")
    )
    assert references_of([measured]) == {}


def test_intervals_cover_nine_pictures_of_ten_over_many_machines() -> None:
    held = tried = 0
    for seed in range(300):
        chance = random.Random(seed)
        departs = {name.partition("@")[0]: chance.gauss(0.0, 0.1) for name in TOLD}

        def drawn_here(
            name: str, chance: random.Random = chance, departs: dict[str, float] = departs
        ) -> Observation:
            away = departs[name.partition("@")[0]] + chance.gauss(0.0, 0.08)
            return run(name, 1.7 * math.exp(away))

        history = [drawn_here(chance.choice(sorted(TOLD))) for _ in range(1 + seed % 12)]
        model = CostModel(history, references=references_of(FUNCTIONS.values()))
        for name, one in FUNCTIONS.items():
            interval = model.predict(one).seconds_interval
            assert interval is not None
            tried += 1
            held += interval[0] <= drawn_here(name).billed_seconds <= interval[1]
    assert 0.85 <= held / tried <= 0.99


def test_cold_pictures_alone_leave_the_price_open_downwards() -> None:
    model = CostModel(
        [run("turbo@1", 1.6, cold=True)], references=references_of(FUNCTIONS.values())
    )
    interval = model.predict(FUNCTIONS["base@20"]).seconds_interval
    assert interval is not None
    assert interval[0] < 1.6 * TOLD["base@20"] < interval[1]


def test_pictures_drawn_beside_other_work_move_the_factor_less_than_quiet_ones() -> None:
    busy = replace(run("turbo@1", 8.0), contention=0.8)
    found = prices(*[busy] * 6)
    assert found["turbo@1"] == pytest.approx(1.6 * TOLD["turbo@1"])
    odd = replace(run("turbo@1", 40.0), contention=0.8)
    assert prices(*[run("turbo@1", 1.6)] * 2, odd, odd)["turbo@1"] == pytest.approx(
        1.6 * TOLD["turbo@1"]
    )


def test_a_load_here_tells_how_long_the_others_take_to_load_here() -> None:
    """One load in a busy hour makes no model dearer to load beside the others."""
    told = {
        name: replace(one, expected=replace(one.expected, load_seconds=0.2, load_bytes=31_000_000))
        for name, one in FUNCTIONS.items()
    }
    model = CostModel(
        [replace(run("turbo@1", 1.0), load_seconds=2.6)],
        load_references=load_references_of(told.values()),
    )
    loads = [model.predict(one).load_seconds for one in told.values()]
    assert loads == pytest.approx([2.6] * len(told))
    assert CostModel().predict(told["turbo@1"]).load_seconds == 0.2


def load_factor(drawing: float, loading: float, loads: int) -> float:
    """What a load is expected to take beside what was told, after so many loads and pictures."""
    told = {
        name: replace(one, expected=replace(one.expected, load_seconds=0.2, load_bytes=31_000_000))
        for name, one in FUNCTIONS.items()
    }
    cold = replace(run("base@4", drawing, cold=True), load_seconds=0.2 * loading)
    model = CostModel(
        [*[cold] * loads, *[run("base@20", drawing)] * 5],
        references=references_of(told.values()),
        load_references=load_references_of(told.values()),
    )
    return (model.predict(told["base@4"]).load_seconds or 0.0) / 0.2


def test_loading_departs_from_drawing_only_as_far_as_loads_bear_out() -> None:
    assert load_factor(2.0, 2.0, 1) == pytest.approx(2.0)
    few, some, many = (load_factor(2.0, 0.8, loads) for loads in (1, 6, 60))
    assert 2.0 > few > some > many > 0.8
    assert few > 1.5
    assert many < 1.0


def test_how_fast_the_machine_is_is_told_with_its_spread_and_runs() -> None:
    model = CostModel(
        [run("turbo@1", 1.6, cold=True), run("turbo@1", 1.5), run("base@4", 1.7)],
        references=references_of(FUNCTIONS.values()),
    )
    [origin] = model.origins()
    assert origin.factor == pytest.approx(1.6)
    assert (origin.runs, origin.settled_runs, origin.disturbed_runs) == (3, 2, 0)
    assert 1.0 < origin.spread < 1.1
