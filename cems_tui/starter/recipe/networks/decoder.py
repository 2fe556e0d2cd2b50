"""The picture decoder: latents, slightly disturbed, back to pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cems_tui.starter.recipe.networks.architectures import LATENT_SCALE, make_autoencoder
from cems_tui.starter.recipe.training.dataset import Split
from cems_tui.starter.recipe.training.trainer import Log, Losses, Plan, Trainer

DISTURBANCE = 0.2
"""Largest deviation of the noise on the latents: the denoiser's results are not exact."""


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3) bytes → (N, 3, H, W) in -1..1, channels last."""
    x = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float()
    return x.div(127.5).sub(1).contiguous(memory_format=torch.channels_last)


class DecoderTraining:
    """The decoder, its data and its trainer."""

    def __init__(
        self,
        split: Split,
        latents: Path,
        basis: dict[str, Tensor],
        checkpoint: Path,
        plan: Plan,
        log: Log,
    ) -> None:
        torch.manual_seed(0)
        self.vae: Any = make_autoencoder(basis)
        self.split = split
        self.latents: NDArray[np.float16] = np.load(latents, mmap_mode="r")
        self.trainer = Trainer({"decoder": self.vae.decoder}, checkpoint, plan, log)

    def run(self, saved: Callable[[], None]) -> None:
        """Train to the end of the plan."""
        self.trainer.run(self.losses, saved)

    def losses(self, batch: int, random: torch.Generator) -> Losses:
        """Distance of values and of their differences between neighbouring pixels."""
        which = torch.randint(len(self.split), (batch,), generator=random).sort().values.numpy()
        real = to_tensor(self.split.pictures[which])
        z = torch.from_numpy(self.latents[which]).float()
        strength = DISTURBANCE * torch.rand(batch, 1, 1, 1, generator=random)
        z = (z + strength * torch.randn(z.shape, generator=random)) / LATENT_SCALE
        device = self.trainer.device
        real, z = real.to(device), z.to(device)
        with self.trainer.half():
            made = self.vae.decoder(z.contiguous(memory_format=torch.channels_last)).float()
        near = F.l1_loss(made, real)
        return {"l1": near, "l2": F.mse_loss(made, real), "edges": 0.7 * edges(made, real)}


def edges(made: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference of horizontal and vertical gradients."""
    across = F.l1_loss(made[..., 1:] - made[..., :-1], real[..., 1:] - real[..., :-1])
    down = F.l1_loss(made[..., 1:, :] - made[..., :-1, :], real[..., 1:, :] - real[..., :-1, :])
    return across + down


@torch.no_grad()
def fidelity(vae: Any, pictures: NDArray[np.uint8]) -> float:
    """Mean peak signal-to-noise ratio in dB of encode-decode over `pictures`."""
    real = to_tensor(pictures)
    made = vae.decode(vae.encode(real).latents).sample
    error = ((made - real) / 2).square().mean((1, 2, 3))
    return float((-10 * error.log10()).mean())
