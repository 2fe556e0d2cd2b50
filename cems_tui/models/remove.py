"""What removing a model would free, what else uses its files, and removing it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cems_tui.models import install
from cems_tui.models.files import storage
from cems_tui.models.ledger import Entry, Ledger, folder_name


@dataclass(frozen=True, slots=True)
class Removal:
    """What `rm` does to one model."""

    model: str
    paths: tuple[Path, ...]
    """Folders that go."""

    freed_bytes: int
    shared_with: tuple[str, ...]
    """Other models that use its files: those stay for them."""

    kept: tuple[tuple[Path, str], ...]
    """Folders that stay, and why."""

    @property
    def nothing(self) -> bool:
        """Whether there is nothing of the model to remove."""
        return not self.paths and not self.kept and not self.shared_with


def plan_removal(entry: Entry, ledger: Ledger) -> Removal:
    """What removing the model would do; nothing is done."""
    folder = ledger.folder_of(entry)
    partial = _partial_folder(entry, ledger)
    paths: list[Path] = []
    kept: list[tuple[Path, str]] = []
    sharing = tuple(
        other.name
        for other in ledger.entries.values()
        if other.name != entry.name and other.folder is not None and _uses(other, folder, ledger)
    )
    if folder is not None and folder.is_dir():
        if not entry.owned:
            kept.append((folder, _whose(entry)))
        elif not sharing:
            paths.append(folder)
            kept += [(link, "in the Hub's cache") for link in _links_out(folder)[:1]]
    if partial is not None:
        paths.append(partial)
    return Removal(entry.name, tuple(paths), sum(map(_own_bytes, paths)), sharing, tuple(kept))


def remove(entry: Entry, ledger: Ledger) -> Removal:
    """Remove the model: first from the catalog, then its files.

    Raises:
        StorageError: a folder cannot be removed.
    """
    removal = plan_removal(entry, ledger)
    # First the record: a command that is killed here leaves files, never a broken model.
    if entry.repo is None:
        ledger.forget(entry)
    else:
        ledger.removed(entry)
    for path in removal.paths:
        with storage(str(path)):
            shutil.rmtree(path)
            install.remove_empty(path.parent)
    return removal


def _partial_folder(entry: Entry, ledger: Ledger) -> Path | None:
    """What an interrupted pull left."""
    if entry.repo is None:
        return None
    folder = ledger.models / ".partial" / folder_name(entry.repo)
    shared = any(
        other.repo == entry.repo and other.name != entry.name and not other.removed
        for other in ledger.entries.values()
    )
    return folder if folder.is_dir() and not shared else None


def _uses(other: Entry, folder: Path | None, ledger: Ledger) -> bool:
    """Whether another model lies in this folder, or links into it."""
    theirs = ledger.folder_of(other)
    if folder is None or theirs is None:
        return False
    if theirs == folder:
        return True
    here = folder.resolve()
    return any(link.resolve().is_relative_to(here) for link in _links_out(theirs))


def _links_out(folder: Path) -> list[Path]:
    """The symbolic links of a folder that lead out of it."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
                found.append(path)
    return sorted(found)


def _own_bytes(folder: Path) -> int:
    """Bytes that go with a folder: what it links to, or shares by hard links, stays."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            found = Path(parent, name).lstat()
            if found.st_nlink == 1 and not Path(parent, name).is_symlink():
                total += found.st_size
    return total


def _whose(entry: Entry) -> str:
    return (
        "imported in place" if entry.repo is None else "in the Hub's cache; `hf cache` removes it"
    )
