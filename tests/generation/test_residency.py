"""Who is on the device: loading, sharing, leaving, and never more than the budget."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import sleep

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cems_tui.domain.function import GenerationFunction, Model
from cems_tui.errors import OutOfMemory, WeightsError
from cems_tui.generation.admission import Weights
from cems_tui.generation.pipeline import Job, MakeRoom, OnStep, Picture, Stop, nothing_to_free
from cems_tui.generation.residency import PartByPart, Residency


def function(model: str, steps: int = 4) -> GenerationFunction:
    row = Model(model, "stable-diffusion", "CC0-1.0", "tests", path=Path("/nowhere") / model)
    return GenerationFunction(f"{model}@{steps}", row, steps, 3.0, 64, 64)


class FakePipeline:
    """A pipeline of so many bytes that only counts."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.closed = 0

    @property
    def weight_bytes(self) -> int:
        return sum(self.weights.values())

    def generate(
        self, job: Job, on_step: OnStep, stop: Stop, make_room: MakeRoom = nothing_to_free
    ) -> Picture:
        raise NotImplementedError

    def close(self) -> None:
        self.closed += 1


class FakeDevice:
    """Loads fake pipelines and remembers every one; fails like a device when told to."""

    def __init__(self, **sizes: int | Weights) -> None:
        self.weights = {
            model: {model: size} if isinstance(size, int) else size for model, size in sizes.items()
        }
        self.loaded: list[tuple[str, FakePipeline]] = []
        self.failures: list[Exception] = []

    def load(self, wanted: GenerationFunction) -> FakePipeline:
        if self.failures:
            raise self.failures.pop(0)
        pipeline = FakePipeline(self.weights[wanted.model.name])
        self.loaded.append((wanted.model.name, pipeline))
        return pipeline

    def expected(self, wanted: GenerationFunction) -> Weights | None:
        return self.weights[wanted.model.name]

    def open_names(self) -> list[str]:
        return [name for name, pipeline in self.loaded if not pipeline.closed]

    def residency(self, budget: int) -> Residency:
        return Residency(budget, self.load, self.expected)


def use(residency: Residency, *models: str) -> None:
    for model in models:
        with residency.lease(function(model)):
            pass


def test_the_functions_of_one_model_share_a_pipeline() -> None:
    device = FakeDevice(base=10)
    residency = device.residency(100)
    with residency.lease(function("base", 4)) as four:
        pass
    with residency.lease(function("base", 20)) as twenty:
        pass
    assert four.pipeline is twenty.pipeline
    assert len(device.loaded) == 1


def test_a_lease_says_what_loading_took_and_nothing_when_resident() -> None:
    residency = FakeDevice(base=10).residency(100)
    with residency.lease(function("base")) as first:
        assert first.load_seconds > 0
        assert first.load_bytes == 10
    with residency.lease(function("base")) as second:
        assert (second.load_seconds, second.load_bytes) == (0.0, 0)


def test_preparing_comes_before_every_load_and_is_not_counted_as_loading() -> None:
    device = FakeDevice(a=10)
    prepared: list[str] = []

    def prepare(wanted: GenerationFunction) -> None:
        sleep(0.2)
        prepared.append(wanted.model.name)

    residency = Residency(100, device.load, device.expected, prepare)
    with residency.lease(function("a")) as lease:
        assert lease.load_seconds < 0.2
    use(residency, "a")
    assert prepared == ["a"]


def test_the_least_recently_used_model_leaves_first() -> None:
    device = FakeDevice(a=40, b=40, c=40)
    residency = device.residency(100)
    use(residency, "a", "b", "a", "c")
    assert residency.resident() == {"a", "c"}
    assert device.open_names() == ["a", "c"]


def test_where_it_is_known_what_comes_what_is_needed_last_leaves_first() -> None:
    device, coming = FakeDevice(a=10, b=10, c=10), ["a", "b"]
    residency = Residency(20, device.load, device.expected, wanted=lambda: coming)
    use(residency, "a", "b", "c")
    assert device.open_names() == ["a", "c"]


def test_a_leased_model_stays_and_the_newcomer_is_refused_untouched() -> None:
    device = FakeDevice(a=60, b=30, c=60)
    residency = device.residency(100)
    use(residency, "b")
    with residency.lease(function("a")), pytest.raises(OutOfMemory) as caught:
        use(residency, "c")
    assert caught.value.exit_code == 5
    assert residency.resident() == {"a", "b"}
    assert len(device.loaded) == 2


def test_a_model_larger_than_the_budget_is_refused_before_loading() -> None:
    device = FakeDevice(giant=3_000_000_000)
    with pytest.raises(OutOfMemory, match=r"giant needs 3,000\.0 MB.*may hold 1,000\.0 MB"):
        use(device.residency(1_000_000_000), "giant")
    assert device.loaded == []


def test_a_model_of_unknown_size_is_measured_and_others_leave_for_it() -> None:
    device = FakeDevice(a=60, b=70)
    residency = Residency(100, device.load, lambda _: None)
    use(residency, "a", "b")
    assert residency.resident() == {"b"}
    assert device.open_names() == ["b"]


def test_a_model_that_turns_out_too_large_leaves_at_once() -> None:
    device = FakeDevice(a=200)
    residency = Residency(100, device.load, lambda _: {"a": 50})
    with pytest.raises(OutOfMemory):
        use(residency, "a")
    assert device.open_names() == []
    assert residency.resident() == frozenset()
    with pytest.raises(OutOfMemory):
        use(residency, "a")
    assert len(device.loaded) == 1, "its true size is remembered"


def test_a_failed_load_leaves_no_trace_and_may_be_tried_again() -> None:
    device = FakeDevice(a=10)
    device.failures = [WeightsError("damaged")]
    residency = device.residency(100)
    with pytest.raises(WeightsError):
        use(residency, "a")
    assert residency.resident() == frozenset()
    assert residency.held_bytes == 0
    use(residency, "a")
    assert residency.resident() == {"a"}


def test_a_device_fuller_than_the_budget_says_is_emptied_and_tried_once_more() -> None:
    device = FakeDevice(a=10, b=10)
    residency = device.residency(100)
    use(residency, "a")
    device.failures = [OutOfMemory("full")]
    use(residency, "b")
    assert residency.resident() == {"b"}
    device.failures = [OutOfMemory("full"), OutOfMemory("full")]
    with pytest.raises(OutOfMemory):
        use(residency, "a")


def test_an_exception_during_a_lease_ends_the_lease() -> None:
    device = FakeDevice(a=60, b=60)
    residency = device.residency(100)
    with pytest.raises(RuntimeError), residency.lease(function("a")):
        raise RuntimeError
    use(residency, "b")
    assert residency.resident() == {"b"}


def test_a_model_freed_while_in_use_leaves_when_its_lease_ends() -> None:
    device = FakeDevice(a=60, b=60)
    residency = device.residency(100)
    with residency.lease(function("a")):
        assert residency.free("a")
        assert device.open_names() == ["a"]
        assert residency.held_bytes == 60
        with pytest.raises(OutOfMemory):
            use(residency, "b")
    assert device.open_names() == []
    assert not residency.free("a")


def test_replaced_weights_are_loaded_afresh() -> None:
    device = FakeDevice(a=10)
    residency = device.residency(100)
    old = function("a")
    new = replace(old, model=replace(old.model, digest="sha256:new"))
    for wanted in (old, new):
        with residency.lease(wanted):
            pass
    assert len(device.loaded) == 2
    assert len(device.open_names()) == 1


def test_fits_looks_past_what_may_leave_but_not_past_what_is_in_use() -> None:
    device = FakeDevice(a=60, b=60, giant=200)
    residency = device.residency(100)
    with residency.lease(function("a")):
        assert residency.fits(function("a")) is True
        assert residency.fits(function("b")) is False
    assert residency.fits(function("b")) is True
    assert residency.fits(function("giant")) is False
    assert Residency(100, device.load, lambda _: None).fits(function("b")) is None


def test_a_model_that_is_too_large_holds_its_layers_in_turn_alone_and_is_whole_again_later() -> (
    None
):
    whole, parts = FakeDevice(big=100, small=30), FakeDevice(big={"decoder": 10, "layers": 5})
    residency = Residency(
        40,
        whole.load,
        whole.expected,
        part_by_part=PartByPart(parts.load, parts.expected),
    )
    use(residency, "small")
    with pytest.raises(OutOfMemory), residency.lease(function("big")):
        pass
    with residency.lease(function("big"), in_parts=True) as lease:
        assert lease.load_bytes == 15
        assert residency.held_bytes == 15, "small had to leave"
    with residency.lease(function("big"), in_parts=True) as again:
        assert again.load_seconds == 0.0
    whole.weights["big"] = {"big": 35}
    with residency.lease(function("big")) as lease:
        assert lease.pipeline.weights == {"big": 35}
    assert (whole.open_names(), parts.open_names()) == (["big"], [])


def test_a_damaged_model_does_not_stop_the_others_from_being_considered() -> None:
    def expected(wanted: GenerationFunction) -> Weights:
        if wanted.model.name == "broken":
            raise WeightsError("damaged")
        return {wanted.model.name: 10}

    residency = Residency(100, FakeDevice(a=10).load, expected)
    assert residency.fits(function("broken")) is None
    assert residency.fits(function("a")) is True
    with pytest.raises(WeightsError):
        use(residency, "broken")


def test_closing_closes_each_pipeline_once() -> None:
    device = FakeDevice(a=10, b=10)
    residency = device.residency(100)
    use(residency, "a", "b")
    residency.close()
    residency.close()
    assert [pipeline.closed for _, pipeline in device.loaded] == [1, 1]


def test_what_two_models_share_is_counted_and_loaded_once() -> None:
    device = FakeDevice(base={"towers": 40, "unet": 50}, lightning={"towers": 40, "fast": 50})
    residency = device.residency(140)
    with residency.lease(function("base")) as first, residency.lease(function("lightning")) as next:
        assert (first.load_bytes, next.load_bytes) == (90, 50)
        assert residency.held_bytes == 140
    residency.free("base")
    assert residency.held_bytes == 90, "the towers stay for those who hold them too"


def test_what_the_newcomer_shares_with_one_that_leaves_is_held_meanwhile() -> None:
    device = FakeDevice(base={"towers": 40, "unet": 50}, lightning={"towers": 40, "fast": 50})
    events: list[str] = []

    class Held:
        def __init__(self, keys: Iterable[str]) -> None:
            events.append(f"hold {' '.join(sorted(keys))}")

        def __del__(self) -> None:
            events.append("let go")

    def load(wanted: GenerationFunction) -> FakePipeline:
        events.append(f"load {wanted.model.name} beside {' '.join(device.open_names())}".strip())
        return device.load(wanted)

    residency = Residency(100, load, device.expected, hold=Held)
    use(residency, "base")
    events.clear()
    with residency.lease(function("lightning")) as lease:
        assert lease.load_bytes == 50
    assert events == ["hold fast towers", "load lightning beside", "let go"]


SIZES: dict[str, int | Weights] = {
    "a": {"text": 10, "a": 5},
    "b": {"text": 10, "b": 20},
    "c": 45,
    "d": {"text": 10, "decoder": 15, "d": 35},
    "e": {"decoder": 15, "e": 75},
}


class ResidencyMachine(RuleBasedStateMachine):
    """Leases, frees and failures in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.device = FakeDevice(**SIZES)
        self.residency = self.device.residency(100)
        self.leases: list[tuple[str, ExitStack, FakePipeline]] = []

    @rule(model=st.sampled_from(sorted(SIZES)), fails=st.booleans())
    def lease(self, model: str, fails: bool) -> None:
        self.device.failures = [WeightsError("damaged")] if fails else []
        stack = ExitStack()
        try:
            lease = stack.enter_context(self.residency.lease(function(model)))
        except (OutOfMemory, WeightsError):
            return
        assert isinstance(lease.pipeline, FakePipeline)
        self.leases.append((model, stack, lease.pipeline))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def end_a_lease(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.leases) - 1))
        self.leases.pop(index)[1].close()

    @rule(model=st.sampled_from(sorted(SIZES)))
    def free(self, model: str) -> None:
        self.residency.free(model)

    @invariant()
    def nothing_is_over_budget_or_miscounted(self) -> None:
        on_device: dict[str, int] = {}
        for _, pipeline in self.device.loaded:
            if not pipeline.closed:
                on_device |= pipeline.weights
        assert sum(on_device.values()) == self.residency.held_bytes <= 100

    @invariant()
    def nothing_in_use_is_closed_and_nothing_is_closed_twice(self) -> None:
        assert not any(pipeline.closed for _, _, pipeline in self.leases)
        assert all(pipeline.closed <= 1 for _, pipeline in self.device.loaded)


ResidencyMachine.TestCase.settings = settings(max_examples=60, deadline=None)
TestResidencyMachine = ResidencyMachine.TestCase


def test_memory_is_given_back_when_a_load_is_over_or_a_model_makes_way_for_no_other() -> None:
    device, told = FakeDevice(a=600, b=600), list[str]()

    def load(asked: GenerationFunction) -> FakePipeline:
        told.append(f"load {asked.model.name}")
        return device.load(asked)

    residency = Residency(1000, load, device.expected, reclaim=lambda: told.append("back"))
    for name in ("a", "b"):
        with residency.lease(function(name)):
            pass
    assert told == ["load a", "back", "load b", "back"], "the one that comes uses what is left"
    told.clear()
    assert residency.free("b")
    assert told == ["back"]
    with residency.lease(function("a")):
        residency.free("a")
        told.clear()
    assert told == ["back"], "at the end of its use"
