"""Ways to spoil a picture by a known amount, for the scorers to learn from."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Spoil = Callable[[Tensor, float, torch.Generator], Tensor]


def blur(x: Tensor, severity: float, random: torch.Generator) -> Tensor:
    """Shrink and enlarge: down to a tenth of the size."""
    side = max(5, int(x.shape[-1] * (1 - 0.9 * severity**0.5)))
    small = F.interpolate(x, (side, side), mode="area")
    return F.interpolate(small, x.shape[-2:], mode="bilinear", align_corners=False)


def noise(x: Tensor, severity: float, random: torch.Generator) -> Tensor:
    """Gaussian noise of each pixel."""
    return x + 0.9 * severity * torch.randn(x.shape, generator=random)


def blotches(x: Tensor, severity: float, random: torch.Generator) -> Tensor:
    """Coarse coloured noise, like a sample that has not been denoised enough."""
    coarse = torch.randn(len(x), 3, 10, 10, generator=random)
    return x + 0.9 * severity * F.interpolate(coarse, x.shape[-2:], mode="bicubic")


def scramble(x: Tensor, severity: float, random: torch.Generator) -> Tensor:
    """Exchange 8x8 blocks of the picture; all of them at severity 1."""
    batch, channels, height, width = x.shape
    rows, columns = height // 8, width // 8
    blocks = x.reshape(batch, channels, rows, 8, columns, 8).permute(2, 4, 0, 1, 3, 5)
    flat = blocks.reshape(rows * columns, batch, channels, 8, 8).clone()
    many = max(2, int(severity * len(flat)))
    chosen = torch.randperm(len(flat), generator=random)[:many]
    flat[chosen] = flat[chosen.roll(1)]
    blocks = flat.reshape(rows, columns, batch, channels, 8, 8).permute(2, 3, 0, 4, 1, 5)
    return blocks.reshape(x.shape)


def ghost(x: Tensor, severity: float, random: torch.Generator) -> Tensor:
    """Blend with another picture of the batch."""
    return torch.lerp(x, x.roll(1, 0), 0.5 * severity)


def smear(x: Tensor, severity: float, random: torch.Generator) -> Tensor:
    """Bend the picture by a smooth random field."""
    field = torch.randn(len(x), 2, 6, 6, generator=random) * 0.22 * severity
    field = F.interpolate(field, x.shape[-2:], mode="bicubic").permute(0, 2, 3, 1)
    eye = torch.eye(2, 3).expand(len(x), 2, 3)
    grid = F.affine_grid(eye, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid + field, padding_mode="border", align_corners=False)


def flatten(x: Tensor, severity: float, random: torch.Generator) -> Tensor:
    """Take the contrast away, towards the mean colour."""
    return torch.lerp(x, x.mean((-2, -1), keepdim=True), 0.95 * severity)


def glare(x: Tensor, severity: float, random: torch.Generator) -> Tensor:
    """Too much contrast, as from too strong guidance."""
    return ((x - 0.5) * (1 + 5 * severity) + 0.5).clamp(0, 1)


KINDS: tuple[Spoil, ...] = (blur, noise, blotches, scramble, ghost, smear, flatten, glare)


def spoil(x: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Spoil a batch (N, 3, H, W) in 0..1 in equal parts of it, a third not at all.

    Returns the pictures and their severities (N) in 0..1. Two kinds in a row add up as
    independent damages do.
    """
    parts, severities = [], []
    clean = len(x) // 3
    parts.append(x[:clean])
    severities.append(torch.zeros(clean))
    for part in torch.split(x[clean:], max(2, len(x) // 12)):
        total = 0.0
        for _ in range(1 + int(torch.randint(2, (1,), generator=random))):
            kind = KINDS[int(torch.randint(len(KINDS), (1,), generator=random))]
            severity = 0.08 + 0.92 * float(torch.rand(1, generator=random))
            part = kind(part, severity, random)
            total = 1 - (1 - total) * (1 - severity)
        parts.append(part)
        severities.append(torch.full((len(part),), total))
    return torch.cat(parts).clamp(0, 1), torch.cat(severities)
