"""One network in one safetensors file, with everything else from a model that is installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.errors import UsageError, WeightsError
from cems_tui.generation.weight_files import component_files, read_header
from cems_tui.models.inspect import refuse_pickle
from cems_tui.models.repository import component_names

SUPPORTED = (
    "Supported, with --base NAME, an installed model of the same architecture: a .safetensors "
    "file of a whole Stable Diffusion or SDXL checkpoint, or of one network in the diffusers "
    "layout (such as a fine-tuned unet)."
)
_ORIGINAL_LAYOUT = (
    ("model.diffusion_model.",),
    ("first_stage_model.",),
    ("cond_stage_model.", "conditioner."),
)
"""How names begin: of the U-Net, the autoencoder, the text encoders (Stable Diffusion, SDXL)."""

_LORA = (".lora_", "lora_unet_", "lora_te_", ".lora.")


@dataclass(frozen=True, slots=True)
class Network:
    """The network of a base model that a file replaces."""

    component: str
    file: Path
    """Where the file goes, relative to the model's folder."""


def is_whole_checkpoint(path: Path) -> bool:
    """Whether a file is a whole model in its original layout, by the names in its header.

    Raises:
        UsageError: it is a pickle, or no safetensors file.
        WeightsError: it is damaged.
    """
    refuse_pickle(path)
    if path.suffix != ".safetensors":
        raise UsageError(f"{path} is no safetensors file", SUPPORTED)
    read_header(path)
    names = tensor_shapes(path)
    return all(any(name.startswith(part) for name in names) for part in _ORIGINAL_LAYOUT)


def network_of(path: Path, base: Path, index: Mapping[str, Any]) -> Network:
    """Which network of the base model the file is, by the names and shapes in its header.

    Raises:
        UsageError: it is a LoRA, or fits nothing of the base.
        WeightsError: it is damaged.
    """
    shapes = tensor_shapes(path)
    if any(part in name for name in shapes for part in _LORA):
        raise UsageError(
            f"{path} is a LoRA, which changes a model and is none",
            "Fuse it into a model with diffusers (`fuse_lora`), save that, and import the folder.",
        )
    for component in component_names(index):
        files = component_files(base / component)
        if len(files) == 1 and tensor_shapes(files[0]) == shapes:
            # Under the plain name: float32 or float16 is told by the file itself.
            name = files[0].name.replace(".fp16.", ".")
            return Network(component, Path(component, name))
    raise UsageError(
        f"{path} is none of the networks of {base}: its tensors have other names or shapes",
        SUPPORTED,
    )


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a safetensors file, from its header.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return {
            name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
