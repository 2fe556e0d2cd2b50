"""Makes safetensors of a pickle, which is read once, in a child process that may read tensors only.

The child loads with `torch.load(weights_only=True)`: a pickle that asks for any other code is
refused before that code is looked up. What the child does to itself, it does alone.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic
from typing import Any, Literal, NoReturn

from cems_tui.cancel import POLL_SECONDS, Stop, never, refuse_stopped
from cems_tui.errors import StorageError, WeightsError
from cems_tui.files import SHARED, confined, file_digest, storage, whole_file
from cems_tui.generation.weight_files import read_header
from cems_tui.models.ledger import PinnedFile
from cems_tui.models.repository import PICKLES

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


_PATIENCE_SECONDS = 300.0
_SLOWEST_BYTES_PER_SECOND = 10e6
"""What a child is waited for: a start on a busy machine, and a slow disk."""

_FAREWELL_SECONDS = 2.0

_WHAT_NOW = {
    "refused": "Do not use this file: it was removed. Tell the authors, who can publish "
    "safetensors.",
    "unexpected": "It was removed. Convert a copy you trust to safetensors: a flat table of "
    "tensors by name.",
    "damaged": "It was removed; pull the model again. If it stays so, its authors published it so.",
}


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


Target = Callable[[Connection, Path, Path], None]
"""What runs in the child."""


@dataclass(frozen=True, slots=True)
class PickleConverter:
    """Converts one file at a time; a child that hangs or dies is an error, never a wait."""

    stop: Stop = never
    timeout_seconds: float | None = None
    """How long the child may take; None allows for the file's size."""

    child: Target = convert_in_child

    def __call__(self, source: Path, target: Path) -> None:
        """Write the tensors of `source` to `target`, whole or not at all.

        A source that is no good is removed; one that could not be read for want of time or
        memory stays, so that it need not be fetched again.

        Raises:
            WeightsError: it holds more than tensors, is damaged, has a layout that is not known,
                or the child was killed or took too long.
            StorageError: the disk refuses.
            Interrupted: `stop` said so.
        """
        with whole_file(target, mode=SHARED) as file:
            unfinished = Path(file.name)
            report = self._report(source, unfinished)
            if report.kind != "done":
                _refuse(report, source, target)
            read_header(unfinished)

    def _report(self, source: Path, unfinished: Path) -> Report:
        """What the child says; a child that says nothing is an error."""
        seconds = self.timeout_seconds
        if seconds is None:
            seconds = _PATIENCE_SECONDS + source.stat().st_size / _SLOWEST_BYTES_PER_SECOND
        deadline = monotonic() + seconds
        with self._running(source, unfinished) as (process, connection):
            while not connection.poll(POLL_SECONDS):
                refuse_stopped(self.stop)
                if monotonic() > deadline:
                    raise WeightsError(
                        f"{source.name} was not converted within {seconds:g} s",
                        "Pull the model again when the machine is less busy; the file is kept.",
                    )
            try:
                report = connection.recv()
            except EOFError:
                process.join(_FAREWELL_SECONDS)
                raise WeightsError(
                    f"{source.name} was not converted: the process that read it ended without "
                    f"a word (exit {process.exitcode})",
                    "Memory may be short. Pull the model again; the file is kept.",
                ) from None
        assert isinstance(report, Report), "the child is ours, and says nothing else"
        return report

    @contextmanager
    def _running(self, source: Path, unfinished: Path) -> Iterator[tuple[BaseProcess, Connection]]:
        """The child at work; it is gone when the block is left."""
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(
            target=self.child, args=(there, source, unfinished), name="cems-convert", daemon=True
        )
        try:
            process.start()
            there.close()  # the child's copy is now the only one, so its death is our end of file
            yield process, here
        finally:
            here.close()
            if process.pid is not None:
                process.join(0 if process.exitcode is not None else POLL_SECONDS)
                if process.is_alive():
                    process.kill()
                    process.join(_FAREWELL_SECONDS)


def _refuse(report: Report, source: Path, target: Path) -> NoReturn:
    """Raise what the child's report comes to; a file that is no good is removed."""
    if report.kind == "disk":
        raise StorageError(
            f"cannot write {target}: {report.text}",
            "Free some space and pull the model again; what was fetched is kept.",
        )
    if report.kind == "memory":
        raise WeightsError(
            f"{source.name} was not converted, as memory is short: {report.text}",
            "Close other programs and pull the model again; what was fetched is kept.",
        )
    with storage(str(source)):
        source.unlink(missing_ok=True)
    raise WeightsError(f"{source.name} {report.text}", _WHAT_NOW[report.kind])


Converter = Callable[[Path, Path], None]
"""Reads the tensors of a verified pickle, in a process of its own, and writes a safetensors file.

Called with the pickle and the file to write. It raises WeightsError where it cannot.
"""


def refuse_without(converter: Converter | None, model: str) -> Converter:
    """The converter, where there is one.

    Raises:
        WeightsError: there is none, so fetching would be for nothing.
    """
    if converter is None:
        raise WeightsError(
            f"the weights of {model} come as pickles only, and nothing here converts them",
            "Convert a copy you trust to safetensors, and use that.",
        )
    return converter


def kept_as_safetensors(
    folder: Path, files: Iterable[PinnedFile], converter: Converter
) -> tuple[PinnedFile, ...]:
    """The model's files once its pickles were converted; those are gone then.

    Raises:
        WeightsError: a pickle holds something else than tensors.
        StorageError: the disk refuses.
    """
    kept = []
    for file in files:
        source = confined(folder, file.path)
        if not file.path.lower().endswith(PICKLES):
            kept.append(file)
            continue
        target = source.with_suffix(".safetensors")
        with storage(str(target)):
            converter(source, target)
            size = target.stat().st_size
            digest = file_digest(target).removeprefix("sha256:")
            source.unlink()
        kept.append(PinnedFile(target.relative_to(folder).as_posix(), size, digest))
    return tuple(kept)
