"""What is odd about each family in the libraries, and what a user gets instead."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cems_tui.cancel import never
from cems_tui.errors import GenerationError, OutOfMemory, UsageError, WeightsError
from cems_tui.generation.families.registry import EngineSettings, load
from cems_tui.generation.pipeline import Job, Picture, Pipeline
from tests.generation.tiny_families import save_flux, save_flux_2_klein, tiny_function
from tests.generation.tiny_pipelines import CONTEXT, ignore, save_stable_diffusion_xl, tokenizer

Folder = Callable[[str], Path]


def opened(
    family: str, folder: Path, precision: Any = None, **settings: Any
) -> tuple[Any, Callable[..., Picture]]:
    """A loaded pipeline, and how to draw with it: a prompt, and changes of the job."""
    function = tiny_function(family, folder, **settings)
    pipeline: Pipeline = load(function, EngineSettings(device="cpu", precision=precision))

    def draw(prompt: str = "a red cat", *, on_step: Any = ignore, **changes: Any) -> Picture:
        job = replace(Job.of(function, prompt, 3), **changes)
        return pipeline.generate(job, on_step, never)

    return pipeline, draw


def pixels(picture: Picture) -> bytes:
    return bytes(picture.image.tobytes())


# Guidance and negative prompts


@pytest.mark.parametrize("family", ["latent-consistency", "flux", "flux-2-klein"])
def test_a_negative_prompt_is_refused_where_nothing_would_heed_it(
    tiny_folder: Folder, family: str
) -> None:
    _, draw = opened(family, tiny_folder(family))
    with pytest.raises(UsageError, match="cannot follow a negative prompt"):
        draw(negative="dog")


@pytest.mark.parametrize(
    "family", ["stable-diffusion", "amused", "pixart-sigma", "sana", "stable-diffusion-3"]
)
def test_a_negative_prompt_is_heeded_with_guidance_and_refused_without(
    tiny_folder: Folder, family: str
) -> None:
    _, draw = opened(family, tiny_folder(family))
    assert pixels(draw(negative="dog")) != pixels(draw())
    with pytest.raises(UsageError, match="without guidance") as caught:
        draw(negative="dog", guidance=1.0)
    assert "--negative" in caught.value.hint


@pytest.mark.parametrize("family", ["flux", "flux-2-klein"])
def test_guidance_is_refused_where_it_was_distilled_away(tiny_folder: Folder, family: str) -> None:
    _, draw = opened(family, tiny_folder(family))
    with pytest.raises(UsageError, match=r"no use for guidance 3\.5"):
        draw(guidance=3.5)
    assert pixels(draw(guidance=1.0)) == pixels(draw(guidance=0.0))


def test_guidance_is_heeded_by_the_undistilled_of_the_same_families(tmp_path: Path) -> None:
    for family, folder in {
        "flux": save_flux(tmp_path / "dev", guided=True),
        "flux-2-klein": save_flux_2_klein(tmp_path / "klein", distilled=False),
    }.items():
        _, draw = opened(family, folder)
        assert pixels(draw(guidance=8.0)) != pixels(draw(guidance=2.0))


@pytest.mark.parametrize("family", ["stable-diffusion", "z-image", "sana"])
def test_a_guidance_of_one_is_none(tiny_folder: Folder, family: str) -> None:
    _, draw = opened(family, tiny_folder(family))
    assert pixels(draw(guidance=1.0)) == pixels(draw(guidance=0.0))
    assert pixels(draw(guidance=2.0)) != pixels(draw(guidance=0.0))


def test_a_consistency_model_takes_its_guidance_as_an_input(tiny_folder: Folder) -> None:
    _, draw = opened("latent-consistency", tiny_folder("latent-consistency"))
    assert pixels(draw(guidance=8.0)) != pixels(draw(guidance=1.0))


# Sizes


@pytest.mark.parametrize(
    ("family", "side"), [("flux", 24), ("flux-2-klein", 24), ("pixart-sigma", 24), ("sana", 48)]
)
def test_a_size_that_would_be_rounded_silently_is_refused(
    tiny_folder: Folder, family: str, side: int
) -> None:
    pipeline, draw = opened(family, tiny_folder(family))
    with pytest.raises(UsageError, match=f"{side}x32") as caught:
        draw(width=side)
    assert f"multiples of {pipeline.size_multiple}" in str(caught.value)


@pytest.mark.parametrize(("family", "longest"), [("stable-diffusion-3", 128), ("z-image", 512)])
def test_a_side_beyond_the_models_positions_is_refused(
    tiny_folder: Folder, family: str, longest: int
) -> None:
    pipeline, draw = opened(family, tiny_folder(family))
    with pytest.raises(UsageError) as caught:
        draw(height=longest + pipeline.size_multiple)
    assert f"longest side is {longest}" in str(caught.value)


@pytest.mark.parametrize("family", ["pixart-sigma", "sana", "flux", "stable-diffusion-xl"])
def test_a_picture_has_the_size_that_was_asked_for(tiny_folder: Folder, family: str) -> None:
    """PixArt and SANA would draw in a size they were trained in, and crop it."""
    _, draw = opened(family, tiny_folder(family))
    assert draw(width=64, height=32).image.size == (64, 32)


# Prompts


@pytest.mark.parametrize(
    ("family", "tokens"),
    [
        ("stable-diffusion", CONTEXT),
        ("amused", CONTEXT),
        ("stable-diffusion-3", 256),
        ("flux", 256),
        ("pixart-sigma", 300),
        ("z-image", 512),
    ],
)
def test_what_is_not_read_of_a_long_prompt_is_said(
    tiny_folder: Folder, family: str, tokens: int
) -> None:
    _, draw = opened(family, tiny_folder(family), steps=1)
    assert draw("a cat").notes == ()
    # Two tokens mark the ends; a chat template adds words of its own, and marks them again.
    longest = tokens - (2 if family != "z-image" else 6)
    assert draw(" ".join(["cat"] * longest)).notes == ()
    (note,) = draw(" ".join(["cat"] * longest + ["red", "moon"])).notes
    assert note.kind == "cut_prompt"
    assert f"{tokens} tokens" in note.text
    assert "“red moon”" in note.text


def test_pixart_reads_the_prompt_alike_whatever_else_is_installed(
    tiny_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With beautifulsoup4 diffusers would clean the prompt, and log at every call without."""
    from diffusers.pipelines.pixart_alpha import pipeline_pixart_sigma as module

    pipeline, draw = opened("pixart-sigma", tiny_folder("pixart-sigma"), steps=1)
    before = pixels(draw("a red cat"))
    monkeypatch.setattr(module, "is_bs4_available", lambda: True)
    monkeypatch.setattr(type(pipeline._pipe), "_clean_caption", lambda self, text: "the moon")
    assert pixels(draw("a red cat")) == before


# Steps, callbacks and phases


@pytest.mark.parametrize("family", ["pixart-sigma", "stable-diffusion"])
def test_a_scheduler_of_second_order_reports_to_the_last_step(
    tiny_folder: Folder, family: str
) -> None:
    steps: list[tuple[int, int]] = []
    _, draw = opened(family, tiny_folder(family))
    picture = draw(scheduler="HeunDiscreteScheduler", on_step=lambda *step: steps.append(step))
    total = steps[-1][1]
    assert steps == [(done, total) for done in range(1, total + 1)]
    assert picture.decode_seconds > 0


@pytest.mark.parametrize("family", ["flux", "stable-diffusion-3", "latent-consistency", "z-image"])
def test_a_scheduler_of_another_kind_of_model_is_refused(tiny_folder: Folder, family: str) -> None:
    _, draw = opened(family, tiny_folder(family))
    with pytest.raises(UsageError, match="cannot draw with the scheduler DDIMScheduler"):
        draw(scheduler="DDIMScheduler")


def test_a_decoder_without_memory_is_said_as_that_where_diffusers_goes_on(
    tiny_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    pipeline, draw = opened("sana", tiny_folder("sana"))

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(pipeline._pipe.vae.decoder, "forward", fail)
        with pytest.raises(OutOfMemory):
            draw()
    assert draw().image.size == (32, 32)


def test_sdxl_with_blocks_left_out_is_sdxl(tmp_path: Path) -> None:
    """SSD-1B and Vega: other numbers of layers going down and up, none in the middle."""
    folder = save_stable_diffusion_xl(
        tmp_path,
        block_out_channels=(32, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        mid_block_type="UNetMidBlock2D",
        transformer_layers_per_block=(1, (2,)),
        reverse_transformer_layers_per_block=((2, 3), 1),
    )
    pipeline, draw = opened("stable-diffusion-xl", folder)
    up = pipeline._pipe.unet.up_blocks[0].attentions
    assert [len(attention.transformer_blocks) for attention in up] == [2, 3]
    assert draw().image.size == (16, 16)


# Precision


@pytest.fixture(scope="module")
def upcasting(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Folder) -> dict[str, Path]:
    """Models in float16 whose decoders overflow in it, and say so."""
    return {
        "stable-diffusion-xl": save_stable_diffusion_xl(
            tmp_path_factory.mktemp("xl"), overflowing_decoder=True
        ),
        "amused": tiny_folder("amused"),
    }


@pytest.mark.parametrize(
    ("family", "decoder"), [("stable-diffusion-xl", "vae"), ("amused", "vqvae")]
)
def test_a_decoder_that_overflows_draws_in_float32_and_is_float16_again(
    upcasting: dict[str, Path], family: str, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    pipeline, draw = opened(family, upcasting[family], precision="float16")
    network = getattr(pipeline._pipe, decoder)
    network.register_to_config(force_upcast=True)
    seen: list[Any] = []
    network.decoder.register_forward_pre_hook(lambda module, _: seen.append(network.dtype))
    before = pixels(draw())
    assert seen == [torch.float32]
    assert network.dtype == torch.float16
    with monkeypatch.context() as patch:
        patch.setattr(
            network.decoder, "forward", lambda *a, **k: torch.full((1, 3, 8, 8), torch.nan)
        )
        with pytest.raises(GenerationError, match="NaN"):
            draw()
    assert network.dtype == torch.float16, "diffusers leaves it in float32"
    assert pixels(draw()) == before


@pytest.mark.parametrize("family", ["stable-diffusion", "flux", "sana"])
def test_weights_are_loaded_as_the_precision_says(tiny_folder: Folder, family: str) -> None:
    import torch

    small, _ = opened(family, tiny_folder(family), precision="float16")
    whole, _ = opened(family, tiny_folder(family), precision="float32")
    assert small.weight_bytes == pytest.approx(whole.weight_bytes / 2, rel=0.05)
    denoiser = getattr(small._pipe, "unet", None) or small._pipe.transformer
    assert {weight.dtype for weight in denoiser.parameters()} == {torch.float16}


def test_the_large_families_are_bfloat16_on_a_cpu_too(tiny_folder: Folder) -> None:
    import torch

    pipeline, _ = opened("z-image", tiny_folder("z-image"))
    assert pipeline._pipe.transformer.dtype == torch.bfloat16


# Text encoders


def test_layers_of_the_text_encoder_can_be_left_out(tiny_folder: Folder) -> None:
    """diffusers alone fails: it looks for an attribute that transformers has removed."""
    import torch
    from transformers import CLIPTextModel

    pipeline, draw = opened("stable-diffusion", tiny_folder("stable-diffusion"), guidance=0.0)
    assert pixels(draw(clip_skip=0)) == pixels(draw())
    skipped = pixels(draw(clip_skip=1))
    assert not hasattr(CLIPTextModel, "text_model"), "diffusers takes it for an old transformers"

    pipe = pipeline._pipe
    ids = pipe.tokenizer("a red cat", padding="max_length", return_tensors="pt").input_ids
    states = pipe.text_encoder(ids, output_hidden_states=True).hidden_states
    expected = pipe(
        prompt_embeds=pipe.text_encoder.final_layer_norm(states[-2]),
        height=16,
        width=16,
        num_inference_steps=4,
        guidance_scale=0.0,
        generator=torch.Generator("cpu").manual_seed(3),
    ).images[0]
    assert skipped == expected.tobytes()


@pytest.mark.parametrize("family", ["stable-diffusion-xl", "stable-diffusion-3"])
def test_they_can_be_left_out_elsewhere_too(tiny_folder: Folder, family: str) -> None:
    _, draw = opened(family, tiny_folder(family))
    assert pixels(draw(clip_skip=1)) != pixels(draw())


@pytest.mark.parametrize(("family", "layers"), [("stable-diffusion", 2), ("pixart-sigma", 1)])
def test_more_layers_than_there_are_cannot_be_left_out(
    tiny_folder: Folder, family: str, layers: int
) -> None:
    _, draw = opened(family, tiny_folder(family))
    with pytest.raises(UsageError, match=f"cannot leave out {layers} layers"):
        draw(clip_skip=layers)


def test_stable_diffusion_3_draws_without_its_largest_text_encoder(
    tiny_folder: Folder, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_folder("stable-diffusion-3"), tmp_path / "copy"))
    index = json.loads((folder / "model_index.json").read_text())
    index["text_encoder_3"] = index["tokenizer_3"] = [None, None]
    (folder / "model_index.json").write_text(json.dumps(index))
    shutil.rmtree(folder / "text_encoder_3")
    shutil.rmtree(folder / "tokenizer_3")
    pipeline, draw = opened("stable-diffusion-3", folder)
    assert len(pipeline.weights) == 4
    (note,) = draw(" ".join(["cat"] * 20)).notes
    assert f"{CONTEXT} tokens" in note.text


def test_a_safety_checker_is_neither_needed_nor_missed(
    tiny_folder: Folder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(tiny_folder("stable-diffusion"), tmp_path / "copy"))
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    index["requires_safety_checker"] = True
    (folder / "model_index.json").write_text(json.dumps(index))
    _, draw = opened("stable-diffusion", folder)
    draw()
    assert capfd.readouterr() == ("", "")


def test_chat_models_need_their_template(tiny_folder: Folder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder("z-image"), tmp_path / "copy"))
    shutil.rmtree(folder / "tokenizer")
    tokenizer(context=None).save_pretrained(folder / "tokenizer")
    with pytest.raises(WeightsError, match="no chat template"):
        opened("z-image", folder)
