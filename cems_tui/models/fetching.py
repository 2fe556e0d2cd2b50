"""Brings every file of a plan into the partial folder: from the Hub's cache, else from the Hub."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cems_tui.models import install
from cems_tui.models.background import Stop
from cems_tui.models.download import Body
from cems_tui.models.events import ModelEvent, Planned, Progressed, Waited
from cems_tui.models.patience import Patience
from cems_tui.models.plan import RemoteFile
from cems_tui.models.transfer import Transfer

Emit = Callable[[ModelEvent], None]


@dataclass(frozen=True, slots=True)
class Filled:
    """What filling a partial folder came to."""

    sha256: dict[str, str]
    """Of every file that was read, by its path."""

    downloaded_bytes: int
    snapshot: Path | None
    """The cache's folder that holds all of the model, so that ours need not."""


@dataclass
class Fetching:
    """One model's files on their way."""

    planned: Planned
    files: tuple[RemoteFile, ...]
    places: install.Places
    open: Callable[[str, int], AbstractContextManager[Any]]
    """The body of one file of the repository, by path, from a byte on."""

    cached: install.Cached
    emit: Emit
    stop: Stop
    patience: Patience = field(default_factory=Patience)

    def run(self) -> Filled:
        """Every file in its place; a file of the cache that is not right is fetched.

        Raises:
            DownloadError, StorageError, Interrupted: what was fetched is kept.
        """
        sha256, linked = self._check_cache()
        snapshot = install.snapshot(linked, self.files)
        if snapshot is not None:
            return Filled(sha256, 0, snapshot)
        for name, path in linked.items():
            install.link(path, self.places.partial / name)
        place = {file.path: file.place for file in self.planned.files}
        missing = [
            file
            for file in self.files
            if place[file.path] not in ("installed", "fetched") and file.path not in linked
        ]
        fetched, downloaded = self._download(missing)
        return Filled({**sha256, **fetched}, downloaded, None)

    def _check_cache(self) -> tuple[dict[str, str], dict[str, Path]]:
        """The sha256 and path of every file that the cache holds and that is right."""
        places = {file.path for file in self.planned.files if file.place == "cache"}
        candidates = [file for file in self.files if file.path in places]
        total, done = sum(file.size for file in candidates), 0
        sha256: dict[str, str] = {}
        linked: dict[str, Path] = {}

        def read(count: int) -> None:
            nonlocal done
            done += count
            self.emit(Progressed(self.planned.model, "checking", done, total))

        for file in candidates:
            path = self.cached(file.path)
            digest = None if path is None else install.is_right(path, file, self.stop, read)
            if path is None or digest is None:
                self._say(f"{file.path} in the Hub's cache is damaged; it is fetched")
                continue
            sha256[file.path], linked[file.path] = digest, path
        return sha256, linked

    def _download(self, missing: list[RemoteFile]) -> tuple[dict[str, str], int]:
        total = self.planned.total_bytes
        elsewhere = total - sum(file.size for file in missing)
        had = sum(f.have_bytes for f in self.planned.files if f.path in {m.path for m in missing})
        transfer = Transfer(missing, self.places.partial, self._open, self._wait, self.patience)

        def told(there: int) -> None:
            done = elsewhere + there
            self.emit(Progressed(self.planned.model, "downloading", done, total))

        sha256 = transfer.run(self.stop, told)
        return sha256, max(0, sum(file.size for file in missing) - had)

    def _open(self, file: RemoteFile, offset: int) -> AbstractContextManager[Body]:
        return self.open(file.path, offset)

    def _wait(self, reason: str, seconds: float) -> None:
        self.emit(Waited(self.planned.model, reason, seconds))

    def _say(self, reason: str) -> None:
        self.emit(Waited(self.planned.model, reason, 0.0))
