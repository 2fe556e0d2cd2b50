"""Fetches the files of a model, a few at a time, watched and stoppable at any moment."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from cems_tui.models.background import POLL_SECONDS, Stop, never, refuse_stopped
from cems_tui.models.download import FileDownload, OnWait, Opener
from cems_tui.models.patience import Patience
from cems_tui.models.plan import RemoteFile

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
            target=self.folder / file.path,
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
