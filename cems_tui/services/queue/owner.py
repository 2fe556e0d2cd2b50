"""Who works on jobs: a process with a name of its own, proven by a lock for as long as it lives."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from cems_tui import log
from cems_tui.domain.request import new_id
from cems_tui.errors import DeviceBusy
from cems_tui.locks import FileLock, Holder

_NAME = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_WHAT = "the queue"


@dataclass(frozen=True, slots=True)
class JobOwners:
    """The processes that work on jobs of one home."""

    folder: Path
    """One lock file each; the kernel drops the lock with its process."""

    def holder(self, owner: str) -> Holder | None:
        """The process behind an owner's name; None when it has ended."""
        if not _NAME.fullmatch(owner):
            return None
        return FileLock(self._file(owner), _WHAT).holder()

    def alive(self, owner: str) -> bool:
        """Whether that process still lives."""
        return self.holder(owner) is not None

    def enter(self) -> JobOwner:
        """This process as one of them.

        Raises:
            StorageError: the lock cannot be made.
        """
        self._clear()
        while True:
            name = new_id()
            lock = FileLock(self._file(name), _WHAT).acquire()
            if self._file(name).exists():  # else somebody cleared it away before it was locked
                return JobOwner(name, self._file(name), lock)
            lock.release()

    def _clear(self) -> None:
        """Remove the files of those who ended without doing so."""
        for file in self.folder.glob("*.lock"):
            lock = FileLock(file, _WHAT)
            try:
                lock.acquire()
            except DeviceBusy:
                continue
            _remove(file)
            lock.release()

    def _file(self, owner: str) -> Path:
        return self.folder / f"{owner}.lock"


@dataclass(frozen=True, slots=True)
class JobOwner:
    """This process, until the block ends."""

    name: str
    _file: Path
    _lock: FileLock = field(repr=False)

    def release(self) -> None:
        """Work on nothing any more."""
        _remove(self._file)
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _remove(file: Path) -> None:
    """One that cannot be removed stops nobody: whoever enters next tries again."""
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        log.error("%s stays: %s", file, error)
