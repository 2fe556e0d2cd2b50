"""The one-step model: the small networks, taught to draw the whole picture from noise alone.

At the noisiest time v-prediction asks for minus the picture, and the best guess of it is the
mean over all places where its things may stand: a blur. So the one-step model is taught one
settled picture for each scene, every thing in its nominal place before the first variant of
its ground, which leaves little to average. What it loses for that is variety: its seeds
change details, not the arrangement. It needs no classifier-free guidance.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cems_tui.starter.recipe.networks.architectures import make_denoiser, make_text_encoder
from cems_tui.starter.recipe.training.batches import Batches
from cems_tui.starter.recipe.training.dataset import Split
from cems_tui.starter.recipe.training.trainer import Log, Losses, Plan, Trainer

NOISIEST = 999
"""The one time that a trailing schedule of one step asks for."""


class TurboTraining:
    """The student's networks, started from the small model's, with their data and trainer."""

    def __init__(
        self,
        split: Split,
        latents: Path,
        basis: dict[str, Tensor],
        checkpoint: Path,
        width: int,
        plan: Plan,
        log: Log,
        start: tuple[Any, Any] | None = None,
    ) -> None:
        """`split` holds settled pictures; `start` the denoiser and text encoder to start from."""
        torch.manual_seed(width)
        self.text: Any = make_text_encoder()
        self.unet: Any = make_denoiser(width)
        if start is not None:
            self.unet.load_state_dict(start[0].state_dict())
            self.text.load_state_dict(start[1].state_dict())
        self.latents = torch.from_numpy(np.load(latents))
        self.batches = Batches(split, dropped=0.0)
        self.to_pixels = basis["decode"].to(plan.device)
        modules = {"unet": self.unet, "text": self.text}
        self.trainer = Trainer(modules, checkpoint, plan, log, seed=width)

    def run(self, saved: Callable[[], None]) -> None:
        """Train to the end of the plan."""
        self.trainer.run(self.losses, saved)

    def losses(self, batch: int, random: torch.Generator) -> Losses:
        """Distance of the picture foreseen from pure noise, in latents and in linear pixels."""
        which = self.batches.draw(batch, random)
        clean = self.latents[which].float()
        words = self.batches.captions(which, random)
        noise = torch.randn(clean.shape, generator=random)
        device = self.trainer.device
        clean, words, noise = clean.to(device), words.to(device), noise.to(device)
        with self.trainer.half():
            made = foreseen(self.unet, self.text, noise, words)
        gap = (made - clean).permute(0, 2, 3, 1)
        return {
            "latent": 0.5 * F.smooth_l1_loss(made, clean, beta=0.3),
            "pixel": 2.0 * (gap @ self.to_pixels).abs().mean(),
            "_square": gap.square().mean().detach(),
        }


def foreseen(unet: Any, text: Any, noise: Tensor, words: Tensor) -> Tensor:
    """The latents that one step makes of pure noise: minus the velocity, as no signal is left."""
    noise = noise.contiguous(memory_format=torch.channels_last)
    times = torch.full((len(noise),), NOISIEST, device=noise.device)
    velocity: Tensor = unet(noise, times, text(input_ids=words)[0]).sample
    return -velocity.float()
