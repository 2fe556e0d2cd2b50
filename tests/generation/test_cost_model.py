"""What a picture is expected to take, and who says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cems_tui.domain.capabilities import Capabilities
from cems_tui.domain.function import (
    STAGES,
    Expected,
    Footprint,
    GenerationFunction,
    Model,
    StageBytes,
)
from cems_tui.domain.pricing import Pricing
from cems_tui.generation.cost_model import GROWTH_BYTES, WINDOW, CostModel, Observation
from cems_tui.generation.machine_speed import references_of

CATALOG = Expected(
    seconds=9.0,
    memory_bytes=3_000_000_000,
    load_seconds=5.0,
    held_bytes=2_000_000_000,
    load_bytes=2_000_000_000,
    provenance="published",
    source="a paper",
)


def function(
    steps: int = 20, model: str = "base", expected: Expected = CATALOG
) -> GenerationFunction:
    row = Model(model, "stable-diffusion", "CC0-1.0", "tests")
    return GenerationFunction(f"{model}@{steps}", row, steps, 3.0, 64, 64, expected=expected)


def run(name: str = "base@20", denoise: float = 2.0, side: int = 64, **more: object) -> Observation:
    values: dict[str, object] = {"memory_bytes": 500, "load_seconds": 0.0, "load_bytes": 0, **more}
    return Observation(name, side, side, 0.1, denoise, 0.3, **values)  # type: ignore[arg-type]


def test_nothing_known_is_unknown_in_every_field() -> None:
    expected = CostModel().predict(function(expected=Expected()))
    assert (expected.seconds, expected.memory_bytes) == (None, None)
    assert (expected.load_seconds, expected.load_bytes) == (None, None)
    assert not CostModel().cost(function(expected=Expected())).priced


def test_before_the_first_run_the_catalog_speaks() -> None:
    assert CostModel().predict(function()) == CATALOG


def test_after_a_run_the_machine_speaks() -> None:
    expected = CostModel([run()]).predict(function())
    assert expected.seconds == pytest.approx(2.4)
    assert expected.memory_bytes == 500
    assert expected.provenance == "measured"


def test_the_latest_runs_count_and_one_slow_run_does_not() -> None:
    old = [run(denoise=50.0)] * 100
    recent = [run(denoise=2.0)] * (WINDOW - 1) + [run(denoise=900.0)]
    assert CostModel(old + recent).predict(function()).seconds == pytest.approx(2.4)


def test_another_step_count_of_the_model_is_scaled_and_called_an_estimate() -> None:
    expected = CostModel([run("base@20", denoise=2.0)]).predict(function(steps=4))
    assert expected.seconds == pytest.approx(0.4 + 2.0 * 4 / 20)
    assert expected.memory_bytes == 500
    assert expected.provenance == "estimated"
    assert "base@20" in expected.source


def test_steps_of_one_model_share_a_line_of_so_much_once_and_so_much_a_step() -> None:
    model = CostModel([run("base@100", denoise=10.0), run("base@8", denoise=0.8)])
    foreseen = {steps: model.predict(function(steps)).seconds for steps in (4, 8, 50, 100)}
    assert foreseen == {steps: pytest.approx(0.4 + 0.1 * steps) for steps in foreseen}


@given(
    st.lists(st.tuples(st.sampled_from([1, 4, 8, 20, 50]), st.floats(0.01, 100.0)), min_size=1),
    st.tuples(st.integers(1, 100), st.integers(1, 100)),
)
def test_more_steps_of_a_model_are_never_cheaper_whatever_was_measured(
    measured: list[tuple[int, float]], asked: tuple[int, int]
) -> None:
    model = CostModel([run(f"base@{steps}", denoise=seconds) for steps, seconds in measured])
    fewer, more = (
        model.predict(function(steps, expected=Expected())).seconds for steps in sorted(asked)
    )
    assert fewer is not None
    assert more is not None
    assert fewer <= more * (1 + 1e-9)


def test_the_first_picture_after_a_load_is_left_out_once_another_is_there() -> None:
    cold, settled = run(denoise=9.0, load_seconds=3.0), run(denoise=2.0)
    assert CostModel([cold]).predict(function()).seconds == pytest.approx(9.4)
    assert CostModel([cold, cold, settled]).predict(function()).seconds == pytest.approx(2.4)


@given(st.lists(st.floats(0.3, 0.95), min_size=1, max_size=20), st.integers(0, 5))
def test_a_busy_hour_does_not_raise_prices(waited: list[float], quiet: int) -> None:
    """A run that waited for a processor for a share of its time took that much longer."""
    busy = [
        run(denoise=2.0 / (1 - share) + 0.4 * share / (1 - share), contention=share)
        for share in waited
    ]
    expected = CostModel([*[run(denoise=2.0, contention=0.0)] * quiet, *busy]).predict(function())
    assert expected.seconds == pytest.approx(2.4, rel=0.2)


def test_a_disturbed_run_speaks_more_softly_than_a_quiet_one() -> None:
    off = run(denoise=40.0, contention=0.8)
    model = CostModel([run(denoise=2.0), off, off])
    assert model.predict(function()).seconds == pytest.approx(2.4)


def test_the_interval_of_a_price_holds_it_and_narrows_with_runs() -> None:
    widths = []
    for count in (1, 4, 16):
        expected = CostModel([run()] * count).predict(function())
        assert expected.seconds is not None
        assert expected.seconds_interval is not None
        low, high = expected.seconds_interval
        assert low < expected.seconds < high
        widths.append(high / low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0]
    cost = CostModel([run()]).cost(function())
    assert cost.usd is not None
    assert cost.interval is not None
    assert cost.interval[0] < cost.usd < cost.interval[1]


def test_the_interval_of_what_nobody_measured_here_is_unknown() -> None:
    assert CostModel().predict(function()).seconds_interval is None
    assert CostModel().cost(function()).interval is None


def test_another_models_runs_say_nothing() -> None:
    assert CostModel([run("other@20")]).predict(function()) == CATALOG


def test_another_size_is_scaled_by_its_pixels_and_called_an_estimate() -> None:
    observed = run(memory_bytes=700, load_seconds=1.0, load_bytes=500)
    expected = CostModel([observed]).predict(function(), 128, 128)
    assert expected.seconds == pytest.approx(0.1 + 4 * 2.3), "a prompt has no pixels"
    assert expected.memory_bytes == 500 + 4 * 200
    assert expected.provenance == "estimated"


def test_runs_at_another_size_do_not_displace_the_catalog_at_its_own() -> None:
    assert CostModel([run(side=128)]).predict(function()).seconds == CATALOG.seconds


def test_the_catalog_at_another_size_is_an_estimate_too() -> None:
    expected = CostModel().predict(function(), 128, 64)
    assert expected.seconds == 18.0
    assert expected.memory_bytes == 4_000_000_000
    assert expected.provenance == "estimated"


def test_the_memory_of_another_size_is_the_weights_and_more_by_the_pixels_of_the_nearest_run() -> (
    None
):
    weights = 2_000_000_000
    model = CostModel(
        [
            run(memory_bytes=weights + 100, side=64),
            run(memory_bytes=weights + 900, side=256),
        ],
        references=references_of([function()]),
    )
    assert model.predict(function(), 128, 64).memory_bytes == weights + 200
    assert model.predict(function(), 512, 256).memory_bytes == weights + 1800
    assert model.predict(function(steps=4), 512, 256).memory_bytes == weights + 1800


@given(st.integers(1, 64), st.integers(1, 10**9), st.none() | st.integers(1, 512))
def test_a_larger_picture_never_takes_less_and_never_more_than_by_its_pixels(
    times: int, beside: int, numbers: int | None
) -> None:
    weights = 2_000_000_000
    able = replace(function(), capabilities=Capabilities(numbers_per_pixel=numbers))
    model = CostModel([run(memory_bytes=weights + beside)])
    side = 64 * times
    memory = model.predict(able, side, side).memory_bytes
    assert memory is not None
    assert weights + beside <= memory <= weights + beside * times**2
    if numbers is not None:
        assert memory <= weights + beside + numbers * GROWTH_BYTES * (side**2 - 64**2)


def test_the_weights_of_a_peak_that_was_published_do_not_grow_with_the_picture() -> None:
    told = Expected(seconds=1.0, memory_bytes=900, provenance="published", source="a paper")
    bare = function(expected=told)
    known = replace(bare, model=replace(bare.model, footprint=Footprint(weights_bytes=500)))
    assert CostModel().predict(bare, 128, 128).memory_bytes == 3600
    assert CostModel().predict(known, 128, 128).memory_bytes == 500 + 1600


def test_load_time_is_learnt_from_loads_and_not_from_resident_runs() -> None:
    runs = [run("base@4", load_seconds=3.0, load_bytes=400), *[run("base@4")] * 3 * WINDOW]
    expected = CostModel(runs).predict(function())
    assert (expected.load_seconds, expected.load_bytes) == (3.0, 400)


def test_without_a_memory_figure_a_measured_time_is_only_an_estimate_of_the_price() -> None:
    expected = CostModel([run(memory_bytes=None)]).predict(function())
    assert expected.seconds == pytest.approx(2.4)
    assert expected.memory_bytes == CATALOG.memory_bytes
    assert expected.provenance == "estimated"


def test_a_function_whose_name_tells_no_steps_is_still_measured() -> None:
    free = GenerationFunction("sketch", Model("sketch", "x", "y", "z"), 7, 1.0, 64, 64)
    assert CostModel([run("sketch")]).predict(free).provenance == "measured"


def test_prices_follow_the_price_list() -> None:
    model = CostModel([run(load_seconds=2.0, load_bytes=1)], Pricing(usd_per_gb_second=0.5))
    cost = model.cost(function())
    assert (cost.usd, cost.source) == (pytest.approx(2.4 * 1 * 0.5), "measured")
    assert model.load_usd(function(), resident=True) == 0.0
    assert model.load_usd(function(), resident=False) == pytest.approx(2.0 * 1 * 0.5)
    assert CostModel().load_usd(function(expected=Expected()), resident=False) is None


def test_runs_in_another_precision_say_nothing_of_the_one_in_force() -> None:
    runs = [
        *[run(denoise=9.0, precision="float32")] * 3,
        *[run(denoise=2.0, precision="bfloat16")] * 2,
    ]
    name = function().model.name
    half = CostModel(runs, precision_of={name: "bfloat16"}.get)
    whole = CostModel(runs, precision_of={name: "float32"}.get)
    assert half.certainty(function()).runs == 2
    assert whole.certainty(function()).runs == 3
    assert (half.predict(function()).seconds or 0) < (whole.predict(function()).seconds or 0)
    unknown = CostModel(runs, precision_of={name: "float16"}.get)
    assert unknown.predict(function()) == CATALOG


def test_the_precision_of_a_model_is_asked_once_and_only_if_it_was_run() -> None:
    asked: list[str] = []
    CostModel([run(), run(), run("other@20")], precision_of=asked.append)
    assert asked == [function().model.name, "other"]


# Two models that share their towers, as SDXL and what was distilled from it do.

GB = 1_000_000_000
TOWERS = 3 * GB
SDXL: dict[str, dict[str, int]] = {
    "base": {"towers": TOWERS, "unet": 3_500_000_000},
    "turbo": {"towers": TOWERS, "fast": 3_500_000_000},
}
HELD = 6_500_000_000
NUMBERS = 256
"""For a pixel, in and out of the widest layers of Stable Diffusion's decoder."""


def sharing(name: str) -> GenerationFunction:
    able = Capabilities(numbers_per_pixel=NUMBERS)
    return replace(function(1, name, Expected()), capabilities=able, width=512, height=512)


def weights_of(wanted: GenerationFunction) -> dict[str, int]:
    return SDXL[wanted.model.name]


def test_what_a_load_moved_is_not_what_the_model_holds() -> None:
    """Once swapped, a model that shares all but little moves little and holds as much as ever."""
    small = {"base": {"towers": HELD}, "turbo": {"towers": HELD, "patch": 4_000_000}}
    runs = [
        run(
            "turbo@1", side=64, memory_bytes=HELD + 40_000_000, load_seconds=1, load_bytes=4_000_000
        )
    ]
    model = CostModel(runs, weights=lambda f: small[f.model.name])
    expected = model.predict(sharing("turbo"))
    assert expected.held_bytes == HELD + 4_000_000
    assert expected.memory_bytes is not None
    assert HELD < expected.memory_bytes < 1.3 * HELD


def test_a_load_is_priced_by_what_is_missing_now() -> None:
    runs = [
        run("base@1", load_seconds=7.5, load_bytes=HELD, held_bytes=HELD),
        run("turbo@1", load_seconds=4.5, load_bytes=HELD - TOWERS, held_bytes=HELD),
    ]
    model = CostModel(runs, weights=weights_of)
    alone, beside = (model.predict(sharing("turbo"), there=there) for there in ((), SDXL["base"]))
    assert (alone.load_bytes, beside.load_bytes) == (HELD, HELD - TOWERS)
    assert alone.load_seconds == pytest.approx(7.5)
    assert beside.load_seconds == pytest.approx(4.5)
    assert model.predict(sharing("turbo"), there=SDXL["turbo"]).load_bytes == 0


def test_a_load_of_little_tells_nothing_of_a_machines_speed_with_much() -> None:
    """What loading takes at the least is not scaled up with the bytes."""
    runs = [
        run("base@1", load_seconds=20.0, load_bytes=HELD, held_bytes=HELD),
        run("turbo@1", load_seconds=1.0, load_bytes=4_000_000, held_bytes=HELD),
    ]
    expected = CostModel(runs, weights=weights_of).predict(sharing("turbo"))
    assert expected.load_seconds == pytest.approx(20.0, rel=0.1)


def test_without_files_the_weights_are_the_most_that_a_load_brought() -> None:
    runs = [
        run("base@1", memory_bytes=7 * GB, load_seconds=1.0, load_bytes=size)
        for size in (HELD, 4_000_000, 4_000_000)
    ]
    expected = CostModel(runs).predict(sharing("base"))
    assert expected.held_bytes == HELD
    assert expected.memory_bytes is not None
    assert expected.memory_bytes < 1.3 * (HELD + NUMBERS * GROWTH_BYTES * 512**2)


STAGES_OF_SDXL = st.fixed_dictionaries(
    {
        "encode": st.tuples(st.integers(5_000_000, 300_000_000), st.just(0)),
        "denoise": st.tuples(st.integers(5_000_000, 60_000_000), st.integers(150, 600)),
        "decode": st.tuples(st.integers(5_000_000, 60_000_000), st.integers(1200, 3000)),
    }
)
"""By stage: bytes of any picture, and bytes a pixel."""


@settings(deadline=None)
@given(
    STAGES_OF_SDXL,
    st.tuples(st.floats(0.05, 3.0), st.floats(0.02, 2.0), st.floats(1e-6, 1e-4)),
    st.tuples(st.floats(0.2, 4.0), st.floats(0.2, 5.0)),
    st.lists(st.floats(0.96, 1.04), min_size=24, max_size=24),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.booleans(),
)
def test_small_pictures_foretell_a_large_one(
    memory: dict[str, tuple[int, int]],
    pace: tuple[float, float, float],
    loading: tuple[float, float],
    noise: list[float],
    beside: list[bool],
    at_all: bool,
) -> None:
    """After runs at 64 and 128 px, with and without shared parts resident: memory at 512 px is
    within 1.3 times and never more than has to be free, seconds 1.5, the price 2, every stage 2."""
    wobble = iter(noise)
    fixed, a_gigabyte = loading

    def stage(name: str, side: int) -> int:
        once, each = memory[name]
        return int(once + each * side**2)

    def seconds(side: int) -> tuple[float, float, float]:
        encode, once, each = pace
        return encode, once + each * side**2, 0.3 * each * side**2

    runs = []
    for place, (side, name) in enumerate(
        [(64, "base"), (64, "turbo"), (128, "base"), (128, "turbo")]
    ):
        brought = HELD - TOWERS if place and beside[place] and at_all else HELD
        encode, denoise, decode = (one * next(wobble) for one in seconds(side))
        stages = StageBytes(*(int(stage(one, side) * next(wobble)) for one in STAGES))
        runs.append(
            Observation(
                f"{name}@1",
                side,
                side,
                encode,
                denoise,
                decode,
                load_seconds=fixed + a_gigabyte * brought / GB,
                memory_bytes=HELD + (stages.peak or 0),
                load_bytes=brought,
                held_bytes=HELD,
                stage_bytes=stages,
            )
        )
    model = CostModel(runs, weights=weights_of)
    for there in ((), SDXL["base"]):
        expected = model.predict(sharing("turbo"), there=there)
        truth = HELD + max(stage(one, 512) for one in STAGES)
        billed = sum(seconds(512))
        assert expected.memory_bytes is not None
        assert expected.seconds is not None
        assert expected.load_seconds is not None
        assert expected.memory_bytes / truth == within(1.3)
        assert HELD + (expected.most_beside_bytes or 0) >= truth, "a false `fits`"
        assert expected.seconds / billed == within(1.5)
        price = Pricing().of(expected).usd
        assert price is not None
        assert price / Pricing().usd(billed, truth) == within(2.0)
        missing = HELD - TOWERS if there else HELD
        assert expected.load_seconds / (fixed + a_gigabyte * missing / GB) == within(2.0)
        for one in STAGES:
            assert expected.stage_bytes.to_json()[one] is not None
            assert (expected.stage_bytes.to_json()[one] or 0) / stage(one, 512) == within(2.0)


def within(times: float) -> object:
    """Equal to a ratio between one part in `times` and `times`."""

    class Within:
        def __eq__(self, ratio: object) -> bool:
            return isinstance(ratio, float) and 1 / times <= ratio <= times

        def __repr__(self) -> str:
            return f"within {times} times"

        __hash__ = None  # type: ignore[assignment]

    return Within()


def test_an_estimate_has_to_have_more_room_than_what_was_drawn_here() -> None:
    taken = StageBytes(10, 200, 1000)
    learned = CostModel([run(held_bytes=500, memory_bytes=1500, stage_bytes=taken)] * 3)
    here = learned.predict(function())
    assert (here.beside_bytes, here.most_beside_bytes) == (1000, 1100)
    larger = learned.predict(function(), 128, 128)
    assert (larger.beside_bytes, larger.most_beside_bytes) == (4000, 4400)
    assert learned.predict(function(), 32, 32).most_beside_bytes == 1100, "no more than the larger"
    told = CostModel().predict(function())
    assert (told.beside_bytes, told.most_beside_bytes) == (1_000_000_000, 1_350_000_000)


def test_a_decoder_that_grows_more_than_most_is_let_in_only_where_there_is_room_for_it() -> None:
    """Measured: 34 MB at 128 px, 364 MB at 512 of a decoder of 32 channels, where 12 bytes a number
    of its widest layers foretell 222 MB."""
    narrow = replace(function(), capabilities=Capabilities(numbers_per_pixel=64))
    runs = [
        run(side=side, held_bytes=500, stage_bytes=StageBytes(1, 1, size))
        for side, size in ((64, 27_922_432), (128, 33_652_736))
    ]
    expected = CostModel(runs).predict(narrow, 512, 512)
    assert expected.beside_bytes is not None
    assert expected.beside_bytes < 364_220_416 <= (expected.most_beside_bytes or 0) < 500_000_000


def test_the_room_asked_for_is_never_less_than_what_a_picture_of_that_size_took() -> None:
    runs = [run(held_bytes=500, stage_bytes=StageBytes(1, 1, peak)) for peak in (100, 100, 190)]
    expected = CostModel(runs).predict(function())
    assert expected.beside_bytes == 100
    assert expected.most_beside_bytes == 190
