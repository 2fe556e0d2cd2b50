"""Denoiser and text encoder, trained together on the latents.

v-prediction down to zero terminal signal (Lin et al. 2024), loss weighted by
min(SNR, 5) / (SNR + 1) (Hang et al. 2023), captions dropped for classifier-free guidance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cems_tui.starter.dataset import WAYS, Split
from cems_tui.starter.networks import make_denoiser, make_scheduler, make_text_encoder
from cems_tui.starter.tokens import UNKNOWN, encode
from cems_tui.starter.trainer import Log, Losses, Plan, Trainer
from cems_tui.starter.vocabulary import COUNTS, SIZES, words_of

DROPPED = 0.1
"""Share of captions replaced by the empty one."""
BLURRED = 0.08
"""Share of captions in which one word becomes the unknown token, so that filler is ignored."""


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
        self.tokens = torch.from_numpy(split.tokens)
        self.odds = importance([ways[0] for ways in split.captions], split.objects).cumsum(0)
        self.empty = torch.from_numpy(encode([""])[0])
        modules = {"unet": self.unet, "text": self.text}
        self.trainer = Trainer(modules, checkpoint, plan, log, seed=width)

    def run(self, saved: Callable[[], None]) -> None:
        """Train to the end of the plan."""
        self.trainer.run(self.losses, saved)

    def losses(self, batch: int, random: torch.Generator) -> Losses:
        """One batch; times are spread evenly over it."""
        which = self.draw(batch, random)
        clean = self.latents[which].float()
        tokens = self.captions(which, random)
        spread = torch.rand(batch, generator=random)
        times = ((torch.arange(batch) + spread) / batch * 1000).long().clamp(0, 999)
        level = self.signal[times].view(-1, 1, 1, 1)
        noise = torch.randn(clean.shape, generator=random)
        noisy = level.sqrt() * clean + (1 - level).sqrt() * noise
        velocity = level.sqrt() * noise - (1 - level).sqrt() * clean
        with torch.autocast("cpu", torch.bfloat16):
            hidden = self.text(input_ids=tokens)[0]
            noisy = noisy.contiguous(memory_format=torch.channels_last)
            guess = self.unet(noisy, times, hidden).sample
        error = (guess.float() - velocity).square().mean((1, 2, 3))
        return {"loss": (error * loss_weight(level.view(-1))).mean(), "_v": error.mean().detach()}

    def draw(self, batch: int, random: torch.Generator) -> Tensor:
        """(batch,) indices of pictures, drawn by importance."""
        at = torch.rand(batch, generator=random, dtype=torch.float64) * self.odds[-1]
        return torch.searchsorted(self.odds, at).clamp(max=len(self.odds) - 1)

    def captions(self, which: Tensor, random: torch.Generator) -> Tensor:
        """One of the captions of each picture, some dropped, some with an unknown word."""
        batch = len(which)
        way = torch.randint(WAYS, (batch,), generator=random)
        tokens = self.tokens[which, way].long()
        at = torch.randint(1, 12, (batch,), generator=random)
        blurred = torch.rand(batch, generator=random) < BLURRED
        tokens = torch.where(blurred[:, None], _inserted(tokens, at), tokens)
        dropped = torch.rand(batch, generator=random) < DROPPED
        return torch.where(dropped[:, None], self.empty.long(), tokens)


def importance(captions: Sequence[str], objects: Sequence[int]) -> Tensor:
    """(N,) float64: how often each picture is drawn. Rare kinds that are learnt late, big
    single objects and groups with a count, come twice as often as the others."""
    big, counts = set(SIZES["big"]), set(COUNTS[1:])
    weights = torch.ones(len(captions), dtype=torch.float64)
    for index, (caption, many) in enumerate(zip(captions, objects, strict=True)):
        words = set(words_of(caption))
        if (many == 1 and words & big) or (many > 2 and words & counts):
            weights[index] = 2.0
    return weights


def loss_weight(level: Tensor) -> Tensor:
    """min(SNR, 5) / (SNR + 1), with a floor so that the noisiest steps still learn layout."""
    ratio = level / (1 - level).clamp(min=1e-6)
    return (torch.clamp(ratio, max=5.0) / (ratio + 1)).clamp(min=0.15) * 1.6


def _inserted(tokens: Tensor, at: Tensor) -> Tensor:
    """An unknown token before position `at` of each row, where the caption is that long."""
    place = torch.arange(tokens.shape[1])[None]
    moved = torch.where(place > at[:, None], tokens.roll(1, 1), tokens)
    moved = torch.where(place == at[:, None], torch.full_like(tokens, UNKNOWN), moved)
    inside = (tokens.gather(1, at[:, None]) != 0) & (tokens[:, -1:] == 0)
    return torch.where(inside, moved, tokens)
