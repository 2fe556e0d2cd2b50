"""Closed-form latents: a principal component analysis of 8x8 patches.

64x64 pictures become 8x8 latents of CHANNELS numbers. Components are partly whitened
(divided by deviation^0.6), so that the large ones lead without drowning the small ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from cems_tui.files import SHARED, whole_file

CHANNELS = 24
PATCH = 8
WHITENING = 0.6


def patches(pictures: NDArray[np.uint8]) -> Tensor:
    """(N, 64, 64, 3) bytes → (N, 8, 8, 192) in -1..1, each patch ordered (row, column, rgb)."""
    x = torch.from_numpy(np.array(pictures)).float().div(127.5).sub(1)
    count, side = len(x), x.shape[1] // PATCH
    x = x.reshape(count, side, PATCH, side, PATCH, 3).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(count, side, side, PATCH * PATCH * 3)


def fit(pictures: NDArray[np.uint8]) -> dict[str, Tensor]:
    """`mean` (192), `encode` (192, C) and `decode` (C, 192) of the leading components."""
    flat = patches(pictures).reshape(-1, PATCH * PATCH * 3).double()
    mean = flat.mean(0)
    centred = flat - mean
    variance, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    deviation = variance.flip(0)[:CHANNELS].clamp(min=1e-9).sqrt()
    basis = vectors.flip(1)[:, :CHANNELS]
    scale = deviation.pow(-WHITENING)
    scale = scale / (deviation * scale).pow(2).mean().sqrt()
    return {
        "mean": mean.float(),
        "encode": (basis * scale).float().contiguous(),
        "decode": (basis / scale).T.float().contiguous(),
    }


def encode(pictures: NDArray[np.uint8], basis: dict[str, Tensor]) -> Tensor:
    """(N, 64, 64, 3) bytes → (N, CHANNELS, 8, 8)."""
    return ((patches(pictures) - basis["mean"]) @ basis["encode"]).permute(0, 3, 1, 2)


def as_convolution(basis: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The encoder as weight (C, 3, 8, 8) and bias (C) of one stride-8 convolution."""
    kernel = basis["encode"].T.reshape(-1, PATCH, PATCH, 3).permute(0, 3, 1, 2).contiguous()
    return kernel, -(basis["mean"] @ basis["encode"])


def basis_of_kernel(kernel: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """The analysis whose `as_convolution` is (kernel, bias): what a packed encoder holds.

    The mean is known only as far as the components see it; that is all that is used of it.
    """
    encode = kernel.float().permute(0, 2, 3, 1).reshape(CHANNELS, -1).T.contiguous()
    decode = torch.linalg.pinv(encode.double()).float().contiguous()
    return {"mean": -(bias.float() @ decode), "encode": encode, "decode": decode}


def write_latents(
    pictures: NDArray[np.uint8], basis: dict[str, Tensor], path: Path, log: Callable[[str], None]
) -> None:
    """Encode all pictures to `path`, (N, C, 8, 8) float16, unless it is there."""
    if path.exists():
        return
    shape = (len(pictures), CHANNELS, 8, 8)
    with whole_file(path, mode=SHARED) as file:
        out = open_memmap(file.name, "w+", np.float16, shape)
        for start in range(0, len(pictures), 2000):
            out[start : start + 2000] = encode(pictures[start : start + 2000], basis).numpy()
        out.flush()
    log(f"{path.name}: {shape}")
