"""The masked-token pipeline of the recipe: its codes, its masks, its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cems_tui.starter.recipe.networks import amused, vq  # noqa: E402

CODES = 24


@pytest.fixture(scope="module")
def pictures() -> Any:
    """(6, 64, 64, 3) bytes of sixteen flat colours."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 255, (16, 3), dtype=np.uint8)
    patches = colours[rng.integers(0, 16, (6, 16, 16))]
    return patches.repeat(4, 1).repeat(4, 2)


@pytest.fixture(scope="module")
def book(pictures: Any) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cems_tui.starter.recipe.networks.vq.CODES", CODES)
        return vq.fit(pictures, most=4000)


@pytest.fixture(scope="module")
def folder(book: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline as packed, untrained."""
    from cems_tui.starter.recipe.training.pack import save_amused

    torch.manual_seed(0)
    target = tmp_path_factory.mktemp("starter") / "starter-amused"
    transformer = amused.make_transformer(book, width=32, layers=1)
    save_amused(transformer, amused.make_text_tower(), vq.make_vq_model(book), target)
    return target


def test_a_patch_gets_the_code_nearest_to_it(pictures: Any, book: dict[str, Any]) -> None:
    tokens = vq.tokens_of(pictures, book)
    assert tokens.shape == (6, 16, 16)
    back = book["codes"][tokens.flatten()] @ torch.linalg.pinv(book["encode"]) + book["mean"]
    assert (back - vq.patches(pictures)).abs().mean() < 0.06
    parts = (vq.patches(pictures) - book["mean"]) @ book["encode"]
    distance = torch.cdist(parts, book["codes"])
    assert torch.equal(distance.argmin(1), tokens.flatten())


def test_masks_follow_the_samplers_cosine() -> None:
    hidden = amused.masked(torch.zeros(64, 16, 16, dtype=torch.long), torch.Generator())
    shares = hidden.flatten(1).float().mean(1)
    assert shares[0] > 0.99
    assert 0 < shares[-1] < 0.05
    assert abs(float(shares.mean()) - 2 / torch.pi) < 0.02
    assert (hidden.flatten(1).sum(1) >= 1).all()


def test_the_folder_loads_as_diffusers_loads_any(folder: Path, book: dict[str, Any]) -> None:
    from diffusers import DiffusionPipeline

    from cems_tui.starter.recipe.networks.tokenizer import VOCABULARY

    pipeline = DiffusionPipeline.from_pretrained(str(folder), dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    assert type(pipeline).__name__ == "AmusedPipeline"
    assert len(pipeline.tokenizer) == len(VOCABULARY)
    assert pipeline.scheduler.config.mask_token_id == CODES
    stored = pipeline.vqvae.quantize.embedding.weight
    assert torch.allclose(stored, book["codes"], atol=1e-2)
    picture = pipeline("a cat", num_inference_steps=2, generator=torch.Generator()).images[0]
    assert picture.size == (64, 64)


def test_training_sees_what_the_pipeline_feeds(folder: Path, book: dict[str, Any]) -> None:
    """The same prompt gives the transformer the same inputs in training and in drawing."""
    from cems_tui.starter.recipe.networks.architectures import load_pipeline
    from cems_tui.starter.recipe.networks.tokenizer import encode

    pipeline = load_pipeline(folder)
    seen: list[Any] = []

    def keep(_module: Any, _positional: Any, given: dict[str, Any], _made: Any) -> None:
        seen.append(given)

    pipeline.transformer.register_forward_hook(keep, with_kwargs=True)
    pipeline("a cat at night", num_inference_steps=1, guidance_scale=1.0)
    training = object.__new__(amused.AmusedTraining)
    training.text, training.transformer = pipeline.text_encoder, pipeline.transformer
    with torch.no_grad():
        words = torch.from_numpy(encode(["a cat at night"])).long()
        training.logits(torch.full((1, 16, 16), CODES), words)
    drawn, trained = seen
    for name, value in trained.items():
        assert torch.allclose(drawn[name], value, atol=1e-5), name


def test_the_products_own_adapter_draws_with_it(folder: Path) -> None:
    from cems_tui.cancel import never
    from cems_tui.generation.families.registry import EngineSettings, load
    from cems_tui.generation.pipeline import Job
    from tests.generation.tiny_pipelines import function, ignore

    model = function(folder, family="amused", width=64, height=64)
    pipeline = load(model, EngineSettings(device="cpu"))
    drawn = pipeline.generate(Job.of(model, "a red car", 3), ignore, never)
    assert drawn.image.size == (64, 64)


def test_the_text_tower_takes_the_bases_words() -> None:
    from cems_tui.starter.recipe.networks.architectures import make_text_encoder

    tower, encoder = amused.make_text_tower(), make_text_encoder()
    taken = amused.take_words(tower, encoder)
    assert taken == len(list(encoder.parameters()))
    assert torch.equal(tower.get_input_embeddings().weight, encoder.get_input_embeddings().weight)


def test_one_step_of_turbo_is_what_its_training_foresees() -> None:
    """The pipeline's scheduler asks for the noisiest time and takes minus the velocity."""
    from diffusers import AutoencoderTiny

    from cems_tui.starter.recipe.networks.architectures import make_denoiser, make_text_encoder
    from cems_tui.starter.recipe.networks.latents import CHANNELS
    from cems_tui.starter.recipe.networks.tokenizer import encode
    from cems_tui.starter.recipe.networks.turbo import foreseen
    from cems_tui.starter.recipe.training.pack import assemble

    torch.manual_seed(0)
    unet, text = make_denoiser(32).eval(), make_text_encoder().eval()
    vae = AutoencoderTiny(
        latent_channels=CHANNELS,
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
    )
    noise = torch.randn(1, CHANNELS, 8, 8)
    with torch.no_grad():
        words = torch.from_numpy(encode(["a cat"])).long()
        expected = foreseen(unet, text, noise, words)
        made = assemble(unet, text, vae)(
            "a cat",
            num_inference_steps=1,
            guidance_scale=1.0,
            latents=noise,
            output_type="latent",
        ).images
    assert torch.allclose(made, expected, atol=1e-4)
