"""What safetensors files say about themselves, read from their headers: sizes and damage."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, Literal

from cems_tui.errors import WeightsError
from cems_tui.files import read_json, regular_file

Precision = Literal["float16", "bfloat16", "float32"]
"""What floating-point weights are loaded as."""

BYTES_PER_FLOAT: dict[Precision, int] = {"float16": 2, "bfloat16": 2, "float32": 4}

_LENGTH_BYTES = 8
_LARGEST_HEADER_BYTES = 100_000_000
_LARGEST_COUNT = 1 << 48
_MOST_DIMENSIONS = 16
_FLOAT_TYPES = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
_WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "U8": 1}
"""Bytes of one number."""

_STANDARD_NAME = re.compile(
    r"(diffusion_pytorch_model|model)"
    r"(\.(?P<variant>fp16|bf16))?(-\d+-of-\d+)?(\.(?P<late_variant>fp16|bf16))?\.safetensors"
)
_PREFERRED: dict[Precision, tuple[str | None, ...]] = {
    "float16": ("fp16", None, "bf16"),
    "bfloat16": ("bf16", None, "fp16"),
    "float32": (None, "bf16", "fp16"),
}


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A whole safetensors file."""

    path: Path
    float_count: int
    """Floating-point numbers in it; they take the dtype they are loaded as."""

    other_bytes: int
    """Bytes of everything else, loaded as it is."""

    outline: str
    """A digest of the names, dtypes, shapes and places of its tensors."""

    data_start: int
    """Where its tensors begin, in bytes."""

    def loaded_bytes(self, bytes_per_float: int) -> int:
        """Device bytes once loaded with floats of that width."""
        return self.float_count * bytes_per_float + self.other_bytes


def read_header(path: Path) -> WeightFile:
    """The header of one file, with the file's length checked against it; read once while the
    file stays as it is.

    Raises:
        WeightsError: the file cannot be read, is no safetensors file, or is cut short.
    """
    try:
        return _read_header(path, file_identity(path))
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error


FileIdentity = tuple[str, int, int, int]
"""The real path of a file, its bytes, when it was written, and its inode."""


def file_identity(path: Path) -> FileIdentity:
    """Equal while a file stays as it is; raises OSError."""
    status = path.stat()
    return str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ino


@lru_cache(maxsize=512)
def _read_header(path: Path, identity: FileIdentity) -> WeightFile:
    try:
        size, length, header = _header(path)
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        end = max((int(entry["data_offsets"][1]) for entry in tensors.values()), default=0)
        found = _measure(path, tensors, _LENGTH_BYTES + length)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise WeightsError(f"{path} is damaged: its header makes no sense") from error
    expected = found.data_start + end
    if size != expected:
        raise WeightsError(f"{path} is damaged: {size:,} bytes instead of {expected:,}")
    return found


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a file, from its header.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        _, _, header = _header(path)
        return {
            name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"
        }
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is damaged: its header makes no sense") from error


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor lies in a safetensors file."""

    path: Path
    dtype: str
    """As the file calls it, such as `F16`."""

    shape: tuple[int, ...]
    start: int
    """Bytes into the file."""


def tensors_of(path: Path) -> dict[str, Tensor]:
    """Every tensor of a whole file, by name.

    Raises:
        WeightsError: it cannot be read, or is damaged.
    """
    begin = read_header(path).data_start
    _, _, header = _header(path)
    return {
        name: Tensor(path, entry["dtype"], tuple(entry["shape"]), begin + entry["data_offsets"][0])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _header(path: Path) -> tuple[int, int, dict[str, Any]]:
    """Bytes of the file, bytes of its header, and the header; raises OSError and ValueError."""
    with regular_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if not 0 < length <= min(size - _LENGTH_BYTES, _LARGEST_HEADER_BYTES):
            raise WeightsError(f"{path} is damaged: it is cut short or no safetensors file")
        try:
            return size, length, _typed(json.loads(file.read(length)))
        except RecursionError:
            raise ValueError("it is nested too deep") from None


def _typed(header: Any) -> dict[str, Any]:
    """The header, if every tensor of it has a dtype, a shape and a place; raises ValueError."""
    if not isinstance(header, dict):
        raise ValueError("it is no object")
    for name, told in header.items():
        if name == "__metadata__":
            continue
        if not isinstance(told, dict) or not isinstance(told.get("dtype"), str):
            raise ValueError("a tensor has no dtype")
        shape, place = told.get("shape"), told.get("data_offsets")
        if not (
            _are_counts(shape) and _are_counts(place) and place is not None and len(place) == 2
        ):
            raise ValueError("a tensor has no shape or no place")
    return header


def _are_counts(value: Any) -> bool:
    """Whether it is a short list of numbers that bytes can be counted in."""
    return (
        isinstance(value, list)
        and len(value) <= _MOST_DIMENSIONS
        and all(type(one) is int and 0 <= one <= _LARGEST_COUNT for one in value)
    )


_SAMPLES = 4
_SAMPLE_BYTES = 4096


def content_print(file: WeightFile) -> str:
    """A digest of a file's outline and of a few blocks of its tensors.

    Files of other content have other prints, but for some that differ in a few tensors alone:
    good enough to foresee what is shared; what is shared in fact is compared whole.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        return _content_print(file, file_identity(file.path))
    except OSError as error:
        raise WeightsError(f"cannot read {file.path}: {error.strerror or error}") from error


@lru_cache(maxsize=512)
def _content_print(file: WeightFile, identity: FileIdentity) -> str:
    digest = hashlib.sha256(file.outline.encode())
    size = identity[1] - file.data_start
    with regular_file(file.path) as data:
        for sample in range(_SAMPLES):
            data.seek(file.data_start + size * (2 * sample + 1) // (2 * _SAMPLES))
            digest.update(data.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _measure(path: Path, tensors: dict[str, Any], data_start: int) -> WeightFile:
    for name, tensor in tensors.items():
        begin, end = tensor["data_offsets"]
        width = _WIDTHS.get(tensor["dtype"])
        if width is not None and prod(tensor["shape"]) * width != end - begin:
            raise WeightsError(f"{path} is damaged: the size of {name[:80]} makes no sense")
    floats = sum(prod(t["shape"]) for t in tensors.values() if t["dtype"] in _FLOAT_TYPES)
    others = sum(
        t["data_offsets"][1] - t["data_offsets"][0]
        for t in tensors.values()
        if t["dtype"] not in _FLOAT_TYPES
    )
    outline = hashlib.sha256(json.dumps(tensors, sort_keys=True).encode()).hexdigest()
    return WeightFile(path, floats, others, outline, data_start)


def has_usual_name(path: Path) -> bool:
    """Whether diffusers or transformers would look for a file of that name."""
    return _STANDARD_NAME.fullmatch(path.name) is not None


def variant_of(folder: Path, precision: Precision = "float32") -> str | None:
    """`fp16` or `bf16` when that variant of a component's files serves the precision best.

    The variant of the precision itself, then the plain files, then whatever there is.
    """
    there = set(_by_variant(folder)) or {None}
    return next(variant for variant in _PREFERRED[precision] if variant in there)


def component_files(folder: Path, precision: Precision = "float32") -> list[Path]:
    """The weight files of one component folder that loading reads, sorted.

    Files beside those that diffusers and transformers name (such as `…non_ema.safetensors`)
    are left aside, unless there is nothing else. Shards that an index names are listed
    whether they exist or not.

    Raises:
        WeightsError: the index of the shards cannot be read.
    """
    variant = variant_of(folder, precision)
    found = _by_variant(folder).get(variant)
    if found is None:
        return sorted(folder.glob("*.safetensors"))
    suffix = f".{variant}.json" if variant else ".json"
    for index in folder.glob(f"*.safetensors.index{suffix}"):
        return [folder / name for name in _shards(index)]
    return found


def _by_variant(folder: Path) -> dict[str | None, list[Path]]:
    groups: dict[str | None, list[Path]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        if match := _STANDARD_NAME.fullmatch(path.name):
            groups.setdefault(match["variant"] or match["late_variant"], []).append(path)
    return groups


def _shards(index: Path) -> list[str]:
    try:
        return sorted(set(read_json(index)["weight_map"].values()))
    except OSError as error:
        raise WeightsError(f"cannot read {index}: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"{index} is damaged: it names no shards") from error


def expected_weight_bytes(
    folder: Path, components: Iterable[str], precision: Precision = "float32"
) -> int:
    """Device bytes that loading these components of a diffusers folder will hold.

    Raises:
        WeightsError: a file is damaged.
    """
    return sum(
        read_header(path).loaded_bytes(BYTES_PER_FLOAT[precision])
        for component in components
        for path in component_files(folder / component, precision)
    )


def mostly_half(path: Path) -> bool:
    """Whether most numbers of a file are 16 bits wide.

    Raises:
        WeightsError: the file is damaged.
    """
    found = read_header(path)
    return path.stat().st_size - found.other_bytes < 3 * found.float_count
