"""Pictures as codes: a closed-form codebook of 4x4 patches, and a VQModel that speaks it.

64x64 pictures become 16x16 codes. Sprites lie on an 8-pixel grid, so that few patches occur
and k-means over their principal components is a good codebook; only the networks around it
are trained: the decoder from codes to pixels, the encoder to find the same codes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor, nn

from cems_tui.files import SHARED, whole_file
from cems_tui.starter.recipe.networks.decoder import edges
from cems_tui.starter.recipe.training.dataset import Split
from cems_tui.starter.recipe.training.trainer import Log, Losses, Plan, Trainer

PATCH = 4
SIDE = 16
"""Codes along a side of a picture."""
CODES = 1024
CHANNELS = 16
"""Length of a code's vector: principal components of a patch."""
WIDTHS = (48, 48, 48)
"""Channels at 64, 32 and 16 pixels; equal, as a level without blocks cannot change them."""
ROUNDS = 8
CHUNK = 2048
"""Patches compared with the codebook at once; larger tables fall out of the cache."""


def patches(pictures: NDArray[np.uint8]) -> Tensor:
    """(N, 64, 64, 3) bytes → (N * 256, 48) in 0..1, row by row."""
    x = torch.from_numpy(np.array(pictures)).float().div(255)
    x = x.reshape(len(x), SIDE, PATCH, SIDE, PATCH, 3).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(-1, PATCH * PATCH * 3)


def fit(pictures: NDArray[np.uint8], most: int = 250_000) -> dict[str, Tensor]:
    """The codebook: `mean` (48), `encode` (48, CHANNELS) and `codes` (CODES, CHANNELS).

    All components are divided by one number, so that distances are those of the pixels.
    At most `most` patches are looked at.
    """
    random = torch.Generator().manual_seed(0)
    flat = patches(pictures)
    flat = flat[torch.randperm(len(flat), generator=random)[:most]]
    mean = flat.mean(0)
    centred = (flat - mean).double()
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    basis = vectors.flip(1)[:, :CHANNELS].float()
    parts = (flat - mean) @ basis
    scale = parts.square().mean().sqrt()
    book = clustered(parts / scale, CODES, random)
    return {"mean": mean, "encode": (basis / scale).contiguous(), "codes": book}


def clustered(points: Tensor, count: int, random: torch.Generator) -> Tensor:
    """(count, C) centres of k-means; a centre that lost its points takes another's place."""
    start = torch.randint(len(points), (count,), generator=random)
    centres = points[start].clone()
    for _ in range(ROUNDS):
        mine = nearest(points, centres)
        held = torch.bincount(mine, minlength=count)
        sums = torch.zeros_like(centres).index_add_(0, mine, points)
        spare = points[torch.randint(len(points), (count,), generator=random)]
        means = sums / held.clamp(min=1)[:, None]
        centres = torch.where(held[:, None] > 0, means, spare)
    return centres


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """(N,) index of the nearest centre of each point."""
    offset = centres.square().sum(1) / 2
    columns = centres.T.contiguous()
    found = [
        (points[start : start + CHUNK] @ columns).sub_(offset).argmax(1)
        for start in range(0, len(points), CHUNK)
    ]
    return torch.cat(found)


def components(pictures: NDArray[np.uint8], book: dict[str, Tensor]) -> Tensor:
    """(N, 64, 64, 3) bytes → (N, CHANNELS, 16, 16), not yet rounded to codes."""
    parts = (patches(pictures) - book["mean"]) @ book["encode"]
    return parts.reshape(len(pictures), SIDE, SIDE, CHANNELS).permute(0, 3, 1, 2)


def tokens_of(pictures: NDArray[np.uint8], book: dict[str, Tensor]) -> Tensor:
    """(N, 64, 64, 3) bytes → (N, 16, 16) codes."""
    parts = (patches(pictures) - book["mean"]) @ book["encode"]
    return nearest(parts, book["codes"]).reshape(len(pictures), SIDE, SIDE)


def write_tokens(
    pictures: NDArray[np.uint8], book: dict[str, Tensor], path: Path, log: Callable[[str], None]
) -> None:
    """Code all pictures to `path`, (N, 16, 16) int16, unless it is there."""
    if path.exists():
        return
    shape = (len(pictures), SIDE, SIDE)
    with whole_file(path, mode=SHARED) as file:
        out = open_memmap(file.name, "w+", np.int16, shape)
        for start in range(0, len(pictures), 1000):
            out[start : start + 1000] = tokens_of(pictures[start : start + 1000], book).numpy()
        out.flush()
    log(f"{path.name}: {shape}")


def make_vq_model(book: dict[str, Tensor]) -> Any:
    """A VQModel whose codebook is `book`; its pictures are in 0..1, as AmusedPipeline wants."""
    from diffusers import VQModel

    model = VQModel(
        down_block_types=("DownEncoderBlock2D",) * len(WIDTHS),
        up_block_types=("UpDecoderBlock2D",) * len(WIDTHS),
        block_out_channels=WIDTHS,
        layers_per_block=0,  # none in the encoder, one for each level in the decoder
        latent_channels=CHANNELS,
        vq_embed_dim=CHANNELS,
        sample_size=SIDE * PATCH,
        num_vq_embeddings=len(book["codes"]),
        norm_num_groups=8,
        mid_block_add_attention=False,
        lookup_from_codebook=True,
    )
    model.quantize.embedding.weight.requires_grad_(False)
    with torch.no_grad():
        model.quantize.embedding.weight.copy_(book["codes"])
        for layer in (model.quant_conv, model.post_quant_conv):
            nn.init.dirac_(layer.weight)
            nn.init.zeros_(layer.bias)
        model.decoder.conv_out.weight.mul_(0.3)
        model.decoder.conv_out.bias.fill_(0.5)
    return model.to(memory_format=torch.channels_last)


class VqTraining:
    """The VQModel, its data and its trainer."""

    def __init__(
        self,
        split: Split,
        tokens: Path,
        book: dict[str, Tensor],
        checkpoint: Path,
        plan: Plan,
        log: Log,
    ) -> None:
        torch.manual_seed(0)
        self.model: Any = make_vq_model(book)
        self.book = book
        self.split = split
        self.tokens: NDArray[np.int16] = np.load(tokens, mmap_mode="r")
        self.trainer = Trainer({"vqvae": self.model}, checkpoint, plan, log)

    def run(self, saved: Callable[[], None]) -> None:
        """Train to the end of the plan."""
        self.trainer.run(self.losses, saved)

    def losses(self, batch: int, random: torch.Generator) -> Losses:
        """The decoder's distance in values and edges, the encoder's from the components."""
        which = torch.randint(len(self.split), (batch,), generator=random).sort().values.numpy()
        pictures = self.split.pictures[which]
        real = to_unit(pictures)
        codes = torch.from_numpy(self.tokens[which].astype(np.int64))
        shape = (batch, SIDE, SIDE, CHANNELS)
        exact = components(pictures, self.book)
        device = self.trainer.device
        real, codes, exact = real.to(device), codes.to(device), exact.to(device)
        with self.trainer.half():
            made = self.model.decode(codes, force_not_quantize=True, shape=shape).sample.float()
            found = self.model.encode(real).latents.float()
        return {
            "l1": 2 * F.l1_loss(made, real),
            "l2": 4 * F.mse_loss(made, real),
            "edges": 1.4 * edges(made, real),
            "code": 0.3 * F.smooth_l1_loss(found, exact, beta=0.3),
        }


def to_unit(pictures: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3) bytes → (N, 3, H, W) in 0..1, channels last."""
    x = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float().div(255)
    return x.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def decoded(model: Any, tokens: Tensor) -> Tensor:
    """(N, 16, 16) codes → (N, 3, 64, 64) in 0..1, as the pipeline decodes them."""
    shape = (len(tokens), SIDE, SIDE, CHANNELS)
    made: Tensor = model.decode(tokens, force_not_quantize=True, shape=shape).sample
    return made.clip(0, 1)


@torch.no_grad()
def fidelity(model: Any, pictures: NDArray[np.uint8], book: dict[str, Tensor]) -> dict[str, float]:
    """In dB, `codes`: decoding the exact codes; `encoder`: encoding with the network first;
    `agreement`: share of the encoder's codes that are the exact ones."""
    real, exact = to_unit(pictures), tokens_of(pictures, book)
    found = model.encode(real).latents.permute(0, 2, 3, 1).reshape(-1, CHANNELS)
    own = nearest(found, book["codes"]).reshape(exact.shape)
    return {
        "codes": _decibels(decoded(model, exact), real),
        "encoder": _decibels(decoded(model, own), real),
        "agreement": float((own == exact).float().mean()),
    }


def _decibels(made: Tensor, real: Tensor) -> float:
    return float((-10 * (made - real).square().mean((1, 2, 3)).log10()).mean())
