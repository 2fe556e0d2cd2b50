"""NIMA: how much people would like a picture, on the scale 1…10.

This is the starter pack's own head. Another instrument for the same scale, pyiqa's NIMA, is a
module of its own beside this one (`nima_network`) with the same `metric` and its own id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cems_tui.errors import CemsError, WeightsError
from cems_tui.files import file_digest
from cems_tui.scoring.runtime import brief, check_finite, module_bytes

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from cems_tui.scoring.nima_head import NimaHead

    LoadHead = Callable[[Path, str], NimaHead]

WEIGHTS_FILE = "model.safetensors"


class NimaScorer:
    """The mean of the predicted distribution of marks (Talebi & Milanfar 2018), 1…10."""

    metric = "nima"
    higher_is_better = True

    def __init__(
        self,
        folder: Path,
        load_head: LoadHead,
        *,
        name: str = "starter-nima",
        device: str = "cpu",
    ) -> None:
        """Load the instrument.

        Args:
            folder: where config.json and model.safetensors are.
            load_head: `nima_head.load_nima`, whose module is torch from its first line.
            name: the first part of the scorer's id.
            device: a torch device.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        self.id = f"{name}:{file_digest(folder / WEIGHTS_FILE)}"
        self._device = device
        self._head = _loaded(load_head, folder, device)

    @property
    def weight_bytes(self) -> int:
        return module_bytes(self._head)

    def score(self, images: Sequence[Image], prompts: Sequence[str]) -> list[float]:
        """One mean mark a picture; prompts are not looked at.

        Raises:
            GenerationError: a score is not a number.
        """
        return [check_finite(self._read(image), self.id) for image in images]

    def _read(self, image: Image) -> float:
        import torch

        with torch.inference_mode():
            marks = self._head(_pixels(image).to(self._device))[0]
            scale = torch.arange(1, len(marks) + 1, dtype=marks.dtype, device=marks.device)
            return float((marks * scale).sum())


def _loaded(load_head: LoadHead, folder: Path, device: str) -> NimaHead:
    try:
        return load_head(folder, device)
    except CemsError:
        raise
    except Exception as error:  # a cut safetensors file raises an error of no common kind
        raise WeightsError(
            f"the NIMA scorer in {folder} cannot be loaded: {brief(error)}"
        ) from error


def _pixels(image: Image) -> Tensor:
    """(1, 3, H, W) float32 in 0..1."""
    import numpy as np
    import torch

    array = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(array).permute(2, 0, 1).unsqueeze(0)
