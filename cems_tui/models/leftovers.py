"""What killed commands left among the models: removed half-way, copied half-way, forgotten.

A model is removed by one rename into a trash that any later command empties, so that what is
recorded and what is there never disagree for long, and no free byte is needed for it.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cems_tui.errors import DeviceBusy
from cems_tui.files import leftovers_below, storage
from cems_tui.locks import FileLock
from cems_tui.models.ledger import Ledger

TRASH = ".trash"
PARTIAL = ".partial"
IMPORTED = f"{PARTIAL}/imported"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A folder that no model needs."""

    path: Path
    bytes: int
    why: str
    swept: bool
    """Whether the next command that changes models removes it; else it is the user's to look at."""


def discard(models: Path, folders: Iterable[Path]) -> list[Path]:
    """Take folders from their places in one rename each; where they are now.

    Where there is no room even for a name of the trash, they are removed where they are.

    Raises:
        StorageError: a folder cannot be renamed or removed.
    """
    moved = []
    for folder in folders:
        place = models / TRASH / f"{folder.name}-{secrets.token_hex(8)}"
        try:
            place.parent.mkdir(exist_ok=True)
            folder.rename(place)
        except OSError:
            with storage(str(folder)):
                shutil.rmtree(folder)
            continue
        moved.append(place)
    return moved


def empty(places: list[Path]) -> None:
    """Remove what was discarded.

    Raises:
        StorageError: the disk refuses; the next command tries again.
    """
    for place in places:
        with storage(str(place)):
            shutil.rmtree(place)
    for parent in {place.parent for place in places}:
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


def sweep(models: Path, locks: Path) -> None:
    """Remove what killed removals and imports left; what a running one works on stays.

    Raises:
        StorageError: the disk refuses.
    """
    empty([path for path, _ in _discarded(models)])
    for path in _imports(models):
        try:
            with FileLock(locks / f"import-{path.name}.lock", path.name), storage(str(path)):
                shutil.rmtree(path)
        except DeviceBusy:
            continue


def leftovers(models: Path, ledger: Ledger) -> list[Leftover]:
    """Everything among the models that none of them needs, largest first."""
    found = [Leftover(path, _bytes(path), why, True) for path, why in _discarded(models)]
    found += [
        Leftover(path, _bytes(path), "an import that was stopped", True)
        for path in _imports(models)
    ]
    kept = {folder for entry in ledger.entries.values() if (folder := ledger.folder_of(entry))}
    commits = {entry.commit for entry in ledger.entries.values() if entry.commit}
    for path in _models(models):
        if path in kept or any(one.is_relative_to(path) for one in kept):
            continue
        if path.name.split("-")[0] not in commits:  # a pull that goes on takes it back
            found.append(Leftover(path, _bytes(path), "no model is recorded there", False))
    return sorted(found, key=lambda one: -one.bytes)


def half_written(roots: Iterable[Path], unfinished: Collection[Path]) -> list[Leftover]:
    """Half files of killed commands that are not cleared by the next one.

    Args:
        unfinished: folders of pulls and removals, which go on with what is there.
    """
    return [
        Leftover(path, path.lstat().st_size, "half a file of a command that was killed", False)
        for root in roots
        for path in leftovers_below(root, without=unfinished)
    ]


def _discarded(models: Path) -> list[tuple[Path, str]]:
    return [(path, "a removal that was stopped") for path in _inside(models / TRASH)]


def _imports(models: Path) -> list[Path]:
    return _inside(models / IMPORTED)


def _models(models: Path) -> Iterator[Path]:
    """Folders where a model lies: `org--name/commit` of a pull, `imported/name`."""
    for parent in _inside(models):
        if not parent.name.startswith(".") and parent.name != "ledger":
            yield from _inside(parent)


def _inside(folder: Path) -> list[Path]:
    """The folders in a folder; links are followed by nobody."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                folder / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)
            )
    except OSError:
        return []


def _bytes(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            total += os.lstat(os.path.join(parent, name)).st_size
    return total
