"""The other families draw as bare diffusers draws, and are refused when something is missing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from cems_tui.catalog import builtin
from cems_tui.errors import Interrupted, WeightsError
from cems_tui.generation.families import FAMILIES, EngineSettings, expected_bytes, load, warm_up
from cems_tui.generation.pipeline import never
from tests.tiny_pipelines import function, ignore, job, save_stable_diffusion_xl, tokenizer

CPU = EngineSettings(device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stable_diffusion_xl(tmp_path_factory.mktemp("xl"))


def xl(folder: Path) -> Any:
    return function(folder, family="stable-diffusion-xl")


@pytest.mark.parametrize("guidance", [0.0, 3.0])
def test_sdxl_draws_what_bare_diffusers_draws(folder: Path, guidance: float) -> None:
    import torch
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(folder, dtype=torch.float32, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    expected = pipe(
        "a blue moon",
        height=16,
        width=16,
        num_inference_steps=4,
        guidance_scale=guidance,
        generator=torch.Generator("cpu").manual_seed(5),
    ).images[0]
    warm_up(xl(folder))
    pipeline = load(xl(folder), CPU)
    drawn = pipeline.generate(job(prompt="a blue moon", seed=5, guidance=guidance), ignore, never)
    assert drawn.image.tobytes() == expected.tobytes()
    assert min(drawn.encode_seconds, drawn.denoise_seconds, drawn.decode_seconds) > 0
    assert pipeline.weight_bytes == pytest.approx(expected_bytes(xl(folder), CPU), rel=0.01)


def test_sdxl_stops_after_the_step_in_which_it_was_told_to(folder: Path) -> None:
    pipeline = load(xl(folder), CPU)
    steps: list[int] = []
    with pytest.raises(Interrupted):
        pipeline.generate(job(), lambda step, _: steps.append(step), lambda: len(steps) == 2)
    assert steps == [1, 2]


def test_a_second_tokenizer_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    shutil.rmtree(copy / "tokenizer_2")
    tokenizer(("<pad>", "<unk>", "<bos>", "<eos>")).save_pretrained(copy / "tokenizer_2")
    with pytest.raises(WeightsError, match="tokenizer_2 is damaged"):
        load(xl(copy), CPU)


def test_a_folder_of_another_family_is_refused_before_anything_is_imported(folder: Path) -> None:
    with pytest.raises(WeightsError, match="StableDiffusionXLPipeline"):
        warm_up(function(folder, family="stable-diffusion"))


def test_every_family_of_the_catalogs_pack_can_be_run() -> None:
    families = {f.model.family for f in builtin().values() if f.model.name.startswith("starter-")}
    assert families <= set(FAMILIES)
