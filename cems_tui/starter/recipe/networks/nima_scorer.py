"""Training of the ten-bin head: pictures spoiled by known amounts, earth mover's distance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cems_tui.scoring.nima_head import BINS, NimaHead
from cems_tui.starter.recipe.training.dataset import Split
from cems_tui.starter.recipe.training.trainer import Log, Losses, Plan, Trainer
from cems_tui.starter.recipe.world.degrade import spoil

BEST, WORST = 9.3, 1.6
SPREAD = 1.1
"""Deviation of the marks around their mean, in marks."""


def distribution(severity: Tensor) -> Tensor:
    """(N,) severities in 0..1 → (N, 10) target distributions, a bell around the due mark."""
    centre = BEST - (BEST - WORST) * severity
    marks = torch.arange(1, BINS + 1, dtype=torch.float32)
    return (-0.5 * ((marks - centre[:, None]) / SPREAD).square()).softmax(-1)


def earth_mover(guess: Tensor, target: Tensor) -> Tensor:
    """Mean over the batch of the root mean square distance of the cumulative sums."""
    gap = (guess.cumsum(-1) - target.cumsum(-1)).square().mean(-1)
    return (gap + 1e-8).sqrt().mean()


class NimaTraining:
    """The head, its pictures and its trainer.

    `samples` are pictures of an early denoiser, (N, 64, 64, 3) bytes, with the severity
    each deserves; a seventh of each batch comes from them when they are given.
    """

    def __init__(
        self,
        split: Split,
        checkpoint: Path,
        plan: Plan,
        log: Log,
        samples: tuple[NDArray[np.uint8], NDArray[np.float32]] | None = None,
        width: int = 24,
    ) -> None:
        torch.manual_seed(0)
        self.head = NimaHead(width)
        self.split, self.samples = split, samples
        self.trainer = Trainer({"head": self.head}, checkpoint, plan, log)

    def run(self, saved: Callable[[], None]) -> None:
        """Train to the end of the plan."""
        self.trainer.run(self.losses, saved)

    def losses(self, batch: int, random: torch.Generator) -> Losses:
        """The distance between predicted and due distributions."""
        which = torch.randint(len(self.split), (batch,), generator=random).numpy()
        x, severity = spoil(as_unit(self.split.pictures[which]), random)
        if self.samples is not None:
            extra = torch.randint(len(self.samples[0]), (batch // 6,), generator=random).numpy()
            x = torch.cat([x, as_unit(self.samples[0][extra])])
            severity = torch.cat([severity, torch.from_numpy(self.samples[1][extra])])
        x = x.contiguous(memory_format=torch.channels_last)
        with self.trainer.half():
            logits = self.head.logits(x)
        return {"emd": earth_mover(logits.float().softmax(-1), distribution(severity))}


def as_unit(pictures: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3) bytes → (N, 3, H, W) in 0..1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255
