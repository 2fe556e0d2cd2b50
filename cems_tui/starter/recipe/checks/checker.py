"""The detector that checks pictures: objects with noun, colour, place and size, and the ground.

It is trained apart from the scorers and never used for routing. A centre map marks objects
(Zhou et al. 2019, "Objects as Points"); at each peak the other maps say what is there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cems_tui.errors import WeightsError
from cems_tui.scoring.nima_head import Residual
from cems_tui.starter.recipe.checks.correctness import NEUTRAL, UNCLEAR, Detection, Natural, Seen
from cems_tui.starter.vocabulary import BACKGROUNDS, COLOURS, NOUNS

FORMAT = 1
CELL_PX = 4
SIDE_PX = 64
USUAL_PX = 32.0
"""Sizes are predicted as log(size / USUAL_PX)."""

LABELS = (*NOUNS, UNCLEAR)
PAINTS: tuple[str | None, ...] = (None, *COLOURS)
GROUNDS = (NEUTRAL, *COLOURS, *BACKGROUNDS)

UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError,
)  # fmt: skip

THRESHOLD = 0.4
"""Least height of a peak of the centre map that counts as an object."""
APART = 0.35
"""A peak nearer to a higher one than this share of its size is the same object."""


class Detector(nn.Module):
    """(B, 3, 64, 64) in 0..1 → maps of 16x16 cells and (B, grounds) logits."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.width = width
        double, triple = 2 * width, 3 * width
        self.fine = _down(3, width)
        self.middle = nn.Sequential(_down(width, double), Residual(double))
        self.coarse = nn.Sequential(_down(double, triple), Residual(triple))
        self.lateral = nn.Conv2d(triple, double, 1)
        self.joined = Residual(double)
        self.last = nn.Sequential(
            nn.Conv2d(double, triple, 3, padding=1, bias=False), nn.BatchNorm2d(triple), nn.ReLU()
        )
        self.split = [1, len(LABELS), len(PAINTS), 1, 2]
        self.maps = nn.Conv2d(triple, sum(self.split), 1)
        self.ground = nn.Linear(2 * triple, len(GROUNDS))
        with torch.no_grad():
            assert self.maps.bias is not None
            self.maps.bias[0] = -3.0  # most cells hold no centre

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Maps: centre, noun and colour logits, log size (1) and offset in cells (2)."""
        middle = self.middle(self.fine(x * 2 - 1))
        coarse = self.coarse(middle)
        pooled = torch.cat([coarse.mean((-2, -1)), coarse.amax((-2, -1))], 1)
        wide = F.interpolate(self.lateral(coarse), scale_factor=2.0, mode="nearest")
        maps = self.maps(self.last(self.joined(middle + wide)))
        return list(torch.split(maps, self.split, 1)), self.ground(pooled)


def _down(before: int, after: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )


@torch.no_grad()
def look(detector: Detector, pictures: NDArray[np.uint8], batch: int = 100) -> list[Seen]:
    """What is in each of (N, 64, 64, 3) pictures."""
    seen: list[Seen] = []
    for start in range(0, len(pictures), batch):
        part = torch.from_numpy(np.array(pictures[start : start + batch]))
        x = part.permute(0, 3, 1, 2).float() / 255
        maps, ground = detector(x.contiguous(memory_format=torch.channels_last))
        grounds = ground.argmax(1).tolist()
        heat = maps[0].sigmoid()
        peaks = (heat == F.max_pool2d(heat, 3, 1, 1)) & (heat > THRESHOLD)
        for index in range(len(x)):
            found = _peaks(peaks[index, 0], heat[index, 0], [m[index] for m in maps[1:]])
            seen.append(Seen(found, GROUNDS[grounds[index]]))
    return seen


def _peaks(peaks: Tensor, heat: Tensor, maps: Sequence[Tensor]) -> tuple[Detection, ...]:
    nouns, paints, sizes, offsets = maps
    found: list[Detection] = []
    cells = sorted(peaks.nonzero().tolist(), key=lambda cell: -float(heat[cell[0], cell[1]]))
    for row, column in cells:
        x, y = offsets[:, row, column].tolist()
        one = Detection(
            noun=LABELS[int(nouns[:, row, column].argmax())],
            colour=PAINTS[int(paints[:, row, column].argmax())],
            x=CELL_PX * (column + 0.5 + x),
            y=CELL_PX * (row + 0.5 + y),
            size=USUAL_PX * float(sizes[0, row, column].clamp(-2, 2).exp()),
            confidence=float(heat[row, column]),
        )
        if all(_apart(one, other) for other in found):
            found.append(one)
    return tuple(found)


def _apart(one: Detection, other: Detection) -> bool:
    reach = APART * max(one.size, other.size)
    return (one.x - other.x) ** 2 + (one.y - other.y) ** 2 > reach**2


class Checker:
    """A frozen detector with the colours nouns have by nature."""

    def __init__(self, detector: Detector, natural: Natural) -> None:
        self.detector = detector.eval()
        self.natural = natural

    def look(self, pictures: NDArray[np.uint8]) -> list[Seen]:
        """What is in each of (N, 64, 64, 3) pictures."""
        return look(self.detector, pictures)


def save_checker(checker: Checker, folder: Path) -> None:
    """Write config.json and model.safetensors (half precision)."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in checker.detector.state_dict().items()
    }
    save_file(state, str(folder / "model.safetensors"))
    config = {
        "format": FORMAT,
        "width": checker.detector.width,
        "labels": list(LABELS),
        "grounds": list(GROUNDS),
        "natural": {noun: sorted(own) for noun, own in checker.natural.colours.items()},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def load_checker(folder: Path) -> Checker:
    """The frozen checker of `folder`.

    Raises:
        WeightsError: it cannot be read, or knows other words than this program.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
        if config["format"] > FORMAT:
            raise WeightsError(f"{folder} needs a newer cems-tui (format {config['format']})")
        if tuple(config["labels"]) != LABELS or tuple(config["grounds"]) != GROUNDS:
            raise WeightsError(f"the checker in {folder} was made for another vocabulary")
        detector = Detector(int(config["width"]))
        detector.load_state_dict(load_file(str(folder / "model.safetensors")))
        natural = Natural({noun: frozenset(own) for noun, own in config["natural"].items()})
    except UNREADABLE as error:
        raise WeightsError(f"the checker in {folder} cannot be read: {error}") from error
    return Checker(detector.float().to(memory_format=torch.channels_last), natural)
