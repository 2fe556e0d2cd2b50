"""Stable Diffusion 1 and 2, and everything else that loads as a StableDiffusionPipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cems_tui.errors import WeightsError
from cems_tui.generation.device import likely_kind, torch_device
from cems_tui.generation.families import EngineSettings
from cems_tui.generation.families.components import (
    check_digest,
    check_files,
    check_tokenizer,
    component_class,
    load_network,
    read_index,
)
from cems_tui.generation.families.diffusers_pipeline import DiffusersPipeline
from cems_tui.generation.families.translate import loading_error
from cems_tui.generation.function import GenerationFunction
from cems_tui.generation.weight_files import expected_weight_bytes
from cems_tui.quiet import hush

NETWORKS = ["text_encoder", "unet", "vae"]
_PIPELINE_CLASS = "StableDiffusionPipeline"
_HALF_PRECISION_DEVICES = ("cuda", "xpu")


def load(function: GenerationFunction, folder: Path, settings: EngineSettings) -> DiffusersPipeline:
    """The pipeline of a diffusers folder: float16 on cuda and xpu, float32 elsewhere.

    Only safetensors are read, nothing is fetched, and no code of the folder is run. There is
    no safety checker: it is a network of its own that the folder may not hold.

    Raises:
        WeightsError: the folder is damaged, incomplete or of another pipeline class.
        OutOfMemory: the device has no room for the weights.
    """
    model = function.model
    index = read_index(folder)
    if index.get("_class_name") != _PIPELINE_CLASS:
        raise WeightsError(f"{folder} holds a {index.get('_class_name')}, not a {_PIPELINE_CLASS}")
    if check_files(folder, NETWORKS) <= settings.verify_bytes:
        check_digest(model, folder)
    warm_up(folder)
    try:
        pipe = _assemble(folder, index, torch_device(settings.device))
    except Exception as error:
        raise loading_error(error, model.name, folder) from error
    return DiffusersPipeline(pipe, model.name, threads=settings.threads)


def expected_bytes(folder: Path, settings: EngineSettings) -> int:
    """Device bytes the weights will hold.

    Raises:
        WeightsError: a file is missing or damaged.
    """
    check_files(folder, NETWORKS)
    half = likely_kind(settings.device) in _HALF_PRECISION_DEVICES
    return expected_weight_bytes(folder, NETWORKS, 2 if half else 4)


def warm_up(folder: Path) -> None:
    """Import torch, diffusers and the classes of the folder's networks (6 s cold), quietly.

    Raises:
        WeightsError: the folder names none, or classes that are not to be trusted.
    """
    index = read_index(folder)
    hush()
    from diffusers import StableDiffusionPipeline  # noqa: F401

    for name in NETWORKS:
        component_class(folder, name, index)
    hush()


def _assemble(folder: Path, index: dict[str, Any], device: str) -> Any:
    import torch
    from diffusers import StableDiffusionPipeline

    dtype = torch.float16 if device in _HALF_PRECISION_DEVICES else torch.float32
    networks = {name: load_network(folder, name, index, dtype) for name in NETWORKS}
    pipe = StableDiffusionPipeline.from_pretrained(
        folder,
        **networks,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        local_files_only=True,
        use_safetensors=True,
    )
    check_tokenizer(folder, "tokenizer", pipe.tokenizer, pipe.text_encoder.config.vocab_size)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)
