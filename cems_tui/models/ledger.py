"""What was pulled or imported: each model's commit, sizes, sha256 and folder, a file a model.

An entry outlives the model's files: pulled again, the same files are asked for.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from cems_tui import log
from cems_tui.errors import StorageError, UsageError
from cems_tui.files import (
    confined,
    confined_folder,
    read_json,
    stays_within,
    storage,
    write_json,
)
from cems_tui.models.repository import MOST_FILES, is_commit
from cems_tui.paths import ensure
from cems_tui.typed import fits

FORMAT = 1
RESERVED = "starter-"
"""What the names of the starter pack's models begin with."""

DEFAULT_STEPS = (20,)
MOST_STEPS = 10_000
MOST_PIXELS_A_SIDE = 65_536
_LARGEST_BYTES = 16_000_000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_SHA1 = re.compile(r"[0-9a-f]{40}")
_FORBIDDEN = re.compile(r"[@/\\,\s:*?\"<>|]")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A file that belongs to a model, as it was when it was pulled or imported."""

    path: str
    """Relative to the model's folder, with slashes."""

    bytes: int
    sha256: str | None = None
    """Hex; None until the file was read once."""

    git_sha1: str | None = None
    """What the Hub told where it told no sha256."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model the user has, or had."""

    name: str
    repo: str | None = None
    """The Hub's `org/name`; None for what was imported."""

    commit: str | None = None
    files: tuple[PinnedFile, ...] = ()
    fetched: tuple[PinnedFile, ...] = ()
    """What the Hub gave, where `files` were made from it; later pulls are held to these."""

    folder: str | None = None
    """Where it lies: relative to the models folder, or absolute; None while not installed."""

    owned: bool = True
    """Whether the folder is ours, to be removed with the model."""

    pipeline: str | None = None
    """The class its model_index.json names; None for a support model."""

    family: str | None = None
    licence: str | None = None
    accepted: str | None = None
    """The licence that the user agreed to when asked."""

    steps: tuple[int, ...] = ()
    guidance: float | None = None
    width: int | None = None
    height: int | None = None
    origin: str | None = None
    """The path an import was made from."""

    damaged: tuple[str, ...] = ()
    """Files that were found not to be what they were."""

    removed: bool = False
    """Whether the user removed it: its commit and digests are kept for the next pull only."""

    @property
    def total_bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def published(self) -> tuple[PinnedFile, ...]:
        """Its files as the Hub has them."""
        return self.fetched or self.files

    @property
    def installed(self) -> bool:
        """Whether it is recorded as whole."""
        return self.folder is not None and not self.damaged

    @property
    def digest(self) -> str | None:
        """`sha256:…` over its weights, as `generation.fingerprint`; None when not all are known."""
        weights = sorted(
            (file.path, file.sha256) for file in self.files if file.path.endswith(".safetensors")
        )
        if not weights or any(sha256 is None for _, sha256 in weights):
            return None
        lines = "".join(f"{path} sha256:{sha256}\n" for path, sha256 in weights)
        return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"

    @property
    def source(self) -> str:
        """Where it came from, for people."""
        return self.repo or self.origin or "imported"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries of one profile, in `models/ledger`."""

    models: Path
    """The folder of all models."""

    entries: dict[str, Entry] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    """The files of entries that cannot be read, and are left out."""

    @classmethod
    def read(cls, models: Path) -> Ledger:
        """Every entry that can be read; one that cannot is named in the log and left out."""
        entries: dict[str, Entry] = {}
        unreadable = []
        folder = models / "ledger"
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
            entry = _read(path, models)
            if entry is not None:
                entries[entry.name] = entry
            elif path.exists():
                unreadable.append(path.name)
        return cls(models, entries, tuple(unreadable))

    def is_current(self, name: str) -> bool:
        """Whether the model of that name is still recorded as it was when this was read."""
        return _read(self._path(name), self.models) == self.entries.get(name)

    def of_repo(self, repo: str) -> Entry | None:
        """The first entry of a Hub repository."""
        return next((entry for entry in self.entries.values() if entry.repo == repo), None)

    def folder_of(self, entry: Entry) -> Path | None:
        """Where its files lie; None while it is not installed."""
        return None if entry.folder is None else self.models / entry.folder

    def own_folder(self, entry: Entry) -> Path:
        """Where the files lie that are removed with it.

        Raises:
            StorageError: the entry names a folder that is not among the models.
        """
        return confined_folder(self.models, entry.folder or "")

    def present(self, entry: Entry) -> Path | None:
        """Its folder, when it is recorded as whole and every file is still there."""
        folder = self.folder_of(entry)
        if folder is None or not entry.installed or not folder.is_dir():
            return None
        # what may not be looked at is not there: `Path.exists` raises of it
        there = all(os.path.exists(folder / file.path) for file in entry.files)
        return folder if there else None

    def write(self, entry: Entry) -> Entry:
        """Record an entry, in place of the one of that name.

        Raises:
            StorageError: it cannot be written.
        """
        path = self._path(entry.name)
        ensure(path.parent)
        write_json(path, {"format": FORMAT, **asdict(entry)})
        self.entries[entry.name] = entry
        return entry

    def removed(self, entry: Entry) -> Entry:
        """Record that its files are gone; commit and digests stay, to be held to."""
        return self.write(replace(entry, folder=None, damaged=(), removed=True))

    def names(self) -> set[str]:
        """The names that are in use."""
        return {name for name, entry in self.entries.items() if not entry.removed}

    def forget(self, entry: Entry) -> None:
        """Remove an entry for good.

        Raises:
            StorageError: it cannot be removed.
        """
        with storage(str(self._path(entry.name))):
            self._path(entry.name).unlink(missing_ok=True)
        self.entries.pop(entry.name, None)

    def relative(self, folder: Path) -> str:
        """A folder as entries name it: relative when it is one of ours, so a profile can move."""
        try:
            return folder.relative_to(self.models).as_posix()
        except ValueError:
            return str(folder)

    def _path(self, name: str) -> Path:
        return confined(self.models / "ledger", f"{name}.json")


def _read(path: Path, models: Path) -> Entry | None:
    try:
        return _parsed(read_json(path, _LARGEST_BYTES), path, models)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.error("%s cannot be read and is left out: %s", path, error)
        return None


def _parsed(value: dict[str, Any], path: Path, models: Path) -> Entry:
    if value["format"] > FORMAT:
        raise StorageError(f"{path} was written by a newer cems", "Upgrade this one.")
    known = {key.name for key in fields(Entry)}
    values = {key: item for key, item in value.items() if key in known}
    for key in ("files", "fetched"):
        values[key] = tuple(PinnedFile(**file) for file in values.get(key, ()))
    for key in ("steps", "damaged"):
        values[key] = tuple(values.get(key, ()))
    entry = Entry(**values)
    _refuse_impossible(entry)
    _refuse_foreign(entry, path, models)
    return entry


def _refuse_impossible(entry: Entry) -> None:
    """Raises ValueError where an entry says what no model of ours can have."""
    told = replace(entry, folder=_as_text(entry.folder), origin=_as_text(entry.origin))
    if not fits(told, Entry, most_items=MOST_FILES):
        raise ValueError("a value has another type, or is out of range")
    if not all(1 <= steps <= MOST_STEPS for steps in entry.steps):
        raise ValueError("its steps are none")
    sides = [side for side in (entry.width, entry.height) if side is not None]
    if not all(1 <= side <= MOST_PIXELS_A_SIDE for side in sides):
        raise ValueError("its size is none")
    for file in (*entry.files, *entry.fetched):
        digests = ((file.sha256, _SHA256), (file.git_sha1, _GIT_SHA1))
        if not all(digest is None or pattern.fullmatch(digest) for digest, pattern in digests):
            raise ValueError(f"the digest of {file.path!r} is none")


def _as_text(path: Any) -> Any:
    """A path as text: the name of a folder need not be UTF-8."""
    return os.fsencode(path).decode(errors="replace") if isinstance(path, str) else path


def _refuse_foreign(entry: Entry, path: Path, models: Path) -> None:
    """Refuse what would have anything made, renamed or removed that is no model of ours.

    Raises:
        ValueError: the entry is of another name, or names what is outside its folder.
    """
    name, stem = (unicodedata.normalize("NFC", text) for text in (entry.name, path.stem))
    if name != stem:
        raise ValueError(f"it is of {entry.name!r}")
    if entry.repo is not None and not is_repo(entry.repo):
        raise ValueError(f"{entry.repo!r} is no repository")
    if entry.commit is not None and not is_commit(entry.commit):
        raise ValueError(f"{entry.commit!r} is no commit")
    for file in (*entry.files, *entry.fetched):
        if not stays_within(file.path) or file.bytes < 0:
            raise ValueError(f"{file.path!r} ({file.bytes} bytes) is no file of a model")
    if entry.folder is not None and not _may_be_folder(entry.folder, entry.owned, models):
        raise ValueError(f"{entry.folder!r} is no folder of a model")


def _may_be_folder(folder: str, owned: bool, models: Path) -> bool:
    """Whether a model can lie there: its own among the models, another's anywhere."""
    if not owned:
        return stays_within(folder.removeprefix("/"))
    try:
        first = confined_folder(models, folder).relative_to(models).parts[0]
    except StorageError:
        return False
    return first != "ledger" and not first.startswith(".")


def chosen_name(repo: str, asked: str | None, taken: Iterable[str]) -> str:
    """What a repository's model is called: as asked, else its last part, else `org--name`.

    Raises:
        UsageError: the name asked for is taken or cannot be one, or nothing is left to choose.
    """
    used = set(taken)
    if asked is not None:
        name = checked_name(asked)
        if name in used:
            raise UsageError(f"{name} is the name of another model", "Choose another --name.")
        return name
    lower = repo.lower()
    for name in (lower.split("/")[-1], lower.replace("/", "--")):
        if name not in used and not name.startswith(RESERVED) and not name.startswith("."):
            return name
    raise UsageError(f"the names for {repo} are taken", "Choose one with --name.")


def checked_name(name: str) -> str:
    """The name, normalised, if a model can be called that.

    Raises:
        UsageError: it cannot.
    """
    normal = unicodedata.normalize("NFC", name)
    if (
        not normal
        or len(normal.encode()) > 100
        or normal.startswith((".", "-"))
        or _FORBIDDEN.search(normal)
        or any(unicodedata.category(letter)[0] == "C" for letter in normal)
    ):
        raise UsageError(
            f"{name!r} cannot name a model", "Use letters, digits, dots, dashes and underscores."
        )
    if normal.startswith(RESERVED):
        raise UsageError(f"names in {RESERVED}* belong to the starter pack", "Choose another name.")
    return normal


def is_repo(name: str) -> bool:
    """Whether a name is written as the Hub's ORG/REPO."""
    return _REPO.fullmatch(name) is not None


def folder_name(repo: str) -> str:
    """`org--name`: the folder of a repository."""
    return repo.replace("/", "--")
