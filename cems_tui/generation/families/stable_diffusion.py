"""The Stable Diffusion families: what their folders hold."""

from __future__ import annotations

from cems_tui.generation.families.anatomy import Anatomy
from cems_tui.generation.families.layout import Layout

_BARE = {"feature_extractor": None, "image_encoder": None}
_UNCHECKED = {**_BARE, "safety_checker": None, "requires_safety_checker": False}
"""The checker is a network of its own that the folder may not hold."""

STABLE_DIFFUSION = Layout(
    pipeline_class="StableDiffusionPipeline",
    networks=("text_encoder", "unet", "vae"),
    tokenizers={"tokenizer": "text_encoder"},
    arguments=_UNCHECKED,
)
"""Stable Diffusion 1 and 2, SD-Turbo, with their own decoder or TAESD."""

STABLE_DIFFUSION_XL = Layout(
    pipeline_class="StableDiffusionXLPipeline",
    networks=("text_encoder", "text_encoder_2", "unet", "vae"),
    tokenizers={"tokenizer": "text_encoder", "tokenizer_2": "text_encoder_2"},
    arguments={**_BARE, "add_watermarker": False},
)
"""SDXL and what was distilled from it: Turbo, Lightning, SSD-1B, Vega."""

STABLE_DIFFUSION_3 = Layout(
    pipeline_class="StableDiffusion3Pipeline",
    networks=("text_encoder", "text_encoder_2", "text_encoder_3", "transformer", "vae"),
    tokenizers={
        "tokenizer": "text_encoder",
        "tokenizer_2": "text_encoder_2",
        "tokenizer_3": "text_encoder_3",
    },
    optional=("text_encoder_3",),  # T5: two thirds of the weights, and it draws without it
    arguments=_BARE,
    precision="bfloat16",
    anatomy=Anatomy(own_scheduler=True, size_multiple=16, reader="tokenizer_3", prompt_tokens=256),
)
"""Stable Diffusion 3 and 3.5."""

LATENT_CONSISTENCY = Layout(
    pipeline_class="LatentConsistencyModelPipeline",
    networks=("text_encoder", "unet", "vae"),
    tokenizers={"tokenizer": "text_encoder"},
    arguments=_UNCHECKED,
    anatomy=Anatomy(own_scheduler=True, guidance="embedded"),
)
"""Latent consistency models: Stable Diffusion distilled to a few steps."""
