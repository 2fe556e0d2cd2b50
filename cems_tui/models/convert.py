"""Makes safetensors of a pickle, which is read once, in a child process that may read tensors only.

The child loads with `torch.load(weights_only=True)`: a pickle that asks for any other code is
refused before that code is looked up. What the child does to itself, it does alone.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic
from typing import NoReturn

from cems_tui.cancel import POLL_SECONDS, Stop, never, refuse_stopped
from cems_tui.errors import StorageError, WeightsError
from cems_tui.files import SHARED, storage, whole_file
from cems_tui.generation.weight_files import read_header
from cems_tui.models.convert_child import Report, convert_in_child

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
