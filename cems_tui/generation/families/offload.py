"""Draws with networks that the device does not hold: their layers come from main memory in turn.

Slower than a model that is held whole, and the same picture. The decoder stays on the device: it is
small, and pipelines call more of it than its layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from typing import Any

from cems_tui.generation.weight_files import BYTES_PER_FLOAT, Precision, tensors_of

OFFLOADING_DEVICES = ("cuda",)
"""Kinds of device with a memory of their own that layers are brought to while others compute."""

IN_PARTS = "part by part"
"""What receipts say behind the precision of weights that were not held whole."""

_AT_ONCE = 2
"""Layers on the device: one computes, the next one comes."""


def offload(network: Any, device: str) -> None:
    """Have a network in main memory compute on the device, layer by layer.

    Its weights are never written back: what a layer leaves behind there is forgotten.
    """
    import torch
    from diffusers.hooks import apply_group_offloading

    apply_group_offloading(
        network,
        onload_device=torch.device(device),
        offload_type="leaf_level",
        use_stream=device in OFFLOADING_DEVICES,
    )


def layers_bytes(files: Iterable[Sequence[Path]], precision: Precision) -> int:
    """Device bytes of the layers that are there at once, at most.

    Args:
        files: the weight files of each network.
        precision: what they are held in.
    """
    numbers = [
        prod(tensor.shape)
        for paths in files
        for path in paths
        for tensor in tensors_of(path).values()
    ]
    return _AT_ONCE * max(numbers, default=0) * BYTES_PER_FLOAT[precision]
