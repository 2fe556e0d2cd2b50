"""One process at a time changes a model; the kernel drops the lock with its holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cems_tui.errors import StorageError
from cems_tui.models.background import Stop, never, pause
from cems_tui.paths import ensure

_POLL_SECONDS = 0.1


@contextmanager
def held(
    path: Path, stop: Stop = never, on_wait: Callable[[str], None] = lambda holder: None
) -> Iterator[None]:
    """A block that holds the lock; waits for another process that does.

    Args:
        on_wait: told once who holds it, when there is somebody to wait for.

    Raises:
        Interrupted: `stop` said so while waiting.
        StorageError: the lock file cannot be made.
    """
    ensure(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StorageError(f"cannot open {path}: {error.strerror or error}") from error
    try:
        told = False
        while not _taken(descriptor):
            if not told:
                told = True
                on_wait(_holder(descriptor))
            pause(_POLL_SECONDS, stop)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    number = os.pread(descriptor, 32, 0).decode("ascii", "replace")
    return f"process {number}" if number.isdigit() else "another process"
