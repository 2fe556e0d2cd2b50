"""The other families draw as bare diffusers draws, and are refused when something is missing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cems_tui.catalog import builtin
from cems_tui.errors import Interrupted, UsageError, WeightsError
from cems_tui.generation.families import FAMILIES, EngineSettings, expected_bytes, load, warm_up
from cems_tui.generation.function import GenerationFunction
from cems_tui.generation.pipeline import Job, OnStep, Stop, never
from tests.tiny_pipelines import (
    function,
    ignore,
    save_amused,
    save_stable_diffusion_xl,
    tokenizer,
)

CPU = EngineSettings(device="cpu")


SAVED = {
    "stable-diffusion-xl": (save_stable_diffusion_xl, 16),
    "amused": (save_amused, 32),
}
"""How a family's tiny model is saved, and the pixels of its pictures' side."""


@pytest.fixture(scope="module", params=sorted(SAVED))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def tiny(family: str, tmp_path_factory: pytest.TempPathFactory) -> GenerationFunction:
    save, side = SAVED[family]
    folder = save(tmp_path_factory.mktemp("tiny"))
    return function(folder, family=family, width=side, height=side)


@pytest.fixture(scope="module")
def xl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stable_diffusion_xl(tmp_path_factory.mktemp("xl"))


@pytest.mark.parametrize("guidance", [0.0, 3.0])
def test_every_family_draws_what_bare_diffusers_draws(
    tiny: GenerationFunction, guidance: float
) -> None:
    import torch
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(tiny.model.path, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    expected = pipe(
        "a blue moon",
        height=tiny.height,
        width=tiny.width,
        num_inference_steps=4,
        guidance_scale=guidance,
        generator=torch.Generator("cpu").manual_seed(5),
    ).images[0]
    warm_up(tiny)
    pipeline = load(tiny, CPU)
    drawn = pipeline.generate(
        replace(Job.of(tiny, "a blue moon", 5), guidance=guidance), ignore, never
    )
    assert drawn.image.tobytes() == expected.tobytes()
    assert min(drawn.encode_seconds, drawn.denoise_seconds, drawn.decode_seconds) > 0
    assert pipeline.weight_bytes == pytest.approx(expected_bytes(tiny, CPU), rel=0.01)


def test_every_family_stops_after_the_step_in_which_it_was_told_to_and_draws_on(
    tiny: GenerationFunction,
) -> None:
    pipeline = load(tiny, CPU)
    job = Job.of(tiny, "a cat", 1)
    before = pipeline.generate(job, ignore, never).image.tobytes()
    for told in (1, 2, 4):
        steps: list[int] = []
        with pytest.raises(Interrupted):
            pipeline.generate(job, collect(steps), reached(steps, told))
        assert steps == list(range(1, told + 1))
    assert pipeline.generate(job, ignore, never).image.tobytes() == before


def collect(steps: list[int]) -> OnStep:
    """An `on_step` that notes the steps."""
    return lambda step, _: steps.append(step)


def reached(steps: list[int], told: int) -> Stop:
    """A `stop` that says yes once so many steps are noted."""
    return lambda: len(steps) == told


@pytest.mark.parametrize("change", [{"scheduler": "DDIMScheduler"}, {"width": 48}])
def test_amused_refuses_what_only_others_can_do(tmp_path: Path, change: dict[str, Any]) -> None:
    tiny = function(save_amused(tmp_path), family="amused", width=32, height=32)
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
