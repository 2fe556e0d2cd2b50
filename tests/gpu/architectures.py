"""The published sizes of real models, as data: enough to build them with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Network = tuple[str, str, Mapping[str, Any]]
"""Library, class and configuration; what the configuration leaves out is the class's own."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model: its networks, how it is drawn with, and what is published about it."""

    family: str
    networks: Mapping[str, Network]
    scheduler: tuple[str, Mapping[str, Any]]
    steps: int
    guidance: float
    side: int
    """Pixels."""

    pipeline: Mapping[str, Any] = field(default_factory=dict)
    """Further entries of model_index.json."""


def _clip(class_name: str, **changes: Any) -> Network:
    large = {
        "vocab_size": 49408,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "projection_dim": 768,
        "max_position_embeddings": 77,
    }
    return ("transformers", class_name, {**large, **changes})


_WIDER = {"hidden_act": "gelu", "intermediate_size": 4096, "hidden_size": 1024}
_CLIP_H = _clip("CLIPTextModel", **_WIDER, num_hidden_layers=23, num_attention_heads=16)
_CLIP_G = _clip(
    "CLIPTextModelWithProjection",
    hidden_act="gelu",
    hidden_size=1280,
    intermediate_size=5120,
    num_hidden_layers=32,
    num_attention_heads=20,
    projection_dim=1280,
)
_T5_XXL: Network = (
    "transformers",
    "T5EncoderModel",
    {
        "vocab_size": 32128,
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10240,
        "num_layers": 24,
        "num_heads": 64,
        "feed_forward_proj": "gated-gelu",
    },
)


def _kl(**changes: Any) -> Network:
    settings = {
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
        "latent_channels": 4,
        "norm_num_groups": 32,
    }
    return ("diffusers", "AutoencoderKL", {**settings, **changes})


_KL_16 = _kl(
    latent_channels=16,
    use_quant_conv=False,
    use_post_quant_conv=False,
    shift_factor=0.0609,
    scaling_factor=1.5305,
)
_SDXL_UNET = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
_SSD_1B_UNET = {
    **_SDXL_UNET,
    "mid_block_type": "UNetMidBlock2D",
    "transformer_layers_per_block": (1, (2, 2), (4, 4)),
    "reverse_transformer_layers_per_block": ((4, 4, 10), (2, 1, 1), 1),
}
_VEGA_UNET = {
    **_SSD_1B_UNET,
    "transformer_layers_per_block": (1, (1, 1), (2, 2)),
    "reverse_transformer_layers_per_block": ((2, 2, 2), (1, 1, 1), 1),
}
_SD_1_UNET = {"sample_size": 64, "cross_attention_dim": 768}
_SD_2_UNET = {
    "sample_size": 64,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
_AMUSED_TRANSFORMER = {
    "hidden_size": 1024,
    "use_bias": False,
    "hidden_dropout": 0.0,
    "cond_embed_dim": 768,
    "micro_cond_encode_dim": 256,
    "micro_cond_embed_dim": 1280,
    "encoder_hidden_size": 768,
    "vocab_size": 8256,
    "codebook_size": 8192,
    "in_channels": 768,
    "block_out_channels": 768,
    "num_res_blocks": 3,
    "downsample": True,
    "upsample": True,
    "block_num_heads": 12,
    "num_hidden_layers": 22,
    "num_attention_heads": 16,
    "attention_dropout": 0.0,
    "intermediate_size": 2816,
    "layer_norm_eps": 1e-6,
    "ln_elementwise_affine": True,
    "sample_size": 64,
}
_AMUSED_DECODER = {
    "block_out_channels": (128, 256, 256, 512, 768),
    "down_block_types": ("DownEncoderBlock2D",) * 5,
    "up_block_types": ("UpDecoderBlock2D",) * 5,
    "latent_channels": 64,
    "layers_per_block": 2,
    "num_vq_embeddings": 8192,
    "mid_block_add_attention": False,
    "lookup_from_codebook": True,
    "force_upcast": True,
}
_PIXART = {
    "sample_size": 128,
    "num_layers": 28,
    "num_attention_heads": 16,
    "attention_head_dim": 72,
    "cross_attention_dim": 1152,
    "caption_channels": 4096,
    "interpolation_scale": 2,
    "use_additional_conditions": False,
}
_SD_3_5_MEDIUM = {
    "sample_size": 128,
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 16,
    "num_layers": 24,
    "attention_head_dim": 64,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "caption_projection_dim": 1536,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 384,
    "dual_attention_layers": tuple(range(13)),
    "qk_norm": "rms_norm",
}
_SD_SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "trailing",
}
_CLIP_L_PROJECTED = _clip("CLIPTextModelWithProjection")

ARCHITECTURES = {
    "sd-turbo": Architecture(
        family="stable-diffusion",
        networks={
            "text_encoder": _CLIP_H,
            "unet": ("diffusers", "UNet2DConditionModel", _SD_2_UNET),
            "vae": _kl(),
        },
        scheduler=("EulerDiscreteScheduler", _SD_SCHEDULE),
        steps=1,
        guidance=0.0,
        side=512,
    ),
    "sd-1.5": Architecture(
        family="stable-diffusion",
        networks={
            "text_encoder": _clip("CLIPTextModel"),
            "unet": ("diffusers", "UNet2DConditionModel", _SD_1_UNET),
            "vae": _kl(),
        },
        scheduler=("PNDMScheduler", {**_SD_SCHEDULE, "skip_prk_steps": True, "steps_offset": 1}),
        steps=25,
        guidance=7.5,
        side=512,
    ),
    "amused-512": Architecture(
        family="amused",
        networks={
            "text_encoder": _CLIP_L_PROJECTED,
            "transformer": ("diffusers", "UVit2DModel", _AMUSED_TRANSFORMER),
            "vqvae": ("diffusers", "VQModel", _AMUSED_DECODER),
        },
        scheduler=("AmusedScheduler", {"mask_token_id": 8255}),
        steps=12,
        guidance=10.0,
        side=512,
    ),
    "sdxl": Architecture(
        family="stable-diffusion-xl",
        networks={
            "text_encoder": _clip("CLIPTextModel"),
            "text_encoder_2": _CLIP_G,
            "unet": ("diffusers", "UNet2DConditionModel", _SDXL_UNET),
            "vae": _kl(scaling_factor=0.13025, force_upcast=True),
        },
        scheduler=("EulerDiscreteScheduler", {**_SD_SCHEDULE, "timestep_spacing": "leading"}),
        steps=25,
        guidance=5.0,
        side=1024,
        pipeline={"force_zeros_for_empty_prompt": True},
    ),
    "pixart-sigma": Architecture(
        family="pixart-sigma",
        networks={
            "text_encoder": _T5_XXL,
            "transformer": ("diffusers", "PixArtTransformer2DModel", _PIXART),
            "vae": _kl(scaling_factor=0.13025),
        },
        scheduler=("DPMSolverMultistepScheduler", {}),
        steps=20,
        guidance=4.5,
        side=1024,
    ),
    "sd3.5-medium": Architecture(
        family="stable-diffusion-3",
        networks={
            "text_encoder": _CLIP_L_PROJECTED,
            "text_encoder_2": _CLIP_G,
            "text_encoder_3": _T5_XXL,
            "transformer": ("diffusers", "SD3Transformer2DModel", _SD_3_5_MEDIUM),
            "vae": _KL_16,
        },
        scheduler=("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
        steps=28,
        guidance=4.5,
        side=1024,
    ),
}
"""The models that are measured, by name."""

_SANA = {
    "num_layers": 20,
    "num_attention_heads": 70,
    "num_cross_attention_heads": 20,
    "cross_attention_head_dim": 112,
    "cross_attention_dim": 2240,
}
_SANA_SMALL = {
    "num_layers": 28,
    "num_attention_heads": 36,
    "num_cross_attention_heads": 16,
    "cross_attention_head_dim": 72,
    "cross_attention_dim": 1152,
}
_DEEP_COMPRESSION = {
    "encoder_block_types": ("ResBlock",) * 3 + ("EfficientViTBlock",) * 3,
    "decoder_block_types": ("ResBlock",) * 3 + ("EfficientViTBlock",) * 3,
    "downsample_block_type": "conv",
    "upsample_block_type": "interpolate",
}
_QWEN_4B = {
    "vocab_size": 151936,
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "tie_word_embeddings": True,
}

COUNTED: Mapping[str, tuple[Network, float, str]] = {
    "SD 1.5 UNet": (
        ("diffusers", "UNet2DConditionModel", _SD_1_UNET),
        859_520_964,
        "its weight file",
    ),
    "SD 2.1 and SD-Turbo UNet": (
        ("diffusers", "UNet2DConditionModel", _SD_2_UNET),
        865_910_724,
        "its weight file",
    ),
    "SDXL, SDXL-Turbo and Lightning UNet": (
        ("diffusers", "UNet2DConditionModel", _SDXL_UNET),
        2_567_463_684,
        "its weight file",
    ),
    "SSD-1B UNet": (
        ("diffusers", "UNet2DConditionModel", _SSD_1B_UNET),
        1.33e9,
        "its card (1.3 B)",
    ),
    "Segmind-Vega UNet": (
        ("diffusers", "UNet2DConditionModel", _VEGA_UNET),
        0.745e9,
        "its card (0.74 B)",
    ),
    "SD and SDXL autoencoder": (_kl(), 83_653_863, "its weight file"),
    "TAESD": (("diffusers", "AutoencoderTiny", {}), 2.45e6, "its repository"),
    "SD 3 and FLUX.1 autoencoder": (_KL_16, 83.8e6, "its weight file"),
    "CLIP ViT-L/14 text encoder": (_clip("CLIPTextModel"), 123_060_480, "its weight file"),
    "OpenCLIP ViT-H/14 text encoder, 23 layers": (_CLIP_H, 340_387_840, "its weight file"),
    "OpenCLIP ViT-bigG/14 text encoder": (_CLIP_G, 694_659_840, "its weight file"),
    "T5 v1.1 XXL encoder": (_T5_XXL, 4.76e9, "its weight files, 9.52 GB in bfloat16"),
    "aMUSEd 512 transformer": (
        ("diffusers", "UVit2DModel", _AMUSED_TRANSFORMER),
        608e6,
        "its weight file",
    ),
    "aMUSEd 256 transformer": (
        (
            "diffusers",
            "UVit2DModel",
            {**_AMUSED_TRANSFORMER, "downsample": False, "upsample": False, "sample_size": 16},
        ),
        603e6,
        "the paper (603 M)",
    ),
    "aMUSEd decoder": (("diffusers", "VQModel", _AMUSED_DECODER), 146e6, "the paper (146 M)"),
    "PixArt-Sigma transformer": (
        ("diffusers", "PixArtTransformer2DModel", _PIXART),
        0.61e9,
        "the paper (0.6 B)",
    ),
    "SD 3.5 medium transformer": (
        ("diffusers", "SD3Transformer2DModel", _SD_3_5_MEDIUM),
        2.24e9,
        "its card says 2.5 B, which counts the table of positions too",
    ),
    "SANA 0.6B transformer": (
        ("diffusers", "SanaTransformer2DModel", _SANA_SMALL),
        0.59e9,
        "the paper (590 M)",
    ),
    "SANA 1.6B transformer": (
        ("diffusers", "SanaTransformer2DModel", _SANA),
        1.604e9,
        "the paper (1604 M)",
    ),
    "SANA autoencoder (f32c32)": (
        ("diffusers", "AutoencoderDC", _DEEP_COMPRESSION),
        312e6,
        "its weight file",
    ),
    "Gemma 2 2B": (("transformers", "Gemma2Model", {}), 2.61e9, "its report (2,614 M)"),
    "FLUX.1-schnell transformer": (
        ("diffusers", "FluxTransformer2DModel", {}),
        11.9e9,
        "its card (12 B)",
    ),
    "Z-Image transformer": (
        ("diffusers", "ZImageTransformer2DModel", {}),
        6.15e9,
        "its report (6.15 B)",
    ),
    "Qwen 3 4B": (("transformers", "Qwen3Model", _QWEN_4B), 4.02e9, "its card (4.0 B)"),
}
"""Networks that are counted: architecture, the published count, and who says so."""
