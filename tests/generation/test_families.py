"""The other families draw as bare diffusers draws, and are refused when something is missing."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cems_tui.cancel import Stop, never
from cems_tui.catalog.catalog import builtin
from cems_tui.domain.function import GenerationFunction
from cems_tui.errors import Interrupted, UsageError, WeightsError
from cems_tui.generation.families.registry import (
    FAMILIES,
    EngineSettings,
    expected_bytes,
    expected_weights,
    load,
    warm_up,
)
from cems_tui.generation.pipeline import Job, OnStep, Pipeline
from tests.generation.tiny_families import tiny_function
from tests.generation.tiny_pipelines import function, ignore, tokenizer

CPU = EngineSettings(device="cpu")


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def tiny(family: str, tiny_folder: Callable[[str], Path]) -> GenerationFunction:
    return tiny_function(family, tiny_folder(family))


@pytest.fixture(scope="module")
def pipeline(tiny: GenerationFunction) -> Iterator[Pipeline]:
    pipeline = load(tiny, CPU)
    yield pipeline
    pipeline.close()


@pytest.fixture(scope="module")
def xl_folder(tiny_folder: Callable[[str], Path]) -> Path:
    return tiny_folder("stable-diffusion-xl")


def bare(function: GenerationFunction) -> Any:
    """The pipeline as diffusers alone loads it, with what diffusers alone would be asked."""
    import torch
    from diffusers import DiffusionPipeline

    layout = FAMILIES[function.model.family]
    dtype = torch.bfloat16 if layout.precision == "bfloat16" else torch.float32
    pipe = DiffusionPipeline.from_pretrained(function.model.path, dtype=dtype)
    pipe.set_progress_bar_config(disable=True)
    return partial(pipe, **layout.anatomy.arguments)


def test_every_family_draws_what_bare_diffusers_draws(
    tiny: GenerationFunction, pipeline: Pipeline
) -> None:
    import torch

    job = Job.of(tiny, "a blue moon", 5)
    drawn = pipeline.generate(job, ignore, never)
    expected = bare(tiny)(
        prompt=job.prompt,
        height=job.height,
        width=job.width,
        num_inference_steps=4,
        guidance_scale=job.guidance,
        generator=torch.Generator("cpu").manual_seed(5),
    ).images[0]
    assert drawn.image.tobytes() == expected.tobytes()
    assert min(drawn.encode_seconds, drawn.denoise_seconds, drawn.decode_seconds) > 0


def test_every_family_knows_what_its_weights_will_hold(
    tiny: GenerationFunction, pipeline: Pipeline
) -> None:
    assert pipeline.weight_bytes == pytest.approx(expected_bytes(tiny, CPU), rel=0.01)
    assert len(pipeline.weights) == len(FAMILIES[tiny.model.family].networks)


def test_every_family_draws_by_prompt_and_seed_alone(
    tiny: GenerationFunction, pipeline: Pipeline
) -> None:
    import torch

    def drawn(prompt: str, seed: int) -> bytes:
        return pipeline.generate(Job.of(tiny, prompt, seed), ignore, never).image.tobytes()

    first = drawn("a red cat", 7)
    assert drawn("the blue dog", 7) != first
    assert drawn("a red cat", 8) != first
    torch.manual_seed(123)
    assert drawn("a red cat", 7) == first


def test_every_family_stops_after_the_step_in_which_it_was_told_to_and_draws_on(
    tiny: GenerationFunction, pipeline: Pipeline
) -> None:
    job = Job.of(tiny, "a cat", 1)
    before = pipeline.generate(job, ignore, never).image.tobytes()
    for told in (1, 2, 4):
        steps: list[int] = []
        with pytest.raises(Interrupted):
            pipeline.generate(job, collect(steps), reached(steps, told))
        assert steps == list(range(1, told + 1))
    assert pipeline.generate(job, ignore, never).image.tobytes() == before


def test_every_family_draws_part_by_part_what_it_draws_whole(
    tiny: GenerationFunction, pipeline: Pipeline
) -> None:
    from diffusers.hooks.group_offloading import _is_group_offload_enabled

    in_parts = replace(CPU, in_parts=True)
    parts = load(tiny, in_parts)
    draw = Job.of(tiny, "a red car", 7)
    layout, pipe = FAMILIES[tiny.model.family], parts._pipe  # type: ignore[attr-defined]
    networks = {name: pipe.components[name] for name in layout.networks}
    offloaded = {name for name, one in networks.items() if _is_group_offload_enabled(one)}
    assert offloaded == set(layout.networks) - {layout.anatomy.decoder}
    gone = weakref.ref(networks[min(offloaded)])
    del pipe, networks
    whole, made = (one.generate(draw, ignore, never) for one in (pipeline, parts))
    assert made.image.tobytes() == whole.image.tobytes()
    assert made.precision == f"{whole.precision}, part by part"
    assert dict(parts.weights) == expected_weights(tiny, in_parts)
    assert parts.weight_bytes < pipeline.weight_bytes
    parts.close()
    assert gone() is None


def test_every_family_leaves_memory_when_it_is_closed(tiny: GenerationFunction) -> None:
    pipeline = load(tiny, CPU)
    pipeline.generate(Job.of(tiny, "a cat", 1), ignore, never)
    pipe = pipeline._pipe  # type: ignore[attr-defined]
    networks = [weakref.ref(pipe.components[n]) for n in FAMILIES[tiny.model.family].networks]
    del pipe
    assert all(network() is not None for network in networks)
    pipeline.close()
    assert all(network() is None for network in networks)


def collect(steps: list[int]) -> OnStep:
    """An `on_step` that notes the steps."""
    return lambda step, _: steps.append(step)


def reached(steps: list[int], told: int) -> Stop:
    """A `stop` that says yes once so many steps are noted."""
    return lambda: len(steps) == told


@pytest.mark.parametrize("change", [{"scheduler": "DDIMScheduler"}, {"width": 48}])
def test_amused_refuses_what_only_others_can_do(
    tiny_folder: Callable[[str], Path], change: dict[str, Any]
) -> None:
    tiny = tiny_function("amused", tiny_folder("amused"))
    with pytest.raises(UsageError):
        load(tiny, CPU).generate(replace(Job.of(tiny, "a cat", 1), **change), ignore, never)


def test_a_second_tokenizer_of_another_model_is_refused(xl_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(xl_folder, tmp_path / "copy"))
    shutil.rmtree(copy / "tokenizer_2")
    tokenizer(("<pad>", "<unk>", "<bos>", "<eos>")).save_pretrained(copy / "tokenizer_2")
    with pytest.raises(WeightsError, match="tokenizer_2 is damaged"):
        load(function(copy, family="stable-diffusion-xl"), CPU)


def test_a_folder_of_another_family_is_refused_before_anything_is_imported(xl_folder: Path) -> None:
    with pytest.raises(WeightsError, match="StableDiffusionXLPipeline"):
        warm_up(function(xl_folder, family="stable-diffusion"))


def test_every_family_of_the_catalog_can_be_run() -> None:
    assert {function.model.family for function in builtin().values()} <= set(FAMILIES)
