"""What safetensors files say about themselves, read from their headers: sizes and damage."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from cems_tui.errors import WeightsError

_LENGTH_BYTES = 8
_LARGEST_HEADER_BYTES = 100_000_000
_FLOAT_TYPES = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
_HALF_VARIANT = ".fp16."


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A whole safetensors file."""

    path: Path
    float_count: int
    """Floating-point numbers in it; they take the dtype they are loaded as."""

    other_bytes: int
    """Bytes of everything else, loaded as it is."""

    def loaded_bytes(self, bytes_per_float: int) -> int:
        """Device bytes once loaded with floats of that width."""
        return self.float_count * bytes_per_float + self.other_bytes


def read_header(path: Path) -> WeightFile:
    """The header of one file, with the file's length checked against it.

    Raises:
        WeightsError: the file cannot be read, is no safetensors file, or is cut short.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if not 0 < length <= min(size - _LENGTH_BYTES, _LARGEST_HEADER_BYTES):
                raise WeightsError(f"{path} is damaged: it is cut short or no safetensors file")
            header = json.loads(file.read(length))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        end = max((int(entry["data_offsets"][1]) for entry in tensors), default=0)
        found = _measure(path, tensors)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise WeightsError(f"{path} is damaged: its header makes no sense") from error
    expected = _LENGTH_BYTES + length + end
    if size != expected:
        raise WeightsError(f"{path} is damaged: {size:,} bytes instead of {expected:,}")
    return found


def _measure(path: Path, tensors: list[dict[str, Any]]) -> WeightFile:
    floats = sum(prod(t["shape"]) for t in tensors if t["dtype"] in _FLOAT_TYPES)
    others = sum(
        t["data_offsets"][1] - t["data_offsets"][0]
        for t in tensors
        if t["dtype"] not in _FLOAT_TYPES
    )
    return WeightFile(path, floats, others)


def variant_of(folder: Path) -> str | None:
    """`fp16` when a component folder holds half-precision files only, else None."""
    names = [path.name for path in folder.glob("*.safetensors")]
    if names and all(_HALF_VARIANT in name for name in names):
        return "fp16"
    return None


def component_files(folder: Path) -> list[Path]:
    """The weight files of one component folder that loading reads, sorted."""
    half = variant_of(folder) is not None
    return sorted(
        path for path in folder.glob("*.safetensors") if half == (_HALF_VARIANT in path.name)
    )


def expected_weight_bytes(folder: Path, components: Iterable[str], bytes_per_float: int) -> int:
    """Device bytes that loading these components of a diffusers folder will hold.

    Raises:
        WeightsError: a file is damaged.
    """
    return sum(
        read_header(path).loaded_bytes(bytes_per_float)
        for component in components
        for path in component_files(folder / component)
    )


def mostly_half(path: Path) -> bool:
    """Whether most numbers of a file are 16 bits wide.

    Raises:
        WeightsError: the file is damaged.
    """
    found = read_header(path)
    return path.stat().st_size - found.other_bytes < 3 * found.float_count
