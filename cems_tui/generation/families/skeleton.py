"""A network's modules without its weights, built once, and filled from its files again and again.

`from_pretrained` builds the modules at every load, maps the files and copies tensor by tensor into
fresh memory. Here the modules are copied from a skeleton, their tensors are views of one arena, and
the files are read straight into it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from cems_tui.files import read_json
from cems_tui.generation.host_arena import HostArenas, read_into, seen
from cems_tui.generation.weight_files import Precision, Tensor, tensors_of

_ALIGNMENT = 64
"""Bytes: where a tensor may begin in an arena, as torch's own allocator does."""

_BOUNCE_BYTES = 32 * 2**20
"""Read at a time where numbers change their width on the way."""

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""What safetensors calls the types of torch."""

_OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""What diffusers called the layers of an attention before, in files that are still about."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One tensor of a network: where it is in a file, and where in the arena."""

    names: tuple[str, ...]
    """In the network; several where layers share it."""

    tensor: Tensor
    dtype: Any
    """What it is held as."""

    start: int
    """In the arena, bytes."""

    size: int
    """In the arena, bytes."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A network without memory, and how it is filled."""

    network: Any
    slots: tuple[Slot, ...]
    size: int
    """Bytes of its arena."""

    def filled(self, arenas: HostArenas, device: str) -> Any:
        """A network of its own with the weights in its files, on the device.

        Raises:
            OSError: a file cannot be read.
            MemoryError: there is no room in main memory.
        """
        memory = arenas.take(self.size)
        flat = seen(memory, self.size)
        try:
            self._read(memory, flat)
            held = flat if device == "cpu" else flat.to(device)
            network = deepcopy(self.network)
            for slot in self.slots:
                self._assign(network, slot, held)
        except BaseException:
            arenas.give(memory)
            raise
        if device == "cpu":
            weakref.finalize(network, arenas.give, memory)
        else:
            network.to(device)  # the buffers that are in no file
            arenas.give(memory)
        return network

    def _read(self, memory: Any, flat: Any) -> None:
        """Every tensor into its place, converted where its file has another type."""
        view = memoryview(memory)
        alike: dict[Path, list[tuple[int, Any]]] = {}
        for slot in self.slots:
            if _torch_type(slot.tensor.dtype) is slot.dtype:
                part = view[slot.start : slot.start + slot.size]
                alike.setdefault(slot.tensor.path, []).append((slot.tensor.start, part))
            else:
                _convert(slot, flat)
        for path, parts in alike.items():
            read_into(path, sorted(parts, key=lambda part: part[0]))

    @staticmethod
    def _assign(network: Any, slot: Slot, held: Any) -> None:
        import torch

        data = held[slot.start : slot.start + slot.size].view(slot.dtype).view(slot.tensor.shape)
        parameter = torch.nn.Parameter(data, requires_grad=False)
        for name in slot.names:
            owner, _, own = name.rpartition(".")
            module = network.get_submodule(owner)
            if own in module._parameters:
                module._parameters[own] = parameter
            else:
                module._buffers[own] = data


def skeleton_of(
    network_class: Any, folder: Path, files: Sequence[Path], precision: Precision
) -> Skeleton | None:
    """The skeleton of a component folder; None where its library has to load it.

    That is so where the names in its files are not those of its modules, or where the library
    holds some of its layers in another precision.

    Raises:
        WeightsError: a file is missing or damaged.
    """
    import torch

    dtype = getattr(torch, precision)
    if precision != "float32" and getattr(network_class, "_keep_in_fp32_modules", None):
        return None
    network = _without_weights(network_class, folder, dtype)
    wanted: dict[int, list[str]] = {}
    state = network.state_dict(keep_vars=True)
    for name, tensor in state.items():
        wanted.setdefault(id(tensor), []).append(name)
    there = {name: tensor for path in files for name, tensor in tensors_of(path).items()}
    slots, start = [], 0
    for names in wanted.values():
        kept = state[names[0]]
        found = next((t for name in names if (t := _match(name, there)) is not None), None)
        if found is None or tuple(kept.shape) != found.shape or found.dtype not in _DTYPES:
            return None
        held = dtype if kept.is_floating_point() else kept.dtype
        size = prod(found.shape) * held.itemsize
        slots.append(Slot(tuple(names), found, held, start, size))
        start += -(-size // _ALIGNMENT) * _ALIGNMENT
    own = {slot.tensor for slot in slots}
    strange = [name for name, tensor in there.items() if tensor not in own]
    if strange and network_class.__module__.startswith("diffusers."):
        return None
    filled = {name for slot in slots for name in slot.names}
    if any(b.is_meta and name not in filled for name, b in network.named_buffers()):
        return None
    return Skeleton(network, tuple(slots), max(start, _ALIGNMENT))


def _match(name: str, there: Mapping[str, Tensor]) -> Tensor | None:
    """The tensor of that name, or of the name it has in older files."""
    if name in there:
        return there[name]
    for prefix in ("text_model.", "model."):
        if (renamed := f"{prefix}{name}") in there:
            return there[renamed]
        if name.startswith(prefix) and (renamed := name.removeprefix(prefix)) in there:
            return there[renamed]
    for old, new in _OLD_NAMES.items():
        for end in ("weight", "bias"):
            if name.endswith(f".{new}.{end}"):
                renamed = f"{name.removesuffix(f'{new}.{end}')}{old}.{end}"
                if renamed in there:
                    return there[renamed]
    return None


def _without_weights(network_class: Any, folder: Path, dtype: Any) -> Any:
    """The modules of a component folder, their parameters without memory."""
    with _default_dtype(dtype), _weightless():
        if network_class.__module__.startswith("diffusers."):
            network = network_class.from_config(read_json(folder / "config.json"))
        else:
            config = network_class.config_class.from_pretrained(folder)
            config.dtype = dtype  # a model within the model is built as that says
            network = network_class(config)
            network.tie_weights()
    return network.eval()


@contextmanager
def _default_dtype(dtype: Any) -> Iterator[None]:
    """What both libraries do while they build: buffers take the type of the weights."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _weightless() -> Any:
    """A block in which this thread's `torch.empty` takes no memory: parameters begin with it.

    Other threads are not touched, and buffers are computed as ever.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Weightless(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, given: Any = (), named: Any = None
        ) -> Any:
            named = dict(named or {})
            if function in (torch.empty, torch.randn, torch.rand) and named.get("device") is None:
                named["device"] = "meta"
            return function(*given, **named)

    return Weightless()


def _torch_type(name: str) -> Any:
    import torch

    return getattr(torch, _DTYPES[name])


def _convert(slot: Slot, flat: Any) -> None:
    """Read a tensor of another type, a piece at a time."""
    import torch

    source = _torch_type(slot.tensor.dtype)
    target = flat[slot.start : slot.start + slot.size].view(slot.dtype)
    at_once = _BOUNCE_BYTES // source.itemsize
    bounce = bytearray(min(at_once, max(1, target.numel())) * source.itemsize)
    for first in range(0, target.numel(), at_once):
        count = min(at_once, target.numel() - first)
        piece = memoryview(bounce)[: count * source.itemsize]
        read_into(slot.tensor.path, [(slot.tensor.start + first * source.itemsize, piece)])
        target[first : first + count].copy_(torch.frombuffer(piece, dtype=source))
