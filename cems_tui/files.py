"""The digest of one file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cems_tui.cancel import Stop, never, refuse_stopped
from cems_tui.errors import StorageError, WeightsError


def file_digest(path: Path) -> str:
    """`sha256:…` of one file.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error


# Files that are whole or not there: hashed, flushed to the disk, renamed last.

CHUNK_BYTES = 1 << 20


@dataclass
class Digests:
    """The sha256 of a file that is read once, and git's blob id where that is what is known."""

    size: int
    """Bytes of the whole file; part of git's blob id."""

    with_git: bool = False
    _sha256: Any = field(default_factory=hashlib.sha256)
    _git: Any = None

    def __post_init__(self) -> None:
        if self.with_git:
            self._git = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)

    def update(self, data: bytes) -> None:
        self._sha256.update(data)
        if self._git is not None:
            self._git.update(data)

    @property
    def sha256(self) -> str:
        return str(self._sha256.hexdigest())

    @property
    def git_sha1(self) -> str | None:
        return None if self._git is None else str(self._git.hexdigest())

    def match(self, sha256: str | None, git_sha1: str | None) -> bool:
        """Whether they are those expected; what nobody told is not compared."""
        return (sha256 is None or sha256 == self.sha256) and (
            git_sha1 is None or not self.with_git or git_sha1 == self.git_sha1
        )


def read_into(
    digests: Digests,
    path: Path,
    *,
    stop: Stop = never,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> None:
    """Hash a file as it is on the disk.

    Raises:
        Interrupted: `stop` said so.
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        while data := file.read(CHUNK_BYTES):
            refuse_stopped(stop)
            digests.update(data)
            on_bytes(len(data))


def copy_file(
    source: Path, target: Path, digests: Digests, stop: Stop, read: Callable[[int], None]
) -> None:
    """Copy a file, hashed on the way and flushed to the disk.

    Raises:
        StorageError: the disk refuses.
        Interrupted: `stop` said so.
    """
    with storage(str(target)):
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as file, target.open("wb") as out:
            while data := file.read(CHUNK_BYTES):
                refuse_stopped(stop)
                out.write(data)
                digests.update(data)
                read(len(data))
            out.flush()
            os.fsync(out.fileno())


@contextmanager
def storage(what: str) -> Iterator[None]:
    """Turns what the disk refuses into an error that says so.

    Raises:
        StorageError: for any OSError of the block.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {what}: {error.strerror or error}",
            "Free some space, or choose a folder you may write to (CEMS_HOME); what was fetched "
            "is kept.",
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Write a small file whole: under another name, flushed, then renamed.

    Raises:
        StorageError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with storage(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(value, file, indent=1)  # ASCII: a name that is no UTF-8 too
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network folders cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(folder: Path) -> int:
    """Bytes free where the folder is, or will be."""
    import shutil

    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    return shutil.disk_usage(there).free


# Files that are there whole or not at all.


def write_whole(path: Path, data: bytes) -> None:
    """Writes beside the file first, then takes its place.

    Raises:
        StorageError: the folder or the disk does not allow it.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
