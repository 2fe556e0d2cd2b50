"""Trained networks into the plain diffusers folders of the pack."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cems_tui.scoring.nima_head import save_nima
from cems_tui.starter.manifest import write_manifest
from cems_tui.starter.recipe.checks.checker import Checker, save_checker
from cems_tui.starter.recipe.checks.detector import natural_colours
from cems_tui.starter.recipe.checks.smoke import smoke
from cems_tui.starter.recipe.networks.amused import SHARPNESS, assemble_amused, sharpened
from cems_tui.starter.recipe.networks.architectures import make_scheduler
from cems_tui.starter.recipe.networks.clip_scorer import save_clip
from cems_tui.starter.recipe.networks.tokenizer import make_tokenizer, save_tokenizer
from cems_tui.starter.recipe.training.weights import write_tensors

VERSION = "3"
LICENCE = (
    "Apache-2.0 (weights); trained on pictures composed from Noto Colour Emoji "
    "(font OFL-1.1, images Apache-2.0)"
)
DEFAULTS: dict[str, dict[str, Any]] = {
    "base": {"steps": 8, "guidance": 2.5},
    "small": {"steps": 8, "guidance": 2.5},
    "turbo": {"steps": 1, "guidance": 1.0},
    "amused": {"steps": 12, "guidance": 1.0},
}
"""What each pipeline is best called with."""
BOOK = "codebook.safetensors"
"""The closed-form codebook, which no network holds whole: training goes on from it."""


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

    half = [deepcopy(module).cpu().to(torch.float16) for module in (unet, text, vae)]
    save_folder(assemble(*half), folder)


def save_folder(pipeline: Any, folder: Path) -> None:
    """Write `folder` anew, its tokenizer checked."""
    if folder.exists():
        shutil.rmtree(folder)
    pipeline.save_pretrained(str(folder), safe_serialization=True)
    shutil.rmtree(folder / "tokenizer")
    save_tokenizer(folder / "tokenizer")


def save_amused(transformer: Any, text: Any, vqvae: Any, folder: Path) -> None:
    """Write the masked-token pipeline in half precision, its logits sharpened."""
    from copy import deepcopy

    half = [deepcopy(module).cpu() for module in (transformer, text, vqvae)]
    sharpened(half[0], SHARPNESS)
    save_folder(assemble_amused(*(module.to(torch.float16) for module in half)), folder)


def folder_bytes(folder: Path) -> int:
    """Length of all files below `folder`."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def write_pack(build: Any) -> None:
    """Everything in `build.out`: pipelines, scorers and the manifest.

    A card that lies there already (README.md) is kept and listed.
    """
    out: Path = build.out
    out.mkdir(parents=True, exist_ok=True)
    decoder = build.decoder_training()
    pipelines = {}
    with decoder.trainer.averaged():
        for name in ("base", "small", "turbo"):
            if build.checkpoint(name).exists():
                pipelines[f"starter-{name}"] = _write_pipeline(build, name, decoder.vae)
    if build.checkpoint("amused").exists():
        pipelines["starter-amused"] = _write_amused(build)
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
    training = build.checker_training()
    with training.trainer.averaged():
        save_checker(Checker(training.detector, natural_colours()), folder)


def _write_pipeline(build: Any, name: str, vae: Any) -> dict[str, Any]:
    """One pipeline folder; returns its entry in the manifest."""
    training = build.turbo_training() if name == "turbo" else build.diffusion(name)
    folder: Path = build.out / f"starter-{name}"
    with training.trainer.averaged():
        save_pipeline(training.unet, training.text, vae, folder)
    return _entry(name, training.trainer, folder, (training.unet, training.text, vae))


def _write_amused(build: Any) -> dict[str, Any]:
    """The masked-token pipeline and, beside it, the codebook's analysis."""
    training, codec = build.amused_training(), build.vq_training()
    folder: Path = build.out / "starter-amused"
    modules = (training.transformer, training.text, codec.model)
    with training.trainer.averaged(), codec.trainer.averaged():
        save_amused(*modules, folder)
    write_tensors(build.book(), folder / BOOK)
    return _entry("amused", training.trainer, folder, modules)


def _entry(name: str, trainer: Any, folder: Path, modules: Sequence[Any]) -> dict[str, Any]:
    return {
        "parameters": sum(w.numel() for module in modules for w in module.parameters()),
        "bytes": folder_bytes(folder),
        "size_px": 64,
        "resolution": [64, 64],
        "samples": trainer.samples,
        "training_seconds": round(trainer.seconds),
        **DEFAULTS[name],
    }
