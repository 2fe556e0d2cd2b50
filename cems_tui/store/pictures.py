"""A picture is a PNG and a row: both, or neither, and what a killed process left is put right."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast, get_args

from cems_tui import __version__, log
from cems_tui.domain.generation import Generation
from cems_tui.errors import CemsError, StorageError
from cems_tui.files import GRACE_SECONDS, clear_leftovers, read_json, write_text
from cems_tui.paths import ensure
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


MOST_REFUSED_BYTES = 32_000_000
MOST_REFUSED_FOLDERS = 8
JUST_WRITTEN_SECONDS = 2.0
"""A file changed so lately may change again without another size or moment."""


Kind = Literal["no receipt", "of a strange session", "a copy"]
_KINDS = get_args(Kind)


class Reason(NamedTuple):
    """Why a file is no picture of the history."""

    kind: Kind
    name: str = ""
    """The session it is of, or the picture it is a copy of."""


class Refused(NamedTuple):
    """A file that is no picture of the history, as it was when it was read."""

    size: int
    changed_ns: int
    reason: Reason


@dataclass(slots=True)
class RefusedPictures:
    """The files in a folder of pictures that need not be read again, unless they change.

    What is kept of them is a help and no record: where it cannot be read, all are read again.
    """

    file: Path
    folder: Path
    _known: dict[str, Refused]
    _kept: dict[str, Refused] = field(default_factory=dict)
    """Those that were met again, and new ones."""

    @classmethod
    def read(cls, file: Path, folder: Path) -> RefusedPictures:
        """What is known of a folder; nothing where the file is of another version."""
        told = _refused_folders(file).get(str(folder.absolute()))
        rows = told.items() if isinstance(told, dict) else ()
        found = {name: _refused(row) for name, row in rows}
        return cls(file, folder, {name: one for name, one in found.items() if one is not None})

    def remembers(self, path: Path, holds: Callable[[Reason], bool]) -> bool:
        """Whether the file is as it was when it was refused, and the reason still holds."""
        known = self._known.get(path.name)
        if known is None or known != _as_it_is(path, known.reason) or not holds(known.reason):
            return False
        self._kept[path.name] = known
        return True

    def add(self, path: Path, reason: Reason) -> None:
        """Refuse a file from now on; one that was just written is read once more."""
        found = _as_it_is(path, reason)
        if found and found.changed_ns < time.time_ns() - JUST_WRITTEN_SECONDS * 1e9:
            self._kept[path.name] = found

    def keep(self) -> None:
        """Write down what was found; where that fails, the next start reads them again."""
        if self._kept == self._known:
            return
        folders = _refused_folders(self.file)
        folders.pop(str(self.folder.absolute()), None)
        if self._kept:
            folders[str(self.folder.absolute())] = self._kept
        newest = dict(list(folders.items())[-MOST_REFUSED_FOLDERS:])
        try:
            ensure(self.file.parent)
            write_text(self.file, json.dumps({"version": __version__, "folders": newest}))
        except StorageError as error:
            log.error("which files are no pictures is not remembered: %s", error)


def _refused_folders(file: Path) -> dict[str, Any]:
    try:
        told = read_json(file, MOST_REFUSED_BYTES)
    except (OSError, ValueError):
        return {}
    if not isinstance(told, dict) or told.get("version") != __version__:
        return {}
    folders = told.get("folders")
    return folders if isinstance(folders, dict) else {}


def _refused(row: object) -> Refused | None:
    """A row of that file; None where it is none."""
    match row:
        case [int(size), int(changed_ns), [str(kind), str(name)]] if kind in _KINDS:
            return Refused(size, changed_ns, Reason(cast(Any, kind), name))
    return None


def _as_it_is(path: Path, reason: Reason) -> Refused | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return Refused(found.st_size, found.st_ctime_ns, reason)


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


def orphans(
    store: Book, folder: Path, *, ours_only: bool = False, refused: RefusedPictures | None = None
) -> list[Generation]:
    """Pictures in the folder with a sound receipt and no row, oldest first.

    Args:
        ours_only: only those of sessions that this database knows.
        refused: files that are not read again; those found to be no pictures are added.

    Raises:
        StorageError: the folder or the database cannot be read.
    """
    known = store.known_images()
    files = set(map(str, known.values()))
    knows_session = cache(store.has_session)

    def holds(reason: Reason) -> bool:
        if reason.kind == "of a strange session":
            return ours_only and not knows_session(reason.name)
        return reason.kind == "no receipt" or reason.name in known

    found: dict[str, Generation] = {}
    for path in _pngs(folder):
        if path.stem in known or str(path) in files:
            continue
        if refused is not None and refused.remembers(path, holds):
            continue
        read = _receipt_of(path)
        if isinstance(read, Generation):
            if read.id in known:
                read = Reason("a copy", read.id)
            elif ours_only and not knows_session(read.session):
                read = Reason("of a strange session", read.session)
            else:
                found.setdefault(read.id, read)
        if isinstance(read, Reason) and refused is not None:
            refused.add(path, read)
    return sorted(found.values(), key=lambda generation: (generation.created, generation.id))


def reconcile(
    store: Book, folder: Path, *, ours_only: bool = False, refused: RefusedPictures | None = None
) -> Reconciled:
    """Put right what a killed process left: adopt pictures without a row, clear half files.

    The caller holds the device, so nobody else writes to the program's own folder: there a half
    file whose writer is gone is cleared however young it is.

    Args:
        store: where the rows go.
        folder: where the pictures are.
        ours_only: adopt only pictures of sessions that this database knows. For a folder that
            is not the program's own: what others put there is not this user's history.
        refused: files that are not read again until they change.

    Raises:
        StorageError: the folder or the database cannot be read or written.
    """
    adopted = orphans(store, folder, ours_only=ours_only, refused=refused)
    for generation in adopted:
        store.adopt(generation)
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


def _receipt_of(path: Path) -> Generation | Reason | None:
    """The record in a PNG, at home where the file is now, or why it has no sound one.

    One that is not sound is named in the log: it stops nobody. None of one that cannot be read
    at the moment.
    """
    try:
        generation = replace(Generation.from_json(read_receipt(path)), image=path)
        check(generation)
    except NoReceipt:  # another program's picture
        return Reason("no receipt")
    except CemsError as error:
        log.error("a picture is left out of the history: %s", error)
        return None if isinstance(error.__cause__, OSError) else Reason("no receipt")
    return generation
