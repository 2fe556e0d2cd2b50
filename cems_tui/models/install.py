"""Puts fetched files in their place: partial folder, links into the Hub's cache, one rename."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cems_tui.cancel import Stop
from cems_tui.errors import StorageError
from cems_tui.files import Digests, clear_leftovers, confined, flush_folder, read_into, storage
from cems_tui.models.download import PART
from cems_tui.models.events import Place, PlannedFile
from cems_tui.models.ledger import Entry, Ledger, folder_name
from cems_tui.models.repository import RemoteFile
from cems_tui.text import byte_count

_SPARE_BYTES = 64_000_000
"""Left free on the disk, for the database and everybody else."""

Cached = Callable[[str], Path | None]
"""Where the Hub's cache has a file, by its path in the repository."""


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one repository at one commit."""

    final: Path
    partial: Path
    """Hidden; becomes `final` when all is there."""

    @classmethod
    def of(cls, models: Path, repo: str, commit: str, apart: str | None = None) -> Places:
        """Args: apart: the name of a model that takes some files of the repository only."""
        name = folder_name(repo)
        folder = commit if apart is None else f"{commit}-{apart}"
        return cls(
            confined(models, f"{name}/{folder}"), confined(models, f".partial/{name}/{folder}")
        )


def survey(
    files: Iterable[RemoteFile], places: Places, damaged: Iterable[str], cached: Cached
) -> list[PlannedFile]:
    """Where each file is found. Sizes are compared here, contents where they are used."""
    bad = set(damaged)
    return [_placed(file, places, file.path in bad, cached) for file in files]


def _placed(file: RemoteFile, places: Places, damaged: bool, cached: Cached) -> PlannedFile:
    def planned(place: Place, have: int) -> PlannedFile:
        return PlannedFile(file.path, file.size, place, have)

    if not damaged and size_of(confined(places.final, file.path)) == file.size:
        return planned("installed", file.size)
    target = confined(places.partial, file.path)
    if not damaged and size_of(target) == file.size:
        return planned("fetched", file.size)
    part = size_of(target.with_name(target.name + PART)) or 0
    if 0 < part <= file.size:
        return planned("partial", part)
    there = cached(file.path)
    if there is not None and size_of(there) == file.size:
        return planned("cache", file.size)
    return planned("download", 0)


def size_of(path: Path) -> int | None:
    """Bytes of a file; None when it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def refuse_short_disk(model: str, folder: Path, needed_bytes: int, free_bytes: int) -> None:
    """Refuse to begin what the disk has no room for.

    Raises:
        StorageError: there is not enough room.
    """
    if needed_bytes and needed_bytes + _SPARE_BYTES > free_bytes:
        raise StorageError(
            f"{model} needs {byte_count(needed_bytes)}, and {byte_count(free_bytes)} is free "
            f"in {folder}",
            "Free some space (`cems rm NAME` removes a model), or move CEMS_HOME to a larger disk.",
        )


def take_back(files: Iterable[PlannedFile], places: Places) -> None:
    """Make an installed folder with something missing a partial one again: never half-installed.

    Raises:
        StorageError: the disk refuses.
    """
    if not places.final.is_dir():
        return
    with storage(str(places.final)):
        for file in files:
            if file.place == "installed":
                target = confined(places.partial, file.path)
                target.parent.mkdir(parents=True, exist_ok=True)
                confined(places.final, file.path).replace(target)
        shutil.rmtree(places.final)


def is_right(
    path: Path, file: RemoteFile, stop: Stop, on_bytes: Callable[[int], None]
) -> str | None:
    """The sha256 of a file on the disk if it is the one listed, else None.

    Raises:
        Interrupted: `stop` said so.
    """
    digests = Digests(file.size, with_git=file.sha256 is None)
    try:
        read_into(digests, path, stop=stop, on_bytes=on_bytes)
    except OSError:
        return None
    return digests.sha256 if digests.match(file.sha256, file.git_sha1) else None


def link(path: Path, target: Path) -> None:
    """Have `target` lead to a file elsewhere, without copying it.

    Raises:
        StorageError: the disk refuses.
    """
    with storage(str(target)):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(path.resolve())


def snapshot(paths: dict[str, Path], wanted: Sequence[RemoteFile]) -> Path | None:
    """The cache's folder that holds exactly the model, if all of it is there; else None.

    A folder with other weights beside them is not taken: whoever loads it would read those.
    """
    roots = {_root(path, name) for name, path in paths.items()}
    if len(paths) != len(wanted) or len(roots) != 1:
        return None
    root = roots.pop()
    weights = {found.relative_to(root).as_posix() for found in root.rglob("*.safetensors")}
    ours = {file.path for file in wanted if file.path.endswith(".safetensors")}
    return root if weights == ours else None


def _root(path: Path, name: str) -> Path:
    for _ in PurePosixPath(name).parts:
        path = path.parent
    return path


def settle(places: Places) -> None:
    """Give the whole model its name, in one rename.

    Raises:
        StorageError: the disk refuses.
    """
    with storage(str(places.final)):
        for folder, _, _ in os.walk(places.partial):
            clear_leftovers(Path(folder), grace_seconds=0)
            flush_folder(Path(folder))
        places.final.parent.mkdir(parents=True, exist_ok=True)
        places.partial.rename(places.final)
        flush_folder(places.final.parent)
        remove_empty(places.partial.parent)


def remove_empty(folder: Path) -> None:
    """Remove a folder, and the one above it, where nothing is in them."""
    for empty in (folder, folder.parent):
        try:
            empty.rmdir()
        except OSError:
            return


# How much of a model an unfinished pull left on the disk.


def fetched_bytes(entry: Entry, ledger: Ledger, apart: str | None = None) -> int | None:
    """Bytes of the entry's files that are here, whole or begun; None when there are none.

    Args:
        apart: the model's own part of its repository's folder, where several share one.
    """
    if ledger.present(entry) is not None:
        return entry.total_bytes
    if entry.repo is None or entry.commit is None:
        return None
    partial = Places.of(ledger.models, entry.repo, entry.commit, apart).partial
    if not partial.is_dir():
        return None
    found = 0
    for file in entry.files:
        target = confined(partial, file.path)
        part = target.with_name(target.name + PART)
        found += min(file.bytes, size_of(target) or size_of(part) or 0)
    return found or None
