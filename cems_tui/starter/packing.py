"""Trained networks into the plain diffusers folders of the pack."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

from cems_tui.starter.networks import make_scheduler
from cems_tui.starter.tokens import make_tokenizer, save_tokenizer


def assemble(unet: Any, text: Any, vae: Any) -> Any:
    """A StableDiffusionPipeline of our networks, without a safety checker."""
    import diffusers
    from diffusers import StableDiffusionPipeline

    diffusers.utils.logging.set_verbosity_error()
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=make_tokenizer(),
        unet=unet,
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def save_pipeline(unet: Any, text: Any, vae: Any, folder: Path) -> None:
    """Write `folder` in half precision; the networks given stay as they are."""
    from copy import deepcopy

    if folder.exists():
        shutil.rmtree(folder)
    half = [deepcopy(module).to(torch.float16) for module in (unet, text, vae)]
    assemble(*half).save_pretrained(str(folder), safe_serialization=True)
    shutil.rmtree(folder / "tokenizer")
    save_tokenizer(folder / "tokenizer")


def load_pipeline(folder: Path) -> Any:
    """The pipeline of `folder` in float32, quiet."""
    import diffusers
    from diffusers import DiffusionPipeline

    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    pipeline = DiffusionPipeline.from_pretrained(str(folder), dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def folder_bytes(folder: Path) -> int:
    """Length of all files below `folder`."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
