"""Turns a whole checkpoint in its original layout, one file, into a diffusers folder."""

from __future__ import annotations

from pathlib import Path

from cems_tui.errors import WeightsError
from cems_tui.generation.families.layout import read_index
from cems_tui.generation.families.library_errors import loading_error
from cems_tui.generation.families.registry import FAMILIES
from cems_tui.generation.weight_files import mostly_half
from cems_tui.lean_imports import lean_imports
from cems_tui.log import hush


def convert_checkpoint(path: Path, family: str, base: Path, target: Path) -> None:
    """Write the model of one safetensors file as a diffusers folder.

    Args:
        path: a whole checkpoint (U-Net, autoencoder and text encoders) in its original layout.
        family: the family of its base, which must run it.
        base: an installed model of the same architecture: its configs and tokenizers are used.
        target: the folder that is written.

    Raises:
        WeightsError: the file does not fit the base, or the family is not one that can be read so.
        OutOfMemory: the machine has no room for its weights.
    """
    name = getattr(FAMILIES.get(family), "pipeline_class", None)
    if name is None or read_index(base).get("_class_name") != name:
        raise WeightsError(
            f"{path.name} cannot be read with {base}: nothing here runs the family {family}",
            f"Give --base a model of {', '.join(FAMILIES)}.",
        )
    hush()
    with lean_imports():
        import diffusers
        import torch

    hush()
    dtype = torch.float16 if mostly_half(path) else torch.float32
    arguments = dict(getattr(FAMILIES[family], "arguments", {}))
    try:
        pipe = getattr(diffusers, name).from_single_file(
            str(path), config=str(base), local_files_only=True, torch_dtype=dtype, **arguments
        )
        pipe.save_pretrained(target, safe_serialization=True)
    except Exception as error:
        raise loading_error(error, path.name, base) from error
