"""One process at a time: on the device, on a model. The kernel drops a lock with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self

from cems_tui import log
from cems_tui.cancel import Stop, never, refuse_stopped
from cems_tui.errors import DeviceBusy, StorageError
from cems_tui.files import OWNER_ONLY
from cems_tui.paths import ensure
from cems_tui.text import one_line

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 0.1
"""Waited for in any case: `holder` takes the lock for an instant to see whether it is free."""

_LONGEST_COMMAND = 80


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, as it signed."""

    pid: int | None = None
    """None of one that has not signed yet."""

    command: str = ""
    yields: bool = False
    """Whether it gives it to whoever waits, before its next piece of work."""

    def __str__(self) -> str:
        return "another process" if self.pid is None else f"process {self.pid} ({self.command})"


class FileLock:
    """A lock on what a file stands for; the file stays, what counts is who holds it.

    As a context manager it does not wait, unless it was acquired before:
    `with FileLock(path, "the device"): …`, `with FileLock(path, "it").acquire(None): …`.
    """

    def __init__(
        self, path: Path, what: str, waiting: Path | None = None, *, yields: bool = False
    ) -> None:
        """A lock that nobody holds by this object yet.

        Args:
            what: what it is on, for messages.
            waiting: a file that those who wait hold together, so that `wanted` knows of them.
            yields: whether this holder asks `wanted` now and then and gives way; it takes the
                lock after all who do not, and they wait for it however little they may wait.
        """
        self._path = path
        self._what = what
        self._waiting = waiting
        self._yields = yields
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._descriptor is not None

    def acquire(
        self,
        wait_seconds: float | None = 0.0,
        stop: Stop = never,
        on_wait: Callable[[Holder], None] = lambda holder: None,
    ) -> Self:
        """Take it; does nothing when this object holds it already.

        Args:
            wait_seconds: how long to wait for a holder that does not yield; None waits for ever.
            stop: asked while waiting.
            on_wait: told once who holds it, when somebody who has signed is waited for.

        Raises:
            DeviceBusy: another process still holds it.
            Interrupted: `stop` said so.
            StorageError: the lock file cannot be opened.
        """
        if self.held:
            return self
        deadline = None if wait_seconds is None else monotonic() + max(wait_seconds, _GRACE_SECONDS)
        marked = told = False
        descriptor = _opened(self._path)
        with ExitStack() as mark:
            try:
                while self.wanted or not _try_lock(descriptor):
                    holder = _signature(descriptor)
                    if not marked:
                        marked = True
                        mark.enter_context(self._marked())
                    if not told and holder.pid is not None:
                        told = True
                        on_wait(holder)
                    refuse_stopped(stop, f"stopped while waiting for {self._what}", hint="")
                    if deadline is not None and holder.yields and not self._yields:
                        deadline = max(deadline, monotonic() + _POLL_SECONDS + _GRACE_SECONDS)
                    if deadline is not None and monotonic() >= deadline:
                        raise DeviceBusy(f"{self._what} is held by {holder}")
                    sleep(_POLL_SECONDS)
                _sign(descriptor, yields=self._yields)
            except BaseException:
                os.close(descriptor)
                raise
        self._descriptor = descriptor
        return self

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for it whom this holder yields to.

        Raises:
            StorageError: the file of those who wait cannot be opened.
        """
        if not self._yields or self._waiting is None or not self._waiting.exists():
            return False
        descriptor = _opened(self._waiting)
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)

    def holder(self) -> Holder | None:
        """Who holds it now; None when nobody does. Creates nothing."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return None if _try_lock(descriptor) else _signature(descriptor)
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Give it back; does nothing when this object does not hold it."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    @contextmanager
    def _marked(self) -> Iterator[None]:
        """One of those who wait, until the block ends; who yields lets others go first."""
        if self._waiting is None or self._yields:
            yield
            return
        descriptor = _opened(self._waiting)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """One process at a time puts files that belong together into a folder; others wait.

    The lock is on the folder itself: nothing is left in it.

    Raises:
        StorageError: the folder cannot be opened.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"cannot open {folder}: {error.strerror or error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def this_command() -> str:
    """This process's program and command, as others are told: not what it draws."""
    command = [word for word in sys.argv[1:] if word.isascii() and word.isalpha()][:1]
    return one_line(" ".join([Path(sys.argv[0]).name, *command]), _LONGEST_COMMAND)


def _opened(path: Path) -> int:
    ensure(path.parent)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
    except OSError as error:
        raise StorageError(f"cannot open {path}: {error.strerror or error}") from error


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(descriptor: int, *, yields: bool) -> None:
    """Tell others who holds it. On a full disk nobody is told: what frees it needs the lock."""
    told = Holder(os.getpid(), this_command(), yields)
    os.ftruncate(descriptor, 0)
    try:
        os.pwrite(descriptor, json.dumps(asdict(told)).encode(), 0)
    except OSError as error:
        log.error("a lock is held without a name: %s", error)


def _signature(descriptor: int) -> Holder:
    """Who has signed; a signature that is not whole is none yet."""
    try:
        row = json.loads(os.pread(descriptor, 4096, 0))
        return Holder(int(row["pid"]), str(row["command"]), row.get("yields") is True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Holder()
