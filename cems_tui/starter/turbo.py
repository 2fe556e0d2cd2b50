"""A few-step model from the base: consistency distillation with the guidance baked in.

Song et al. 2023 and LCM (Luo et al. 2023): wherever on a trajectory of the guided teacher
the student stands, it should foresee the same end. Needs no classifier-free guidance after.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from cems_tui.starter.diffusion import Diffusion
from cems_tui.starter.trainer import Losses

GUIDANCE = 2.5
POINTS = 16
"""Times the teacher's trajectory is cut into, evenly down from the noisiest."""


class TurboLosses:
    """The distillation loss for a Diffusion whose networks start as copies of the teacher's."""

    def __init__(self, student: Diffusion, unet: Any, text: Any) -> None:
        self.student = student
        self.teacher = unet.eval().requires_grad_(False)
        self.reader = text.eval().requires_grad_(False)
        student.unet.load_state_dict(unet.state_dict())
        student.text.load_state_dict(text.state_dict())
        if student.trainer.progress.step == 0:
            student.trainer.mean = [w.detach().clone() for w in student.trainer.weights]
        self.target: Any = deepcopy(student.unet).requires_grad_(False)
        self.times = torch.tensor([999 - round(1000 / POINTS * k) for k in range(POINTS)] + [-1])

    def __call__(self, batch: int, random: torch.Generator) -> Losses:
        """One batch: a noisy picture, one guided teacher step on, both ends compared."""
        student = self.student
        which = student.draw(batch, random)
        clean = student.latents[which].float()
        way = torch.randint(student.tokens.shape[1], (batch,), generator=random)
        tokens = student.tokens[which, way].long()
        at = torch.randint(POINTS, (batch,), generator=random)
        at[: batch // 4] = 0  # the one-step case
        now, then = self.times[at], self.times[at + 1]
        noise = torch.randn(clean.shape, generator=random)
        level = self.level(now)
        noisy = level.sqrt() * clean + (1 - level).sqrt() * noise
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                goal = self.goal(noisy, tokens, now, then)
            hidden = student.text(input_ids=tokens)[0]
            end = self.end(student.unet, noisy, now, hidden)
        gap = (end - goal).square().mean((1, 2, 3)) + 1e-4
        return {"loss": gap.sqrt().mean(), "_square": gap.mean().detach()}

    def level(self, times: Tensor) -> Tensor:
        """Share of signal at `times`, (N, 1, 1, 1); 1 at time -1."""
        share = torch.where(times < 0, torch.ones(()), self.student.signal[times.clamp(min=0)])
        return share.view(-1, 1, 1, 1)

    def end(self, unet: Any, noisy: Tensor, times: Tensor, hidden: Tensor) -> Tensor:
        """The clean latents foreseen from `noisy`."""
        level = self.level(times)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        velocity: Tensor = unet(noisy, times.clamp(min=0), hidden).sample.float()
        return level.sqrt() * noisy - (1 - level).sqrt() * velocity

    def goal(self, noisy: Tensor, tokens: Tensor, now: Tensor, then: Tensor) -> Tensor:
        """One guided DDIM step of the teacher, then the averaged student's foresight."""
        empty = self.student.empty.long().expand_as(tokens)
        told, untold = self.reader(input_ids=torch.cat([tokens, empty]))[0].chunk(2)
        with_words = self.end(self.teacher, noisy, now, told)
        without = self.end(self.teacher, noisy, now, untold)
        clean = without + GUIDANCE * (with_words - without)
        level, following = self.level(now), self.level(then)
        noise = (noisy - level.sqrt() * clean) / (1 - level).sqrt()
        onward = following.sqrt() * clean + (1 - following).sqrt() * noise
        seen = self.end(self.target, onward, then, self.student.text(input_ids=tokens)[0])
        self._follow()
        return torch.where((then < 0).view(-1, 1, 1, 1), clean, seen)

    def _follow(self) -> None:
        for slow, fast in zip(
            self.target.parameters(), self.student.unet.parameters(), strict=True
        ):
            slow.lerp_(fast, 0.05)


def distil(student: Diffusion, unet: Any, text: Any, saved: Callable[[], None]) -> None:
    """Train `student` from the teacher `unet` and `text` to the end of its plan."""
    kept = student.trainer.progress.step
    state = [deepcopy(module.state_dict()) for module in (student.unet, student.text)]
    losses = TurboLosses(student, unet, text)
    if kept:
        student.unet.load_state_dict(state[0])
        student.text.load_state_dict(state[1])
    student.trainer.run(losses, saved)
