"""A picture is a PNG and a row: both, or neither, and what a killed process left is put right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cems_tui import log
from cems_tui.domain.generation import Generation
from cems_tui.errors import CemsError, StorageError
from cems_tui.files import GRACE_SECONDS, clear_leftovers
from cems_tui.store.receipts import NoReceipt, read_receipt, write_png
from cems_tui.store.rows import check

if TYPE_CHECKING:
    from PIL.Image import Image


class Book(Protocol):
    """The part of the store that pictures are recorded in."""

    def has(self, generation_id: str) -> bool: ...

    def has_session(self, session_id: str) -> bool: ...

    def add_generation(self, generation: Generation) -> None: ...

    def adopt(self, generation: Generation) -> None: ...

    def known_images(self) -> dict[str, Path]: ...


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What putting a folder right did."""

    adopted: tuple[Generation, ...]
    """Pictures whose row was written from their receipt."""

    removed: tuple[Path, ...]
    """Half-written files of writers that are gone."""


def commit_picture(store: Book, image: Image, generation: Generation) -> None:
    """Write the PNG, then its row; when the row cannot be written the PNG is taken away again.

    Raises:
        StorageError: one of them cannot be written, or the id is taken; neither is left behind.
        CemsError: the row is refused; neither is left behind.
    """
    check(generation)  # refuse what cannot be recorded before anything is written
    if store.has(generation.id):
        raise StorageError(
            f"a picture with the id {generation.id} is recorded already",
            "Nothing was changed; make the picture again.",
        )
    write_png(image, generation.image, generation.to_json())
    try:
        store.add_generation(generation)
    except BaseException:
        _take_away(store, generation)
        raise


def orphans(store: Book, folder: Path) -> list[Generation]:
    """Pictures in the folder with a sound receipt and no row, oldest first.

    Raises:
        StorageError: the folder or the database cannot be read.
    """
    known = store.known_images()
    files = set(map(str, known.values()))
    found: dict[str, Generation] = {}
    for path in _pngs(folder):
        if path.stem in known or str(path) in files:
            continue
        generation = _receipt_of(path)
        if generation is not None and generation.id not in known:
            found.setdefault(generation.id, generation)
    return sorted(found.values(), key=lambda generation: (generation.created, generation.id))


def reconcile(store: Book, folder: Path, *, ours_only: bool = False) -> Reconciled:
    """Put right what a killed process left: adopt pictures without a row, clear half files.

    The caller holds the device, so nobody else writes to the program's own folder: there a half
    file whose writer is gone is cleared however young it is.

    Args:
        store: where the rows go.
        folder: where the pictures are.
        ours_only: adopt only pictures of sessions that this database knows. For a folder that
            is not the program's own: what others put there is not this user's history.

    Raises:
        StorageError: the folder or the database cannot be read or written.
    """
    adopted = []
    for generation in orphans(store, folder):
        if ours_only and not store.has_session(generation.session):
            continue
        store.adopt(generation)
        adopted.append(generation)
    grace_seconds = GRACE_SECONDS if ours_only else 0.0
    return Reconciled(tuple(adopted), tuple(clear_leftovers(folder, grace_seconds)))


def _take_away(store: Book, generation: Generation) -> None:
    """Remove the PNG whose row failed, unless the row is there after all.

    An interrupt may arrive after the commit.
    """
    try:
        recorded = store.has(generation.id)
    except StorageError:
        recorded = False
    if not recorded:
        generation.image.unlink(missing_ok=True)


def _pngs(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.name.endswith(".png") and not entry.name.startswith(".")
            )
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    yield from (folder.absolute() / name for name in names)


def _receipt_of(path: Path) -> Generation | None:
    """The record in a PNG, at home where the file is now; None when it has no sound receipt.

    One that is not sound is named in the log: it stops nobody.
    """
    try:
        generation = replace(Generation.from_json(read_receipt(path)), image=path)
        check(generation)
    except NoReceipt:  # another program's picture
        return None
    except CemsError as error:
        log.error("a picture is left out of the history: %s", error)
        return None
    return generation
