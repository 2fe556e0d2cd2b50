"""A tiny model of every family, with random weights, in the folders that real ones come in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.domain.function import GenerationFunction
from cems_tui.log import hush
from tests.generation.tiny_pipelines import (
    attentive,
    denoiser,
    function,
    kl_decoder,
    save_amused,
    save_stable_diffusion,
    save_stable_diffusion_xl,
    text_encoder,
    tokenizer,
)

CHAT = "{% for message in messages %}the {{ message.content }} the{% endfor %}"


@dataclass(frozen=True, slots=True)
class Tiny:
    """How a family's tiny model is saved and drawn with."""

    save: Callable[[Path], Path]
    side: int
    """Pixels."""

    guidance: float = 3.0


def save_latent_consistency(folder: Path) -> Path:
    """A LatentConsistencyModelPipeline: its network takes the guidance scale."""
    diffusers = _begin()
    words = tokenizer()
    return _saved(
        diffusers.LatentConsistencyModelPipeline(
            vae=kl_decoder(4),
            text_encoder=text_encoder(words),
            tokenizer=words,
            unet=denoiser(time_cond_proj_dim=32),
            scheduler=diffusers.LCMScheduler(original_inference_steps=50),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ),
        folder,
    )


def save_pixart_sigma(folder: Path) -> Path:
    """A PixArtSigmaPipeline."""
    diffusers = _begin()
    words = tokenizer(context=None)
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_channels=32,
        in_channels=4,
        cross_attention_dim=32,
        out_channels=8,
    )
    return _saved(
        diffusers.PixArtSigmaPipeline(
            tokenizer=words,
            text_encoder=_t5(words),
            vae=kl_decoder(4),
            transformer=attentive(transformer),
            scheduler=diffusers.DPMSolverMultistepScheduler(),
        ),
        folder,
    )


def save_sana(folder: Path) -> Path:
    """A SanaPipeline with a Gemma 2 text encoder and a deep compression decoder."""
    diffusers = _begin()
    from transformers import Gemma2Config, Gemma2Model

    words = tokenizer(context=None)
    transformer = diffusers.SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=4,
        num_cross_attention_heads=2,
        cross_attention_head_dim=4,
        cross_attention_dim=8,
        caption_channels=8,
        sample_size=8,
    )
    decoder = diffusers.AutoencoderDC(
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        downsample_block_type="conv",
        upsample_block_type="interpolate",
    )
    encoder = Gemma2Model(
        Gemma2Config(
            vocab_size=len(words),
            hidden_size=8,
            intermediate_size=16,
            head_dim=4,
            num_attention_heads=2,
            num_key_value_heads=1,
            num_hidden_layers=1,
        )
    )
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    return _saved(
        diffusers.SanaPipeline(words, encoder.eval(), decoder, attentive(transformer), scheduler),
        folder,
    )


def save_stable_diffusion_3(folder: Path) -> Path:
    """A StableDiffusion3Pipeline with its three text encoders."""
    diffusers = _begin()
    words, long_words = tokenizer(), tokenizer(context=None)
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=4,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=64,
        caption_projection_dim=32,
        pooled_projection_dim=64,
        pos_embed_max_size=8,
    )
    return _saved(
        diffusers.StableDiffusion3Pipeline(
            transformer=attentive(transformer),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=kl_decoder(4, shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
            text_encoder=text_encoder(words, projected=True),
            tokenizer=words,
            text_encoder_2=text_encoder(words, projected=True),
            tokenizer_2=words,
            text_encoder_3=_t5(long_words, width=64),
            tokenizer_3=long_words,
        ),
        folder,
    )


def save_flux(folder: Path, *, guided: bool = False) -> Path:
    """A FluxPipeline: FLUX.1-schnell, or with `guided` FLUX.1-dev, which takes the scale."""
    diffusers = _begin()
    words, long_words = tokenizer(), tokenizer(context=None)
    transformer = diffusers.FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        guidance_embeds=guided,
        axes_dims_rope=(4, 4, 8),
    )
    return _saved(
        diffusers.FluxPipeline(
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
            vae=kl_decoder(4, shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
            text_encoder=text_encoder(words),
            tokenizer=words,
            text_encoder_2=_t5(long_words),
            tokenizer_2=long_words,
            transformer=attentive(transformer),
        ),
        folder,
    )


def save_flux_2_klein(folder: Path, *, distilled: bool = True) -> Path:
    """A Flux2KleinPipeline: 28 layers of Qwen 3, as it reads the 9th, 18th and 27th."""
    diffusers = _begin()
    words = tokenizer(context=None, chat=CHAT)
    transformer = diffusers.Flux2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * 16,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    decoder = diffusers.AutoencoderKLFlux2(
        block_out_channels=(8,) * 4, layers_per_block=1, latent_channels=4, norm_num_groups=4
    )
    return _saved(
        diffusers.Flux2KleinPipeline(
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=decoder,
            text_encoder=_qwen(words, layers=28, head=True),
            tokenizer=words,
            transformer=attentive(transformer),
            is_distilled=distilled,
        ),
        folder,
    )


def save_z_image(folder: Path) -> Path:
    """A ZImagePipeline."""
    diffusers = _begin()
    words = tokenizer(context=None, chat=CHAT)
    transformer = diffusers.ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[4, 4, 8],
        axes_lens=[1024, 32, 32],
    )
    return _saved(
        diffusers.ZImagePipeline(
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=kl_decoder(4, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False),
            text_encoder=_qwen(words, layers=2, head=False),
            tokenizer=words,
            transformer=attentive(transformer),
        ),
        folder,
    )


TINY = {
    "stable-diffusion": Tiny(save_stable_diffusion, 16),
    "stable-diffusion-xl": Tiny(save_stable_diffusion_xl, 16),
    "stable-diffusion-3": Tiny(save_stable_diffusion_3, 32),
    "latent-consistency": Tiny(save_latent_consistency, 16),
    "amused": Tiny(save_amused, 32),
    "pixart-sigma": Tiny(save_pixart_sigma, 32),
    "sana": Tiny(save_sana, 32),
    "flux": Tiny(save_flux, 32, guidance=0.0),
    "flux-2-klein": Tiny(save_flux_2_klein, 32, guidance=0.0),
    "z-image": Tiny(save_z_image, 32),
}
"""By family."""


def tiny_function(family: str, folder: Path, **settings: Any) -> GenerationFunction:
    """A function of a family's tiny model, at its own size and guidance."""
    tiny = TINY[family]
    values: dict[str, Any] = {"width": tiny.side, "height": tiny.side, "guidance": tiny.guidance}
    return function(folder, family=family, **{**values, **settings})


def _begin() -> Any:
    hush()
    import diffusers
    import torch

    hush()
    torch.manual_seed(0)
    return diffusers


def _saved(pipe: Any, folder: Path) -> Path:
    pipe.save_pretrained(folder)
    return folder


def _t5(words: Any, width: int = 32) -> Any:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=len(words), d_model=width, d_kv=8, d_ff=32, num_layers=1, num_heads=4
    )
    return T5EncoderModel(config).eval()


def _qwen(words: Any, *, layers: int, head: bool) -> Any:
    from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3Model

    config = Qwen3Config(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )
    return (Qwen3ForCausalLM if head else Qwen3Model)(config).eval()
