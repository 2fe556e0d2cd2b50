"""The Stable Diffusion families: what their folders hold."""

from __future__ import annotations

from cems_tui.generation.families.layout import Layout

STABLE_DIFFUSION = Layout(
    pipeline_class="StableDiffusionPipeline",
    networks=("text_encoder", "unet", "vae"),
    tokenizers={"tokenizer": "text_encoder"},
    # The checker is a network of its own that the folder may not hold.
    arguments={"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False},
)
"""Stable Diffusion 1 and 2, and everything else that loads as a StableDiffusionPipeline."""

STABLE_DIFFUSION_XL = Layout(
    pipeline_class="StableDiffusionXLPipeline",
    networks=("text_encoder", "text_encoder_2", "unet", "vae"),
    tokenizers={"tokenizer": "text_encoder", "tokenizer_2": "text_encoder_2"},
    arguments={"add_watermarker": False},
)
"""SDXL and what was distilled from it."""
