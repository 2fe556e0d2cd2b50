"""Drawing with a real (tiny) diffusers pipeline: pictures, progress, stopping, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cems_tui.cancel import never
from cems_tui.errors import GenerationError, Interrupted, OutOfMemory, UsageError
from cems_tui.generation.families.registry import EngineSettings, expected_bytes, load
from cems_tui.generation.pipeline import Job
from tests.generation.tiny_pipelines import SIDE, function, ignore, job, save_stable_diffusion


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stable_diffusion(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> Iterator[Any]:
    pipeline = load(function(folder), EngineSettings(device="cpu"))
    yield pipeline
    pipeline.close()


def draw(pipeline: Any, **changes: Any) -> bytes:
    return bytes(pipeline.generate(job(**changes), ignore, never).image.tobytes())


def bare_pipe(folder: Path) -> Any:
    import torch
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(
        folder, dtype=torch.float32, safety_checker=None, requires_safety_checker=False
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize("guidance", [0.0, 3.0])
@pytest.mark.parametrize("scheduler", [None, "EulerAncestralDiscreteScheduler"])
def test_the_picture_is_bit_equal_to_that_of_bare_diffusers(
    pipeline: Any, folder: Path, guidance: float, scheduler: str | None
) -> None:
    import diffusers
    import torch

    pipe = bare_pipe(folder)
    if scheduler:
        pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config)
    expected = pipe(
        "the blue dog",
        num_inference_steps=4,
        guidance_scale=guidance,
        generator=torch.Generator("cpu").manual_seed(11),
    ).images[0]
    picture = pipeline.generate(
        job(prompt="the blue dog", seed=11, guidance=guidance, scheduler=scheduler), ignore, never
    )
    assert picture.image.tobytes() == expected.tobytes()
    assert picture.sampler == type(pipe.scheduler).__name__


def test_the_same_seed_draws_the_same_picture_and_another_seed_another(pipeline: Any) -> None:
    assert draw(pipeline, seed=1) == draw(pipeline, seed=1)
    assert draw(pipeline, seed=1) != draw(pipeline, seed=2)


def test_prompt_and_negative_prompt_both_matter(pipeline: Any) -> None:
    assert draw(pipeline) != draw(pipeline, prompt="the blue moon")
    assert draw(pipeline) != draw(pipeline, negative="dog")


def test_a_scheduler_of_one_job_does_not_stay_for_the_next(pipeline: Any) -> None:
    before = draw(pipeline)
    assert draw(pipeline, scheduler="EulerAncestralDiscreteScheduler") != before
    assert draw(pipeline) == before


def test_a_scheduler_may_come_with_settings_of_its_own(pipeline: Any) -> None:
    leading, trailing = (
        f"EulerDiscreteScheduler(timestep_spacing={spacing}, use_karras_sigmas=False)"
        for spacing in ("leading", "trailing")
    )
    assert draw(pipeline, scheduler=trailing) != draw(pipeline, scheduler=leading)
    # The tiny model's own configuration is trailing already.
    assert draw(pipeline, scheduler=trailing) == draw(pipeline, scheduler="EulerDiscreteScheduler")


def test_every_step_is_reported_once_and_in_order(pipeline: Any) -> None:
    steps: list[tuple[int, int]] = []
    pipeline.generate(job(steps=5), lambda *step: steps.append(step), never)
    assert steps == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_each_phase_is_timed_and_together_they_fill_the_call(pipeline: Any) -> None:
    from time import perf_counter

    shares = []
    for _ in range(5):  # another process may have the core between two phases
        started = perf_counter()
        picture = pipeline.generate(job(), ignore, never)
        total = perf_counter() - started
        assert min(picture.encode_seconds, picture.denoise_seconds, picture.decode_seconds) > 0
        shares.append(picture.seconds / total)
    assert 0.5 < max(shares) <= 1


def test_memory_on_top_of_the_weights_is_measured_or_unknown_but_never_negative(
    pipeline: Any,
) -> None:
    first = pipeline.generate(job(width=64, height=64), ignore, never).extra_bytes
    second = pipeline.generate(job(width=64, height=64), ignore, never).extra_bytes
    assert (first is None) == (second is None)
    if first is not None:
        assert 0 <= first <= second


def test_the_weights_held_are_those_of_the_files(pipeline: Any, folder: Path) -> None:
    counted = expected_bytes(function(folder), EngineSettings(device="cpu"))
    assert pipeline.weight_bytes == pytest.approx(counted, rel=0.01)
    assert pipeline.weight_bytes > 100_000


def stop_at(calls: int) -> Callable[[], bool]:
    """A stop that says yes at its nth question."""
    asked = iter(range(1, 100))
    return lambda: next(asked) >= calls


@pytest.mark.parametrize(
    ("question", "steps_done"),
    [(1, 0), (2, 0), (3, 1), (4, 2), (5, 3), (6, 4)],
    ids=["before encoding", "after encoding", "step 1", "step 2", "step 3", "before decoding"],
)
def test_a_stop_is_noticed_in_every_phase_and_the_pipeline_goes_on_working(
    pipeline: Any, question: int, steps_done: int
) -> None:
    expected = draw(pipeline)
    steps: list[int] = []
    with pytest.raises(Interrupted):
        pipeline.generate(job(), lambda step, _: steps.append(step), stop_at(question))
    assert len(steps) == steps_done
    assert draw(pipeline) == expected


def test_a_stop_in_the_last_step_leaves_out_the_decoding(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Any] = []
    monkeypatch.setattr(pipeline, "_decoded", decoded.append)
    with pytest.raises(Interrupted):
        pipeline.generate(job(), ignore, stop_at(6))
    assert decoded == []


def test_what_the_callers_own_callback_raises_comes_through_unchanged(pipeline: Any) -> None:
    class Disconnected(Exception):
        pass

    def break_off(step: int, steps: int) -> None:
        raise Disconnected

    with pytest.raises(Disconnected):
        pipeline.generate(job(), break_off, never)
    assert draw(pipeline) == draw(pipeline)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"width": 20}, "multiples of 8"),
        ({"height": 0}, "multiples of 8"),
        ({"steps": 0}, "1 or more"),
        ({"seed": -1}, "2**64"),
        ({"scheduler": "Karras"}, "EulerDiscreteScheduler"),
        ({"scheduler": "UNet2DConditionModel"}, "EulerDiscreteScheduler"),
        ({"scheduler": "EulerDiscreteScheduler(sharpness=3)"}, "timestep_spacing"),
        ({"scheduler": "EulerDiscreteScheduler(beta_schedule=steep)"}, "timestep_spacing"),
        ({"scheduler": "EulerDiscreteScheduler(trailing"}, "timestep_spacing"),
    ],
)
def test_a_job_that_cannot_be_followed_is_a_usage_error_with_a_way_out(
    pipeline: Any, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        pipeline.generate(job(**changes), ignore, never)
    assert caught.value.exit_code == 2
    assert says in f"{caught.value} {caught.value.hint}"


def failing_unet(pipeline: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error

    monkeypatch.setattr(pipeline._pipe.unet, "forward", fail)


def test_a_failure_inside_the_library_is_short_and_names_the_model(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_unet(pipeline, monkeypatch, ValueError("tensor([" + "0.1234, " * 5000))
    with pytest.raises(GenerationError, match="tiny failed: ValueError: tensor") as caught:
        pipeline.generate(job(), ignore, never)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_running_out_of_memory_is_said_as_that(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    import torch

    errors = {
        "cpu": RuntimeError(
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"
        ),
        "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    }
    failing_unet(pipeline, monkeypatch, errors[device])
    with pytest.raises(OutOfMemory) as caught:
        pipeline.generate(job(), ignore, never)
    assert caught.value.exit_code == 5
    assert caught.value.__cause__ is None


def test_a_size_beyond_all_memory_is_refused_before_the_kernel_kills_us(pipeline: Any) -> None:
    with pytest.raises(OutOfMemory, match=r"800000x800000 needs more than .* GB"):
        pipeline.generate(job(width=800_000, height=800_000), ignore, never)


def test_two_threads_may_ask_one_pipeline(pipeline: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def one(seed: int) -> bytes:
        return draw(pipeline, seed=seed, steps=8, scheduler="EulerDiscreteScheduler")

    alone = [one(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(one, range(4))) == alone


def test_the_largest_seed_draws(pipeline: Any) -> None:
    assert draw(pipeline, seed=2**64 - 1) != draw(pipeline, seed=0)


def test_numbers_that_are_no_picture_are_an_error_and_not_a_black_picture(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = pipeline._pipe.unet.forward

    def broken(*args: Any, **kwargs: Any) -> Any:
        return tuple(part * float("nan") for part in forward(*args, **kwargs))

    monkeypatch.setattr(pipeline._pipe.unet, "forward", broken)
    with pytest.raises(GenerationError, match="no picture"):
        pipeline.generate(job(), ignore, never)


def test_a_job_takes_its_settings_from_the_function(folder: Path) -> None:
    made = Job.of(function(folder), "a cat", 3, width=32)
    assert made == Job("a cat", 3, steps=4, guidance=3.0, width=32, height=SIDE)


def test_nothing_is_written_to_the_terminal(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pipeline = load(function(folder), EngineSettings(device="cpu"))
    pipeline.generate(job(), ignore, never)
    pipeline.close()
    pipeline.close()
    assert capfd.readouterr() == ("", "")
