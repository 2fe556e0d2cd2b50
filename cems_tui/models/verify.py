"""Reads a model's files again and compares them with what was recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cems_tui.cancel import Stop, never
from cems_tui.errors import ModelMissing
from cems_tui.files import confined
from cems_tui.models import install
from cems_tui.models.events import Emit, Progressed
from cems_tui.models.ledger import Entry, Ledger, PinnedFile
from cems_tui.models.plan import size_of
from cems_tui.models.repository import RemoteFile


@dataclass(frozen=True, slots=True)
class Verified:
    """What a model's files came to."""

    model: str
    path: Path
    files: int
    bytes: int
    """Bytes that were read, or would be."""

    damaged: tuple[str, ...]
    """Files that are missing or are not what was recorded."""

    unknown: tuple[str, ...]
    """Files of which no digest was ever known: only their size was compared."""


def verify_model(
    entry: Entry,
    ledger: Ledger,
    emit: Emit,
    stop: Stop = never,
    *,
    dry_run: bool = False,
) -> Verified:
    """Hash every file of a model; what is damaged is recorded, so that a pull fetches it again.

    Raises:
        ModelMissing: it is not installed.
        Interrupted: `stop` said so.
    """
    folder = ledger.folder_of(entry)
    if folder is None:
        raise ModelMissing(f"{entry.name} is not installed", f"`cems pull {entry.source}` does it.")
    damaged = () if dry_run else _damaged(entry, folder, emit, stop)
    if not dry_run and damaged != entry.damaged:
        ledger.write(replace(entry, damaged=damaged))
    return Verified(
        model=entry.name,
        path=folder,
        files=len(entry.files),
        bytes=entry.total_bytes,
        damaged=damaged,
        unknown=tuple(f.path for f in entry.files if f.sha256 is None and f.git_sha1 is None),
    )


def _damaged(entry: Entry, folder: Path, emit: Emit, stop: Stop) -> tuple[str, ...]:
    done = 0

    def read(count: int) -> None:
        nonlocal done
        done += count
        emit(Progressed(entry.name, "checking", done, entry.total_bytes))

    bad: list[str] = []
    for file in entry.files:
        path = confined(folder, file.path)
        if size_of(path) != file.bytes or not install.is_right(path, _listed(file), stop, read):
            bad.append(file.path)
    return tuple(bad)


def _listed(file: PinnedFile) -> RemoteFile:
    return RemoteFile(file.path, file.bytes, file.sha256, file.git_sha1)
