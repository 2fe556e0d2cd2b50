"""The child's side of a conversion: a pickle in, a safetensors file or a refusal out."""

from __future__ import annotations

import os
import pickle
import re
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

Kind = Literal["done", "refused", "unexpected", "damaged", "disk", "memory"]

_WRAPPERS = ("params", "state_dict", "model_state_dict", "params_ema", "model")
"""Under which names trainers put the tensors."""

_PARALLEL = "module."
"""What torch's DataParallel puts before every name."""

_ASKED_FOR = re.compile(r"(?:GLOBAL|class|func\w*) ([A-Za-z_][\w.]*\.[\w.]+)")
_UNFOLDS_TO = 4
"""Times its own size that a file may unfold to; views of one storage can claim any size."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a conversion went."""

    kind: Kind
    text: str = ""
    """What is wrong with the file, to be put behind its name."""


class UnexpectedLayout(Exception):
    """The file holds no table of tensors."""


def convert_in_child(connection: Connection, source: Path, target: Path) -> None:
    """Convert, report, end; ends at once when the parent does."""
    # ctrl+c reaches the whole foreground group: what it means is for the parent to decide
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    connection.send(convert(source, target))


def _end_with(connection: Connection) -> None:
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(1)


def convert(source: Path, target: Path) -> Report:
    """Write the tensors of a pickle to a safetensors file, flushed to the disk."""
    try:
        tensors = table_of(_load(source))
        _refuse_bomb(tensors, source.stat().st_size)
    except UnexpectedLayout as error:
        return Report("unexpected", f"is not laid out as weights are: {error}")
    except Exception as error:  # torch's readers raise errors of many kinds
        return _report_of(error)
    try:
        _save(tensors, target)
    except Exception as error:  # safetensors tells of a full disk in an error of its own
        return Report("memory" if _is_memory(error) else "disk", _first_line(error))
    return Report("done")


def _load(source: Path) -> Any:
    import zipfile

    import torch

    # Mapped, a large file is not held in memory twice; the old format cannot be.
    return torch.load(
        source, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(source)
    )


def table_of(loaded: Any) -> dict[str, Any]:
    """The tensors by name of what a pickle held: plain, or under a trainer's name for them.

    Raises:
        UnexpectedLayout: something in it is no tensor, or there is none.
    """
    import torch

    if isinstance(loaded, Mapping):
        wrapped = [loaded[name] for name in _WRAPPERS if isinstance(loaded.get(name), Mapping)]
        loaded = wrapped[0] if wrapped else loaded
    if not isinstance(loaded, Mapping):
        raise UnexpectedLayout(f"it holds a {type(loaded).__name__}, not a table of tensors")
    if not loaded:
        raise UnexpectedLayout("it holds nothing")
    for name, value in loaded.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise UnexpectedLayout(f"its {name!r} is a {type(value).__name__}, not a tensor")
        if value.layout != torch.strided or value.is_quantized:
            raise UnexpectedLayout(f"its {name!r} is not a dense tensor")
    if all(name.startswith(_PARALLEL) for name in loaded):
        return {name.removeprefix(_PARALLEL): value for name, value in loaded.items()}
    return dict(loaded)


def _refuse_bomb(tensors: Mapping[str, Any], file_bytes: int) -> None:
    whole = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if whole > _UNFOLDS_TO * file_bytes:
        raise UnexpectedLayout(f"its {file_bytes:,} bytes claim to be {whole:,}")


def _save(tensors: Mapping[str, Any], target: Path) -> None:
    import torch
    from safetensors.torch import save_file

    # Cloned: safetensors takes no tensors that share memory, and no views.
    apart = {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    save_file(apart, target, metadata={"format": "pt"})
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def _report_of(error: Exception) -> Report:
    text = str(error)
    if _is_memory(error):
        return Report("memory", _first_line(error))
    if "TorchScript" in text:
        return Report("refused", "is a TorchScript program, not weights; nothing of it was run")
    if isinstance(error, pickle.UnpicklingError):
        match = _ASKED_FOR.search(text)
        what = "is another pickle than torch's, or damaged"
        if "Unsupported operand" not in text:
            what = "holds more than tensors" + (f" (it asks for {match[1]})" if match else "")
        return Report("refused", f"{what}; nothing of it was run")
    return Report("damaged", f"cannot be read: {_first_line(error)}")


def _is_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "allocate memory" in str(error)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
