"""An instrument's modules built without memory for their weights, which are then read one by one.

The libraries fill modules with random numbers, read the whole file beside them and copy: for a
moment twice of what the instrument holds, and seconds for the random numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_SMALL = 65_536
"""Numbers: what is smaller is built as ever, such as the mask of a text encoder."""


def weightless() -> Any:
    """A block in which this thread's large `torch.empty` and `torch.randn` take no memory.

    Other threads are not touched. What has no memory is moved nowhere.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Weightless(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, given: Any = (), named: Any = None
        ) -> Any:
            named = dict(named or {})
            if function in (torch.empty, torch.randn) and named.get("device") is None:
                made = function(*given, **{**named, "device": "meta"})
                return made if made.numel() >= _SMALL else function(*given, **named)
            if function is torch.Tensor.to and given[0].is_meta:
                kept = [one for one in given[1:] if isinstance(one, torch.dtype)]
                dtype = named.get("dtype") or (kept[0] if kept else given[0].dtype)
                return function(given[0], dtype=dtype)
            return function(*given, **named)

    return Weightless()


def fill(network: Any, weights: Path, device: str) -> bool:
    """Give a network every weight in a safetensors file, in its own types, on the device.

    Returns:
        Whether it has all of them now; False, and nothing is changed, where the file's tensors
        are not the network's by name and shape.

    Raises:
        SafetensorError, OSError: the file cannot be read.
    """
    import torch
    from safetensors import safe_open

    state = network.state_dict(keep_vars=True)
    # Read, not mapped: the pages of a mapped file count as the process's own.
    with safe_open(weights, "pt", backend="pread") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        if shapes != {name: tuple(tensor.shape) for name, tensor in state.items()}:
            return False
        for name, kept in state.items():
            owner, _, own = name.rpartition(".")
            module = network.get_submodule(owner)
            read = file.get_tensor(name).to(device, kept.dtype)
            if own in module._parameters:
                module._parameters[own] = torch.nn.Parameter(read, requires_grad=False)
            else:
                module._buffers[own] = read
    return not any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers()))
