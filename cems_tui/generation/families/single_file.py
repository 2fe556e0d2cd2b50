"""Checkpoints in their original layout, one file: what is in them, and as a diffusers folder.

What a file holds is told by the names and shapes in its header, before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

from cems_tui.errors import UsageError, WeightsError
from cems_tui.generation.families.layout import load_network, read_index
from cems_tui.generation.families.library_errors import loading_error
from cems_tui.generation.families.registry import FAMILIES
from cems_tui.generation.weight_files import (
    Precision,
    component_files,
    mostly_half,
    read_header,
    tensor_shapes,
)
from cems_tui.lean_imports import lean_imports
from cems_tui.log import hush

Shapes = Mapping[str, tuple[int, ...]]
"""Name and shape of every tensor of a file."""

PREFIXES: Mapping[str, tuple[str, ...]] = {
    "unet": ("model.diffusion_model.",),
    "vae": ("first_stage_model.",),
    "text_encoder": ("cond_stage_model.", "conditioner.embedders.0."),
    "text_encoder_2": ("conditioner.embedders.1.",),
}
"""How the names of each part begin in a checkpoint of Stable Diffusion or SDXL."""

PART_WORDS: Mapping[str, str] = {
    "unet": "U-Net",
    "vae": "autoencoder (VAE)",
    "text_encoder": "text encoder",
    "text_encoder_2": "second text encoder",
}

_TRAINING_ONLY = "first_stage_model.loss."
"""Of the autoencoder, what was needed to train it alone."""

_INPUT = "model.diffusion_model.input_blocks.0.0.weight"

_CHANNELS = {9: "an inpainting model", 8: "an editing model", 5: "a model that draws from depth"}

_OTHER_KINDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        (".lora_", "lora_unet_", "lora_te", ".lora.", ".hada_w", ".lokr_w", "lycoris_", ".oft_"),
        "a LoRA, which changes a model and is none",
        "Fuse it into a model with diffusers (`fuse_lora`), save that, and import the folder.",
    ),
    (
        ("control_model.", "controlnet_"),
        "a ControlNet, which steers a model and is none",
        "Nothing here draws with one.",
    ),
    (
        ("emb_params", "string_to_param", "clip_g", "clip_l"),
        "a textual inversion, which adds a word to a model and is none",
        "Nothing here draws with one.",
    ),
    (
        ("decoder.up.0.", "encoder.down.0."),
        "an autoencoder (VAE) in its original layout",
        "Save it with diffusers (`AutoencoderKL.from_single_file(…).save_pretrained(…)`) and "
        "import that file with --base NAME.",
    ),
    (
        ("input_blocks.0.0.",),
        "a U-Net in its original layout",
        "Save it with diffusers (`UNet2DConditionModel.from_single_file(…)`) and import that file "
        "with --base NAME.",
    ),
)
"""By how names begin or what they contain: what a file is that is no checkpoint, and what to do."""


def is_checkpoint(shapes: Shapes) -> bool:
    """Whether a file has parts of a model under the names of the original layout."""
    return bool(held_parts(shapes))


def held_parts(shapes: Shapes) -> tuple[str, ...]:
    """The parts of a model that a checkpoint holds, by component."""
    return tuple(
        part for part, begins in PREFIXES.items() if any(name.startswith(begins) for name in shapes)
    )


def refuse_other_kinds(path: Path, shapes: Shapes) -> None:
    """Refuse a file that is no model and no network of one.

    Raises:
        UsageError: it is a LoRA, a ControlNet or the like; the message says which.
    """
    if is_checkpoint(shapes):
        return
    for signs, what, way_out in _OTHER_KINDS:
        inner = tuple(sign for sign in signs if sign.startswith("."))
        if any(name.startswith(signs) or any(part in name for part in inner) for name in shapes):
            raise UsageError(f"{path} is {what}", way_out)


def lacking_parts(path: Path, shapes: Shapes, base: Path) -> tuple[str, ...]:
    """The components that a checkpoint leaves to its base; every other one is whole.

    Args:
        shapes: the tensors of the checkpoint.
        base: the folder of a model of the same architecture.

    Raises:
        UsageError: it holds no U-Net, or one of another kind of model, or the base has none.
        WeightsError: half of a part is missing.
    """
    index = read_index(base)
    needed = [name for name, found in index.items() if isinstance(found, list) and any(found)]
    if "unet" not in needed:
        raise UsageError(
            f"{path.name} is a Stable Diffusion checkpoint, and {base} is a "
            f"{index.get('_class_name')}",
            "Give --base a Stable Diffusion or SDXL model.",
        )
    held = held_parts(shapes)
    if "unet" not in held:
        there = " and ".join(PART_WORDS[part] for part in held)
        raise UsageError(
            f"{path} holds {there} and no U-Net, so it is no model", "Give a whole checkpoint."
        )
    _refuse_other_unet(path, shapes, base)
    for part in held:
        if part in needed:
            _refuse_half(path, shapes, part, base)
    return tuple(part for part in PREFIXES if part in needed and part not in held)


def _refuse_other_unet(path: Path, shapes: Shapes, base: Path) -> None:
    """A U-Net that takes another number of channels than the base's is of another kind."""
    theirs = _shapes_of(base / "unet").get("conv_in.weight")
    ours = shapes.get(_INPUT)
    if ours is None or theirs is None or len(ours) < 2 or len(theirs) < 2 or ours[1] == theirs[1]:
        return
    what = _CHANNELS.get(ours[1], "another kind of model")
    raise UsageError(
        f"{path} is {what}: its U-Net takes {ours[1]} channels, and that of {base} {theirs[1]}",
        "Nothing here draws with one; give a text-to-picture checkpoint.",
    )


def _refuse_half(path: Path, shapes: Shapes, part: str, base: Path) -> None:
    """Layouts differ in names and not in numbers: fewer than the base's are not all of it."""
    ours = _count(
        shape
        for name, shape in shapes.items()
        if name.startswith(PREFIXES[part]) and not name.startswith(_TRAINING_ONLY)
    )
    theirs = sum(read_header(file).float_count for file in component_files(base / part))
    if ours < theirs:
        raise WeightsError(
            f"{path} is incomplete, or of another model than {base}: its {PART_WORDS[part]} has "
            f"{ours:,} numbers of {theirs:,}",
            "Copy or download it again, whole, or give --base a model of the same architecture.",
        )


def _shapes_of(component: Path) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for file in component_files(component):
        found |= tensor_shapes(file)
    return found


def _count(shapes: Iterable[tuple[int, ...]]) -> int:
    return sum(prod(shape) for shape in shapes)


def convert_checkpoint(path: Path, family: str, base: Path, target: Path) -> None:
    """Write the model of one safetensors file as a diffusers folder.

    Args:
        path: a checkpoint in its original layout: a U-Net, and any of autoencoder and text
            encoders. What it lacks is taken from the base.
        family: the family of its base, which must run it.
        base: an installed model of the same architecture: its configs and tokenizers are used.
        target: the folder that is written.

    Raises:
        UsageError: the file is another kind of model.
        WeightsError: the file does not fit the base, or the family is not one that can be read so.
        OutOfMemory: the machine has no room for its weights.
    """
    layout = FAMILIES.get(family)
    index = read_index(base)
    if layout is None or index.get("_class_name") != layout.pipeline_class:
        raise WeightsError(
            f"{path.name} cannot be read with {base}: nothing here runs the family {family}",
            f"Give --base a model of {', '.join(FAMILIES)}.",
        )
    lacking = lacking_parts(path, tensor_shapes(path), base)
    hush()
    with lean_imports():
        import diffusers
        import torch

    hush()
    precision: Precision = "float16" if mostly_half(path) else "float32"
    arguments: dict[str, Any] = dict(layout.arguments)
    try:
        taken = {part: load_network(base, part, index, precision) for part in lacking}
        pipe = getattr(diffusers, layout.pipeline_class).from_single_file(
            str(path),
            config=str(base),
            local_files_only=True,
            torch_dtype=getattr(torch, precision),
            **taken,
            **arguments,
        )
        pipe.save_pretrained(target, safe_serialization=True)
    except Exception as error:
        raise loading_error(error, path.name, base) from error
