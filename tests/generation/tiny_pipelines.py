"""Pipelines of a few thousand random weights, in the folders that real ones come in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from cems_tui.domain.function import GenerationFunction, Model
from cems_tui.generation.pipeline import Job
from cems_tui.log import hush

WORDS = ("<pad>", "<unk>", "<bos>", "a", "red", "cat", "blue", "dog", "moon", "the", "<eos>")
CONTEXT = 16
SIDE = 16
"""Pixels of a tiny picture's side."""


def tokenizer(
    words: tuple[str, ...] = WORDS, *, context: int | None = CONTEXT, chat: str | None = None
) -> Any:
    """A word-level tokenizer whose end token has the highest id, as open_clip needs it.

    `context` None is the tokenizer of a family that reads as far as it is told; `chat` is the
    template of one that wraps the prompt.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    ids = {word: index for index, word in enumerate(words)}
    core = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 2), ("<eos>", len(words) - 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        chat_template=chat,
        **({} if context is None else {"model_max_length": context}),
    )


def save_stable_diffusion(folder: Path) -> Path:
    """A StableDiffusionPipeline with random weights, saved into `folder`."""
    hush()
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    hush()
    torch.manual_seed(0)
    words = tokenizer()
    StableDiffusionPipeline(
        vae=_decoder(),
        text_encoder=text_encoder(words),
        tokenizer=words,
        unet=denoiser(),
        scheduler=DDIMScheduler(timestep_spacing="trailing", clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


def save_stable_diffusion_xl(
    folder: Path, *, overflowing_decoder: bool = False, **changes: Any
) -> Path:
    """A StableDiffusionXLPipeline with random weights, saved into `folder`.

    Its decoder is a tiny one, or of SDXL's own kind, which is not to be run in float16;
    `changes` are those of its denoiser.
    """
    hush()
    import torch
    from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionXLPipeline

    hush()
    torch.manual_seed(0)
    words = tokenizer()
    StableDiffusionXLPipeline(
        vae=kl_decoder(4) if overflowing_decoder else _decoder(),
        text_encoder=text_encoder(words),
        text_encoder_2=text_encoder(words, projected=True),
        tokenizer=words,
        tokenizer_2=words,
        unet=denoiser(
            cross_attention_dim=64,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=80,
            **changes,
        ),
        scheduler=EulerAncestralDiscreteScheduler(timestep_spacing="trailing"),
        add_watermarker=False,
    ).save_pretrained(folder)
    return folder


def save_amused(folder: Path) -> Path:
    """An AmusedPipeline with random weights, saved into `folder`."""
    hush()
    import torch
    from diffusers import AmusedPipeline, AmusedScheduler, UVit2DModel, VQModel

    hush()
    torch.manual_seed(0)
    words = tokenizer()
    transformer = UVit2DModel(
        hidden_size=32,
        use_bias=False,
        hidden_dropout=0.0,
        cond_embed_dim=32,
        micro_cond_encode_dim=2,
        micro_cond_embed_dim=10,
        encoder_hidden_size=32,
        vocab_size=32,
        codebook_size=8,
        in_channels=32,
        block_out_channels=32,
        num_res_blocks=1,
        downsample=True,
        upsample=True,
        block_num_heads=1,
        num_hidden_layers=1,
        num_attention_heads=1,
        attention_dropout=0.0,
        intermediate_size=32,
        layer_norm_eps=1e-6,
        ln_elementwise_affine=True,
        sample_size=2,
    )
    decoder = VQModel(
        act_fn="silu",
        block_out_channels=[8] * 5,
        down_block_types=["DownEncoderBlock2D"] * 5,
        up_block_types=["UpDecoderBlock2D"] * 5,
        latent_channels=8,
        layers_per_block=1,
        norm_num_groups=8,
        num_vq_embeddings=8,
        sample_size=SIDE,
        mid_block_add_attention=False,
        lookup_from_codebook=True,
    )
    AmusedPipeline(
        vqvae=decoder,
        tokenizer=words,
        text_encoder=text_encoder(words, projected=True),
        transformer=attentive(transformer),
        scheduler=AmusedScheduler(mask_token_id=31),
    ).save_pretrained(folder)
    return folder


def denoiser(**changes: Any) -> Any:
    """A denoising network that heeds its prompt."""
    import torch
    from diffusers import UNet2DConditionModel

    settings: dict[str, Any] = {
        "sample_size": SIDE // 8,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (32,),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D",),
        "up_block_types": ("CrossAttnUpBlock2D",),
        "cross_attention_dim": 32,
        "attention_head_dim": 4,
        "norm_num_groups": 8,
    }
    unet = UNet2DConditionModel(**{**settings, **changes})
    with torch.no_grad():  # at its default size a prompt would change no pixel
        for name, weight in unet.named_parameters():
            if "attn2" in name:
                weight.mul_(5)
    return unet


def attentive(transformer: Any) -> Any:
    """With large weights: as it begins, neither prompt nor noise would change a pixel."""
    import torch

    with torch.no_grad():
        for weight in transformer.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.2)
    return transformer.eval()


def _decoder() -> Any:
    from diffusers import AutoencoderTiny

    return AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 4,
        num_encoder_blocks=(1,) * 4,
        num_decoder_blocks=(1,) * 4,
        latent_channels=4,
    )


def kl_decoder(latent_channels: int, **changes: Any) -> Any:
    """The autoencoder of most families, in its smallest size."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8,) * 4,
        latent_channels=latent_channels,
        norm_num_groups=4,
        **changes,
    )


def text_encoder(words: Any, *, projected: bool = False) -> Any:
    """A CLIP text encoder of that vocabulary."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        projection_dim=32,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    encoder = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
    with torch.no_grad():
        encoder.get_input_embeddings().weight.mul_(50)
    return encoder.eval()


def function(
    folder: Path | None, *, digest: str | None = None, **settings: Any
) -> GenerationFunction:
    """The function `tiny@4` over a saved pipeline; None is a model that is not installed."""
    model = Model(
        name="tiny",
        family=settings.pop("family", "stable-diffusion"),
        licence="CC0-1.0",
        source="tests",
        path=folder,
        digest=digest,
    )
    values = {"steps": 4, "guidance": 3.0, "width": SIDE, "height": SIDE, **settings}
    return GenerationFunction(name=f"tiny@{values['steps']}", model=model, **values)


def job(**changes: Any) -> Job:
    """A job for `tiny@4`, changed as told."""
    values: dict[str, Any] = {
        "prompt": "a red cat",
        "seed": 7,
        "steps": 4,
        "guidance": 3.0,
        "width": SIDE,
        "height": SIDE,
        **changes,
    }
    return Job(**values)


def ignore(step: int, steps: int) -> None:
    """An `on_step` that does nothing."""
