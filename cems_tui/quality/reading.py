"""What every instrument does alike: pictures in, finite numbers out, errors in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING, TypeVar

from cems_tui.errors import GenerationError

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")


def check_finite(value: float, scorer: str) -> float:
    """The value, if it is a number.

    Raises:
        GenerationError: it is NaN or infinite, which is not a score.
    """
    if not isfinite(value):
        raise GenerationError(f"the scorer {scorer} gave {value}, which is not a score")
    return value


def rgb(image: Image) -> Image:
    """The picture as red, green and blue; what is transparent lies on white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        from PIL import Image as images

        whole = image.convert("RGBA")
        return images.alpha_composite(images.new("RGBA", whole.size, "white"), whole).convert("RGB")
    return image.convert("RGB")


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in their order, at most `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def brief(error: BaseException) -> str:
    """The first line of what a library said, short enough for a message."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
