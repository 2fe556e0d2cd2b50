"""Gives the device to one engine at a time, through a lock the kernel drops with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any

from cems_tui.cancel import Stop, never, pause
from cems_tui.errors import DeviceBusy, Interrupted, StorageError
from cems_tui.paths import ensure
from cems_tui.text import one_line

_DEVICE_POLL_SECONDS = 0.1
_GRACE_SECONDS = 0.1
"""Waited for in any case: `holder` takes the lock for an instant to see whether it is free."""

_LONGEST_COMMAND = 80


class DeviceLock:
    """The lock on one device; the file stays, what counts is who holds it.

    As a context manager it does not wait: `with DeviceLock(path): …`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the device."""
        return self._descriptor is not None

    def acquire(
        self, wait_seconds: float | None = 0.0, stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Take the device; does nothing when this object holds it already.

        Args:
            wait_seconds: how long to wait for another holder; None waits for ever.
            stop: asked while waiting.

        Raises:
            DeviceBusy: another process still holds it.
            Interrupted: `stop` said so.
            StorageError: the lock file cannot be opened.
        """
        if self.held:
            return
        deadline = None if wait_seconds is None else monotonic() + max(wait_seconds, _GRACE_SECONDS)
        descriptor = self._open()
        try:
            while not _try_lock(descriptor):
                if stop():
                    raise Interrupted("stopped while waiting for the device")
                if deadline is not None and monotonic() >= deadline:
                    raise DeviceBusy(f"the device is held by {self._holder()}")
                sleep(_DEVICE_POLL_SECONDS)
            _write_holder(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def holder(self) -> str | None:
        """Who holds the device now; None when nobody does. Creates nothing."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return None if _try_lock(descriptor) else self._holder()
        finally:
            os.close(descriptor)

    def holder_pid(self) -> int | None:
        """The process that holds the device now; None when nobody does, or it has not signed."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return None if _try_lock(descriptor) else int(self._signature()["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        finally:
            os.close(descriptor)

    @staticmethod
    def command() -> str:
        """This process's command line, as it is told to others."""
        return one_line(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]), _LONGEST_COMMAND)

    def release(self) -> None:
        """Give the device back; does nothing when this object does not hold it."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> DeviceLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _open(self) -> int:
        ensure(self._path.parent)
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(f"cannot open {self._path}: {error.strerror or error}") from error

    def _holder(self) -> str:
        try:
            holder = self._signature()
            return f"process {holder['pid']} ({holder['command']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"  # which has not signed yet

    def _signature(self) -> dict[str, Any]:
        holder = json.loads(self._path.read_text(encoding="utf-8"))
        if not isinstance(holder, dict):
            raise ValueError("no signature")
        return holder


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(descriptor: int) -> None:
    signature = {"pid": os.getpid(), "command": DeviceLock.command()}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(signature).encode(), 0)


# One process at a time changes a model; the kernel drops the lock with its holder.

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
