"""Denoiser and text encoder, trained together on the latents.

v-prediction down to zero terminal signal (Lin et al. 2024), loss weighted by
min(SNR, 5) / (SNR + 1) (Hang et al. 2023), captions dropped for classifier-free guidance.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cems_tui.starter.recipe.networks.architectures import (
    make_denoiser,
    make_scheduler,
    make_text_encoder,
)
from cems_tui.starter.recipe.training.batches import Batches
from cems_tui.starter.recipe.training.dataset import Split
from cems_tui.starter.recipe.training.trainer import Log, Losses, Plan, Trainer


class Diffusion:
    """The two networks, their data and their trainer."""

    def __init__(
        self, split: Split, latents: Path, checkpoint: Path, width: int, plan: Plan, log: Log
    ) -> None:
        torch.manual_seed(width)
        self.text: Any = make_text_encoder()
        self.unet: Any = make_denoiser(width)
        self.signal: Tensor = make_scheduler().alphas_cumprod.float()
        self.latents = torch.from_numpy(np.load(latents))
        self.batches = Batches(split)
        modules = {"unet": self.unet, "text": self.text}
        self.trainer = Trainer(modules, checkpoint, plan, log, seed=width)

    def run(self, saved: Callable[[], None]) -> None:
        """Train to the end of the plan."""
        self.trainer.run(self.losses, saved)

    def losses(self, batch: int, random: torch.Generator) -> Losses:
        """One batch; times are spread evenly over it."""
        which = self.batches.draw(batch, random)
        clean = self.latents[which].float()
        tokens = self.batches.captions(which, random)
        spread = torch.rand(batch, generator=random)
        times = ((torch.arange(batch) + spread) / batch * 1000).long().clamp(0, 999)
        level = self.signal[times].view(-1, 1, 1, 1)
        noise = torch.randn(clean.shape, generator=random)
        device = self.trainer.device
        clean, noise, tokens = clean.to(device), noise.to(device), tokens.to(device)
        level, times = level.to(device), times.to(device)
        noisy = level.sqrt() * clean + (1 - level).sqrt() * noise
        velocity = level.sqrt() * noise - (1 - level).sqrt() * clean
        with self.trainer.half():
            hidden = self.text(input_ids=tokens)[0]
            noisy = noisy.contiguous(memory_format=torch.channels_last)
            guess = self.unet(noisy, times, hidden).sample
        error = (guess.float() - velocity).square().mean((1, 2, 3))
        return {"loss": (error * loss_weight(level.view(-1))).mean(), "_v": error.mean().detach()}


def loss_weight(level: Tensor) -> Tensor:
    """min(SNR, 5) / (SNR + 1), with a floor so that the noisiest steps still learn layout."""
    ratio = level / (1 - level).clamp(min=1e-6)
    return (torch.clamp(ratio, max=5.0) / (ratio + 1)).clamp(min=0.15) * 1.6
