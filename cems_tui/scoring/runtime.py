"""Where an instrument reads: weights laid out there, errors of a full device named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cems_tui.errors import GenerationError, OutOfMemory, WeightsError

if TYPE_CHECKING:
    from PIL.Image import Image


_HEADROOM_BYTES = 1_000_000_000
"""Left free on an accelerator beside an instrument's weights, for its activations."""


def chosen_device(wanted: str, weight_bytes: int, free_bytes: int | None) -> str:
    """`cpu` or `cuda`. Pure.

    Args:
        wanted: `cpu`, `cuda`, or `auto` for the accelerator where the weights find room.
        weight_bytes: of the instrument, as it lies on the accelerator.
        free_bytes: of the accelerator; None when there is none.

    Raises:
        OutOfMemory: cuda is asked for, and there is none.
    """
    if wanted == "cuda" and free_bytes is None:
        raise OutOfMemory("there is no CUDA device to score on", 'Set quality.device to "auto".')
    if wanted != "auto":
        return wanted
    fits = free_bytes is not None and weight_bytes + _HEADROOM_BYTES <= free_bytes
    return "cuda" if fits else "cpu"


def free_device_bytes() -> int | None:
    """Bytes free on the CUDA device; None when there is none."""
    import torch

    if not torch.cuda.is_available():
        return None
    free, _ = torch.cuda.mem_get_info()
    return int(free)


def instrument_dtype(device: str) -> Any:
    """What weights are held in: half precision on an accelerator, float32 on a CPU."""
    import torch

    return torch.float32 if device == "cpu" else torch.float16


def module_bytes(module: Any) -> int:
    """Bytes of a torch module's parameters and buffers."""
    tensors = (*module.parameters(), *module.buffers())
    return int(sum(tensor.numel() * tensor.element_size() for tensor in tensors))


def release_device() -> None:
    """Give what dropped instruments held back to the device."""
    import gc
    import sys

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


@contextmanager
def reading(scorer: str) -> Iterator[None]:
    """A block of inference: no gradients, and a full device is an error of ours.

    Raises:
        OutOfMemory: the device has no room.
    """
    import torch

    try:
        with torch.inference_mode():
            yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(
            f"the device has no room for the scorer {scorer}",
            'Set quality.device to "cpu", or free the device with `cems stop`.',
        ) from error


def only_safetensors(folder: Path, preferred: tuple[str, ...] = ()) -> Path:
    """The one safetensors file of an instrument's folder, a preferred name first.

    Raises:
        WeightsError: there is none, or no way to tell which.
    """
    for name in preferred:
        if (folder / name).is_file():
            return folder / name
    found = sorted(folder.glob("*.safetensors"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise WeightsError(
            f"there is no safetensors file in {folder}", "Pull the model again: `cems pull NAME`."
        )
    names = ", ".join(path.name for path in found)
    raise WeightsError(f"which weights are meant in {folder}? There are {names}")


# What every instrument does alike: pictures in, finite numbers out, errors in one line.

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
