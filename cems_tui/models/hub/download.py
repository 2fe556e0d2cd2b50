"""Fetches files: each from the last byte it has, until its digest is the one the Hub lists."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from cems_tui.cancel import POLL_SECONDS, Stop, never, pause, refuse_stopped
from cems_tui.errors import DownloadError
from cems_tui.files import SHARED, Digests, confined, flush_folder, read_into, storage
from cems_tui.models.hub.client import Transient, Unreachable
from cems_tui.models.repository import RemoteFile


@dataclass(frozen=True, slots=True)
class Patience:
    """When to give up on a server."""

    tries: int = 6
    """Attempts in a row that bring no new byte."""

    refused_tries: int = 2
    """The same, where access was refused."""

    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 8.0

    longest_asked_seconds: float = 300.0
    """The longest Retry-After that is waited for."""

    def wait_seconds(
        self, failures: int, asked_seconds: float | None, *, refused: bool = False
    ) -> float | None:
        """Seconds until the next attempt; None to give up.

        Args:
            failures: attempts in a row that brought nothing, this one included; from 1.
            asked_seconds: what the server asked for; None when it did not.
        """
        if failures >= (self.refused_tries if refused else self.tries):
            return None
        if asked_seconds is not None:
            return asked_seconds if asked_seconds <= self.longest_asked_seconds else None
        return min(self.first_wait_seconds * 2.0 ** (failures - 1), self.longest_wait_seconds)


PART = ".part"
"""Ending of a file that is not whole yet."""

_HASHED_AHEAD = 64
"""Chunks (64 KiB each) that may wait to be hashed."""

_SMALL_BYTES = 4_000_000
"""Files up to so many bytes are hashed as they come: no thread pays for itself."""


class Body(Protocol):
    """The rest of a file, on its way."""

    @property
    def offset(self) -> int: ...

    @property
    def chunks(self) -> Iterator[bytes]: ...

    def abort(self) -> None: ...


Opener = Callable[[RemoteFile, int], AbstractContextManager[Body]]
"""Opens the body of a file from a byte on."""

OnWait = Callable[[str, float], None]
"""Told why an attempt failed, and how many seconds until the next."""


@dataclass
class FileDownload:
    """One file on its way to the disk."""

    file: RemoteFile
    target: Path
    open: Opener
    stop: Stop = never
    on_wait: OnWait = lambda reason, seconds: None
    patience: Patience = field(default_factory=Patience)

    have: int = 0
    """Bytes of it that are on the disk."""

    body: Body | None = None
    """What is being read; to be aborted from another thread."""

    def run(self) -> str:
        """The file's sha256, in hex, once it is whole under its own name.

        Raises:
            DownloadError: it cannot be had, or is not what the Hub lists.
            StorageError: the disk is full or refuses.
            Interrupted: `stop` said so; what was fetched is kept.
        """
        with storage(str(self.target.parent)):
            self.target.parent.mkdir(parents=True, exist_ok=True)
        part = self.target.with_name(self.target.name + PART)
        for _ in range(2):
            digests = self._fill(part)
            if digests.match(self.file.sha256, self.file.git_sha1):
                with storage(str(self.target)):
                    part.replace(self.target)
                    flush_folder(self.target.parent)
                return digests.sha256
            with storage(str(part)):
                part.unlink()
        raise DownloadError(
            f"{self.file.path} is not the file that the Hub lists: its content differs, twice",
            "The repository changed, or a proxy alters it; pull again, or elsewhere.",
        )

    def _fill(self, part: Path) -> Digests:
        """All its bytes in `part`, flushed to the disk; and their digests."""
        with storage(str(part)), open(part, "ab", buffering=0, opener=_unlinked) as out:
            digests = self._taken_up(part, out)
            failures, most = 0, self.have
            while self.have < self.file.size:
                failure = self._attempt(out, digests)
                if self.have >= self.file.size:
                    break
                # Only bytes that were never there are worth another round of patience.
                failures = 1 if self.have > most else failures + 1
                most = max(most, self.have)
                self._wait(failures, failure)
            refuse_stopped(self.stop)
            os.fsync(out.fileno())
        return digests

    def _fresh(self) -> Digests:
        return Digests(self.file.size, with_git=self.file.sha256 is None)

    def _taken_up(self, part: Path, out: Any) -> Digests:
        """The digests of what an earlier attempt left."""
        digests = self._fresh()
        if out.tell() > self.file.size:
            out.truncate(0)
        self.have = os.fstat(out.fileno()).st_size
        if self.have:
            read_into(digests, part, stop=self.stop)
        return digests

    def _attempt(self, out: Any, digests: Digests) -> Transient:
        """Read as much as comes; why it ended early."""
        refuse_stopped(self.stop)
        try:
            with self.open(self.file, self.have) as body, _hashing(digests) as hash_too:
                self.body = body
                self._read(body, out, hash_too)
            return Transient(f"{self.file.path}: the line ended early")
        except Transient as failure:
            return failure
        finally:
            self.body = None

    def _read(self, body: Body, out: Any, hash_too: Callable[[bytes], None]) -> None:
        skipped = self.have - body.offset  # a proxy that ignores ranges sends all of it again
        if skipped < 0:
            raise Transient(f"{self.file.path}: the server sent another range")
        for chunk in body.chunks:
            refuse_stopped(self.stop)
            if skipped:
                skipped, chunk = max(0, skipped - len(chunk)), chunk[skipped:]
            room = self.file.size - self.have
            if chunk and not room:
                break  # longer than listed: not ours to keep
            chunk = chunk[:room]
            with storage(str(self.target)):
                _write(out, chunk)
            self.have += len(chunk)
            hash_too(chunk)

    def _wait(self, failures: int, failure: Transient) -> None:
        refuse_stopped(self.stop)
        seconds = self.patience.wait_seconds(
            failures, failure.wait_seconds, refused=failure.refused
        )
        if seconds is None:
            raise gave_up(failure)
        self.on_wait(str(failure), seconds)
        pause(seconds, self.stop)


def gave_up(failure: Transient) -> DownloadError:
    """What is told when patience has ended."""
    if failure.refused:
        return DownloadError(f"cannot fetch: {failure}", _REFUSED_HINT)
    if failure.wait_seconds is not None:
        hint = f"The server asks to wait {failure.wait_seconds:,.0f} s; pull again then."
    else:
        hint = "Check the network and pull again: it goes on where it stopped."
    return Unreachable(f"cannot fetch: {failure}", hint)


_REFUSED_HINT = (
    "Accept the model's conditions on its page, log in with `hf auth login`, and pull again."
)


def _unlinked(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, SHARED)


def _write(out: Any, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[out.write(rest) :]


@contextmanager
def _hashing(digests: Digests) -> Iterator[Callable[[bytes], None]]:
    """A function that hashes in another thread, in order, all of it before the block ends."""
    if digests.size <= _SMALL_BYTES:
        yield digests.update
        return
    waiting: queue.Queue[bytes | None] = queue.Queue(_HASHED_AHEAD)

    def run() -> None:
        while (data := waiting.get()) is not None:
            digests.update(data)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield waiting.put
    finally:
        waiting.put(None)
        thread.join()


AT_ONCE = 4
"""Files fetched at a time: hides the seconds that each small one needs to be found."""

_FAREWELL_SECONDS = 0.3
"""How long workers are waited for when the user stops."""

OnBytes = Callable[[int], None]
"""Told the bytes there are, now and then."""


@dataclass
class Transfer:
    """Some files of one model on their way into a folder."""

    files: Sequence[RemoteFile]
    folder: Path
    open: Opener
    on_wait: OnWait = lambda reason, seconds: None
    patience: Patience = field(default_factory=Patience)
    at_once: int = AT_ONCE

    def __post_init__(self) -> None:
        self._halt = threading.Event()
        self._failures: list[BaseException] = []
        self._sha256: dict[str, str] = {}
        # The largest first: none of them is left to travel alone at the end.
        order = sorted(self.files, key=lambda file: -file.size)
        self._downloads = [self._download(file) for file in order]

    def run(self, stop: Stop = never, on_bytes: OnBytes = lambda count: None) -> dict[str, str]:
        """The sha256 of every file by its path, once all are whole.

        Raises:
            DownloadError, StorageError: as the first file that failed.
            Interrupted: `stop` said so; what was fetched is kept.
        """
        waiting = deque(self._downloads)
        workers = [
            threading.Thread(target=self._work, args=(waiting,), daemon=True)
            for _ in range(min(self.at_once, len(waiting)))
        ]
        for worker in workers:
            worker.start()
        try:
            while not self._failures and any(worker.is_alive() for worker in workers):
                for worker in workers:
                    worker.join(POLL_SECONDS / len(workers))
                on_bytes(self.bytes_there)
                refuse_stopped(stop)
        finally:
            self._end(workers)
        if self._failures:
            raise self._failures[0]
        return self._sha256

    @property
    def bytes_there(self) -> int:
        """Bytes on the disk of all its files."""
        return sum(download.have for download in self._downloads)

    def _download(self, file: RemoteFile) -> FileDownload:
        return FileDownload(
            file=file,
            target=confined(self.folder, file.path),
            open=self.open,
            stop=self._halt.is_set,
            on_wait=self.on_wait,
            patience=self.patience,
        )

    def _work(self, waiting: deque[FileDownload]) -> None:
        while not self._halt.is_set():
            try:
                download = waiting.popleft()
            except IndexError:
                return
            try:
                self._sha256[download.file.path] = download.run()
            except BaseException as error:
                self._failures.append(error)
                self._halt.set()

    def _end(self, workers: Sequence[threading.Thread]) -> None:
        """Stop what still runs; a worker that hangs on a dead line is left to end alone."""
        self._halt.set()
        deadline = monotonic() + _FAREWELL_SECONDS
        while any(worker.is_alive() for worker in workers) and monotonic() < deadline:
            for download in self._downloads:
                body = download.body
                if body is not None:
                    body.abort()
            for worker in workers:
                worker.join(POLL_SECONDS)
