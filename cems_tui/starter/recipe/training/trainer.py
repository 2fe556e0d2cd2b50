"""The loop all trainings share: budget, learning rate, moving average, checkpoint, log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from cems_tui.files import SHARED, whole_file
from cems_tui.starter.recipe.training.muon import optimizers

Log = Callable[[str], None]
Losses = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard to train. The learning rate falls by a cosine after `flat`."""

    seconds: float = math.inf
    """Training time, summed over interruptions."""
    steps: int = 10**9
    batch: int = 64
    rate: float = 1e-3
    flat: float = 0.5
    """Share of the budget at the full learning rate."""
    average: float = 0.999
    """Decay of the weights' moving average."""
    decay: float = 0.01
    every: float = 240.0
    """Seconds between checkpoints."""
    warm: int = 150
    """Steps of linear warm-up."""
    muon: bool = True
    """Whether inner matrices are moved by Muon; everything else is moved by AdamW."""
    device: str = "cpu"
    """A torch device; data are prepared on the CPU and sent there in batches."""
    compiled: bool = False
    """Whether the networks are compiled first: minutes, for steps a third faster or more."""
    halved: bool = True
    """Whether the networks compute in bfloat16; a processor without it is far slower then."""


@dataclass(slots=True)
class Progress:
    """Where a training stands; saved in its checkpoint."""

    step: int = 0
    seconds: float = 0.0
    earlier_samples: int = 0
    """Samples the weights had seen when this training took them over."""
    earlier_seconds: float = 0.0
    recent: dict[str, float] = field(default_factory=dict)

    def share(self, plan: Plan) -> float:
        """How much of the budget is used, 0..1."""
        return min(1.0, max(self.step / plan.steps, self.seconds / plan.seconds))


class Trainer:
    """Trains `modules` together; resumes from `path` when it exists."""

    def __init__(
        self, modules: dict[str, nn.Module], path: Path, plan: Plan, log: Log, seed: int = 0
    ) -> None:
        self.modules = modules
        self.path = path
        self.plan = plan
        self.log = log
        self.progress = Progress()
        self.device = torch.device(plan.device)
        for module in modules.values():
            module.to(self.device)
        self.weights: list[Tensor] = [
            w for m in modules.values() for w in m.parameters() if w.requires_grad
        ]
        self.mean = [w.detach().clone() for w in self.weights]
        self.optimizers = optimizers(modules, plan.rate, plan.decay, plan.muon)
        self.random = torch.Generator().manual_seed(seed)
        if path.exists():
            self._load()

    @property
    def done(self) -> bool:
        """Whether the budget is used up."""
        return self.progress.share(self.plan) >= 1.0

    def run(
        self, losses_of: Callable[[int, torch.Generator], Losses], saved: Callable[[], None]
    ) -> Progress:
        """Train until the budget ends. `losses_of` gives the terms whose sum is minimised;
        names that start with `_` are only reported. `saved` runs after each checkpoint."""
        if self.plan.compiled and not self.done:
            for module in self.modules.values():
                module.compile(dynamic=False)
        last = time.monotonic()
        next_save = self.progress.seconds + self.plan.every
        while not self.done:
            self._step(losses_of(self.plan.batch, self.random))
            now = time.monotonic()
            self.progress.seconds += now - last
            last = now
            if self.progress.step % 100 == 0:
                self._report()
            if self.progress.seconds >= next_save:
                self.save()
                saved()
                last = time.monotonic()
                next_save = self.progress.seconds + self.plan.every
        self.save()
        saved()
        return self.progress

    def _rate(self) -> float:
        plan, share = self.plan, self.progress.share(self.plan)
        fall = max(0.0, (share - plan.flat) / max(1e-9, 1 - plan.flat))
        warm = min(1.0, (self.progress.step + 1) / plan.warm)
        return plan.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * fall)))

    def _step(self, losses: Losses) -> None:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self._rate()
            optimizer.zero_grad(set_to_none=True)
        total = torch.stack([v for k, v in losses.items() if not k.startswith("_")]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        step = self.progress.step = self.progress.step + 1
        keep = min(self.plan.average, (step + 1) / (step + 20))
        with torch.no_grad():
            torch._foreach_lerp_(self.mean, [w.detach() for w in self.weights], 1 - keep)
        for name, value in losses.items():
            before = self.progress.recent.get(name, value.item())
            self.progress.recent[name] = 0.99 * before + 0.01 * value.item()

    def _report(self) -> None:
        at = self.progress
        terms = " ".join(f"{name} {value:.4f}" for name, value in at.recent.items())
        speed = at.step * self.plan.batch / max(at.seconds, 1e-9)
        self.log(f"{at.step} {at.seconds:.0f}s {terms} {speed:.0f}/s lr {self._rate():.1e}")

    def half(self) -> torch.autocast:
        """Inside, the networks compute in bfloat16 where the plan says so."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.halved)

    @property
    def samples(self) -> int:
        """Samples the weights have seen, before this training and in it."""
        return self.progress.earlier_samples + self.progress.step * self.plan.batch

    @property
    def seconds(self) -> float:
        """Seconds the weights were trained, before this training and in it."""
        return self.progress.earlier_seconds + self.progress.seconds

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the modules hold their averaged weights and are in evaluation mode."""
        kept = [w.detach().clone() for w in self.weights]
        training = {name: module.training for name, module in self.modules.items()}
        with torch.no_grad():
            torch._foreach_copy_(self.weights, self.mean)
        for module in self.modules.values():
            module.eval()
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self.weights, kept)
            for name, module in self.modules.items():
                module.train(training[name])

    def save(self) -> None:
        """Write the checkpoint beside, then rename it into place."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "mean": self.mean,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "random": self.random.get_state(),
            "step": self.progress.step,
            "seconds": self.progress.seconds,
            "recent": self.progress.recent,
            "earlier_samples": self.progress.earlier_samples,
            "earlier_seconds": self.progress.earlier_seconds,
        }
        with whole_file(self.path, mode=SHARED) as file:
            torch.save(state, file)

    def _load(self) -> None:
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        with torch.no_grad():
            for mean, saved_mean in zip(self.mean, state["mean"], strict=True):
                mean.copy_(saved_mean)
        for optimizer, saved in zip(self.optimizers, state["optimizers"] or (), strict=False):
            optimizer.load_state_dict(saved)
        self.random.set_state(state["random"])
        self.progress = Progress(
            state["step"],
            state["seconds"],
            state.get("earlier_samples", 0),
            state.get("earlier_seconds", 0.0),
            state["recent"],
        )
        self.log(f"resumes at step {self.progress.step}")
