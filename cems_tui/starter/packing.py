"""Trained networks into the plain diffusers folders of the pack."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

from cems_tui.starter.networks import make_scheduler
from cems_tui.starter.tokens import make_tokenizer, save_tokenizer

VERSION = "1"
LICENCE = (
    "Apache-2.0 (weights); trained on pictures composed from Noto Colour Emoji "
    "(font OFL-1.1, images Apache-2.0)"
)
DEFAULTS: dict[str, dict[str, Any]] = {
    "base": {"steps": 8, "guidance": 2.5},
    "small": {"steps": 8, "guidance": 2.5},
    "turbo": {"steps": 2, "guidance": 1.0},
}
"""What each pipeline is best called with."""


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


def write_pack(build: Any) -> None:
    """Everything in `build.out`: pipelines, scorers and the manifest.

    A card that lies there already (README.md) is kept and listed.
    """
    from cems_tui.starter.clip_scorer import save_clip
    from cems_tui.starter.manifest import write_manifest
    from cems_tui.starter.nima_head import save_nima
    from cems_tui.starter.smoke import smoke

    out: Path = build.out
    out.mkdir(parents=True, exist_ok=True)
    decoder = build.decoder_training()
    pipelines = {}
    with decoder.trainer.averaged():
        for name in ("base", "small", "turbo"):
            if build.checkpoint(name).exists():
                pipelines[f"starter-{name}"] = _write_pipeline(build, name, decoder.vae)
    clip = build.clip_training()
    with clip.trainer.averaged():
        save_clip(clip.model, clip.config, out / "scorers" / "clip")
    nima = build.nima_training()
    with nima.trainer.averaged():
        save_nima(nima.head, out / "scorers" / "nima")
    if build.checkpoint("checker").exists():
        _write_checker(build, out / "checker")
        for name, share in smoke(out, build.recipe.smoke_prompts, pipelines).items():
            pipelines[name]["smoke"] = {"prompts": share.of, "share": share.value}
    for file in out.rglob("*.safetensors"):
        file.chmod(0o644)  # the writer leaves them private, which a system-wide install is not
    write_manifest(
        out,
        version=VERSION,
        licence=LICENCE,
        pipelines=pipelines,
        scorers={
            "clip": {"kind": "open_clip", "folder": "scorers/clip", "scale": 100},
            "nima": {"kind": "ten-bin", "folder": "scorers/nima", "bins": 10},
        },
    )


def _write_checker(build: Any, folder: Path) -> None:
    from cems_tui.starter.checker import Checker, save_checker
    from cems_tui.starter.checker_training import natural_colours

    training = build.checker_training()
    with training.trainer.averaged():
        save_checker(Checker(training.detector, natural_colours()), folder)


def _write_pipeline(build: Any, name: str, vae: Any) -> dict[str, Any]:
    """One pipeline folder; returns its entry in the manifest."""
    training = build.diffusion(name)
    folder: Path = build.out / f"starter-{name}"
    with training.trainer.averaged():
        save_pipeline(training.unet, training.text, vae, folder)
    modules = (training.unet, training.text, vae)
    progress = training.trainer.progress
    return {
        "parameters": sum(w.numel() for module in modules for w in module.parameters()),
        "bytes": folder_bytes(folder),
        "size_px": 64,
        "resolution": [64, 64],
        "samples": progress.step * training.trainer.plan.batch,
        "training_seconds": round(progress.seconds),
        **DEFAULTS[name],
    }
