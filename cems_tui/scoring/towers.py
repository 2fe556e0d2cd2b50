"""CLIP towers: pictures and prompts as unit vectors of one space, from either library's folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cems_tui.errors import WeightsError
from cems_tui.scoring import open_clip_tower
from cems_tui.scoring.open_clip_tower import WEIGHTS_FILES
from cems_tui.scoring.runtime import batches, only_safetensors
from cems_tui.scoring.transformers_tower import TransformersTower

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH = 8
"""Pictures or prompts read at a time."""


class ClipTower(Protocol):
    """A dual encoder on a device."""

    @property
    def weight_bytes(self) -> int:
        """Bytes its weights hold there."""
        ...

    @property
    def scale(self) -> float:
        """What its training multiplied cosines by (the exponential of its logit scale)."""
        ...

    def see(self, images: Sequence[Image]) -> Any:
        """(pictures, dimensions) float32 tensor of unit vectors, on the device."""
        ...

    def say(self, prompts: Sequence[str]) -> Any:
        """(prompts, dimensions) float32 tensor of unit vectors; what exceeds the context is cut."""
        ...


def weights_in(folder: Path) -> Path:
    """The weights file of a CLIP folder.

    Raises:
        WeightsError: there is none, or no way to tell which.
    """
    return only_safetensors(folder, WEIGHTS_FILES)


def load_tower(folder: Path, device: str = "cpu", *, source: str = "") -> ClipTower:
    """The dual encoder of a folder: open_clip's layout, else transformers'.

    Args:
        folder: where its files are.
        device: a torch device; weights are held in half precision on any but the CPU.
        source: the repository it comes from, which may tell what its config does not.

    Raises:
        WeightsError: a file is missing, damaged, or of another model.
    """
    if (folder / open_clip_tower.CONFIG_FILE).is_file():
        return open_clip_tower.OpenClipTower(folder, device, source=source)
    if (folder / "config.json").is_file():
        return TransformersTower(folder, device)
    raise WeightsError(
        f"the CLIP scorer in {folder} has neither {open_clip_tower.CONFIG_FILE} nor config.json"
    )


def cosines(tower: ClipTower, images: Sequence[Image], prompts: Sequence[str]) -> list[float]:
    """The cosine of each picture with its own prompt, −1…1."""
    found: list[float] = []
    for part in batches(list(zip(images, prompts, strict=True)), BATCH):
        seen = tower.see([image for image, _ in part])
        said = tower.say([prompt for _, prompt in part])
        found += [float(value) for value in (seen * said).sum(dim=-1)]
    return found
