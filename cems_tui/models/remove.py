"""What removing a model would free, what else uses its files, and removing it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cems_tui.errors import StorageError, UsageError
from cems_tui.files import confined_folder
from cems_tui.models import install, leftovers
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

    linked_by: tuple[str, ...] = ()
    """Other models that link to its files: they have to go first."""

    @property
    def nothing(self) -> bool:
        """Whether there is nothing of the model to remove."""
        return not (self.paths or self.kept or self.shared_with or self.linked_by)


def plan_removal(entry: Entry, ledger: Ledger) -> Removal:
    """What removing the model would do; nothing is done."""
    folder = ledger.folder_of(entry)
    partial = _partial_folder(entry, ledger)
    paths: list[Path] = []
    kept: list[tuple[Path, str]] = []
    others = [e for e in ledger.entries.values() if e.name != entry.name and e.folder is not None]
    sharing = tuple(o.name for o in others if folder and ledger.folder_of(o) == folder)
    linked_by = tuple(o.name for o in others if folder and _links_into(o, folder, ledger))
    if folder is not None and folder.is_dir():
        if not entry.owned:
            kept.append((folder, _whose(entry)))
        elif not (sharing or linked_by):
            paths.append(ledger.own_folder(entry))
            kept += [(link.resolve(), "only linked to") for link in _links_out(folder)]
    if partial is not None:
        paths.append(partial)
    freed = sum(map(_own_bytes, paths))
    return Removal(entry.name, tuple(paths), freed, sharing, tuple(kept), linked_by)


def remove(entry: Entry, ledger: Ledger) -> Removal:
    """Remove the model: its files leave their place in one rename, then it is recorded as gone.

    A command that is killed in between leaves a model that is not installed, never a broken one.

    Raises:
        UsageError: another model links to its files.
        StorageError: a folder cannot be removed.
    """
    removal = plan_removal(entry, ledger)
    if removal.linked_by:
        names = ", ".join(removal.linked_by)
        raise UsageError(f"{names} uses the files of {entry.name}", f"Remove {names} first.")
    discarded = leftovers.discard(ledger.models, removal.paths)
    try:
        _forget(entry, ledger)
    except StorageError:  # on a full disk the record needs the room that the files take
        if not discarded:
            raise
        leftovers.empty(discarded)
        discarded = []
        _forget(entry, ledger)
    leftovers.empty(discarded)
    for path in removal.paths:
        install.remove_empty(path.parent)
    return removal


def _forget(entry: Entry, ledger: Ledger) -> None:
    if entry.repo is None:
        ledger.forget(entry)
    else:
        ledger.removed(entry)


def _partial_folder(entry: Entry, ledger: Ledger) -> Path | None:
    """What an interrupted pull left."""
    if entry.repo is None:
        return None
    folder = confined_folder(ledger.models, f".partial/{folder_name(entry.repo)}")
    shared = any(
        other.repo == entry.repo and other.name != entry.name and not other.removed
        for other in ledger.entries.values()
    )
    return folder if folder.is_dir() and not shared else None


def _links_into(other: Entry, folder: Path, ledger: Ledger) -> bool:
    """Whether another model has links to files of this folder."""
    theirs = ledger.folder_of(other)
    if theirs is None or theirs == folder:
        return False
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
