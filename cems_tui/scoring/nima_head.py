"""The ten-bin quality judge of the pack: a small convolutional NIMA head.

NIMA (Talebi & Milanfar 2018) predicts how people's marks from 1 to 10 would spread; the
score of a picture is the mean of that distribution.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cems_tui.errors import WeightsError
from cems_tui.files import read_json

BINS = 10
FORMAT = 1


class Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in."""
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(x + self.second_norm(self.second(inner)))


class NimaHead(nn.Module):
    """(B, 3, H, W) in 0..1 → (B, 10) probabilities of the marks 1..10."""

    def __init__(self, width: int = 24, size_px: int = 64) -> None:
        super().__init__()
        self.width = width
        self.size_px = size_px
        channels = (3, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                Residual(after),
            ]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(2 * channels[-1], BINS)

    def logits(self, x: Tensor) -> Tensor:
        """(B, 10) before the softmax; pictures of another size are resized first."""
        if x.shape[-2:] != (self.size_px, self.size_px):
            shape = (self.size_px, self.size_px)
            x = F.interpolate(x, shape, mode="bilinear", antialias=True, align_corners=False)
        features = self.body(x * 2 - 1)
        pooled = torch.cat([features.mean((-2, -1)), features.amax((-2, -1))], 1)
        return self.head(pooled)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """The distribution over the marks."""
        return self.logits(x).float().softmax(-1)


def mean_mark(probabilities: Tensor) -> Tensor:
    """(B, 10) probabilities → (B,) scores in 1..10."""
    marks = torch.arange(1, BINS + 1, dtype=probabilities.dtype, device=probabilities.device)
    return (probabilities * marks).sum(-1)


def save_nima(head: NimaHead, folder: Path) -> None:
    """Write config.json and model.safetensors (half precision)."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in head.state_dict().items()
    }
    save_file(state, str(folder / "model.safetensors"))
    config = {"format": FORMAT, "width": head.width, "size_px": head.size_px, "bins": BINS}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def load_nima(folder: Path, device: torch.device | str = "cpu") -> NimaHead:
    """The trained head in float32 on `device`, ready to judge."""
    try:
        config = read_json(folder / "config.json")
        if config["format"] > FORMAT:
            raise WeightsError(f"{folder} needs a newer cems-tui (format {config['format']})")
        head = NimaHead(int(config["width"]), int(config["size_px"]))
        state = load_file(str(folder / "model.safetensors"))
        head.load_state_dict(state)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"the quality head in {folder} cannot be read: {error}") from error
    return head.float().to(device).eval()
