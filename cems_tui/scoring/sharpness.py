"""Sharpness: the variance of a picture's Laplacian; needs no weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cems_tui.scoring.runtime import check_finite, rgb

if TYPE_CHECKING:
    from PIL.Image import Image

DEFINITION = "laplacian-variance:luma-601-8bit:4-neighbours:reflect-101"
"""All that a value depends on; another definition is another instrument."""


class SharpnessScorer:
    """The focus measure LAPV (Pech-Pacheco et al. 2000), 0 for a flat picture, no upper end.

    The variance of the picture's luma (ITU-R BT.601, 0…255) convolved with the Laplacian of four
    neighbours, mirrored at the border: what OpenCV's `Laplacian(grey, CV_64F).var()` gives. It
    grows with contrast and with noise, and depends on the picture's size: compare like with like.
    """

    metric = "sharpness"
    higher_is_better = True
    weight_bytes = 0
    id = DEFINITION

    def score(self, images: Sequence[Image], prompts: Sequence[str]) -> list[float]:
        """One variance a picture; prompts are not looked at."""
        return [check_finite(_variance(rgb(image)), self.id) for image in images]


def _variance(image: Image) -> float:
    import numpy as np

    luma = np.asarray(image.convert("L"), dtype=np.float64)
    return float(_laplacian(luma).var())


def _laplacian(luma: Any) -> Any:
    """(H, W) → (H, W): the sum of the four neighbours less four times the pixel."""
    import numpy as np

    wide = np.pad(luma, 1, mode="reflect")
    across = wide[1:-1, :-2] + wide[1:-1, 2:]
    down = wide[:-2, 1:-1] + wide[2:, 1:-1]
    return across + down - 4 * luma
