"""Muon: momentum whose matrices are made orthogonal before the step (Jordan et al. 2024).

Scaled by 0.2 * sqrt(larger side) as in Moonlight (Liu et al. 2025), so that it takes the
learning rate and weight decay of AdamW.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ROUNDS = 5


def suits(name: str, weight: Tensor) -> bool:
    """Whether Muon should move this weight: inner matrices and kernels, no embeddings."""
    outer = ("embed", "conv_in", "conv_out", "norm", "positional")
    return weight.ndim >= 2 and not any(part in name for part in outer)


def orthogonalised(stack: Tensor) -> Tensor:
    """(N, R, C) → matrices with about the same singular vectors and values near one."""
    a, b, c = COEFFICIENTS
    x = stack.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    x = x / (x.float().norm(dim=(1, 2), keepdim=True).bfloat16() + 1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = (x.transpose(1, 2) if tall else x).float()
    return result


class Muon(torch.optim.Optimizer):
    """Moves weights of two or more dimensions; kernels count as (out, rest) matrices."""

    def __init__(
        self, weights: Iterable[Tensor], lr: float, momentum: float = 0.95, decay: float = 0.0
    ) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step; weights of equal shape are worked on together."""
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes[(len(weight), weight.numel() // len(weight))].append(weight)
            for shape, weights in shapes.items():
                self._move(weights, shape, group)

    def _move(self, weights: list[Tensor], shape: tuple[int, int], group: dict[str, Any]) -> None:
        ahead = []
        for weight in weights:
            assert weight.grad is not None
            state = self.state[weight]
            mean = state.setdefault("momentum", torch.zeros_like(weight))
            mean.lerp_(weight.grad, 1 - group["momentum"])
            ahead.append(weight.grad.lerp(mean, group["momentum"]).reshape(shape))
        moves = orthogonalised(torch.stack(ahead)) * (0.2 * max(shape) ** 0.5 * group["lr"])
        for weight, move in zip(weights, moves, strict=True):
            weight.mul_(1 - group["lr"] * group["decay"])
            weight.sub_(move.reshape(weight.shape))


def optimizers(
    modules: dict[str, nn.Module], rate: float, decay: float, muon: bool
) -> list[torch.optim.Optimizer]:
    """AdamW for all weights, or Muon for the matrices and AdamW for the others."""
    named = [
        (name, weight)
        for module in modules.values()
        for name, weight in module.named_parameters()
        if weight.requires_grad
    ]
    inner = [weight for name, weight in named if muon and suits(name, weight)]
    ids = {id(weight) for weight in inner}
    others = [weight for _, weight in named if id(weight) not in ids]
    made: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.99), weight_decay=decay, fused=True)
    ]
    if inner:
        made.append(Muon(inner, lr=rate, decay=decay))
    return made
