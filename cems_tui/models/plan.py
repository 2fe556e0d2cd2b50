"""What a pull will do: which files, where each is found, what their licence asks of the user."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cems_tui.errors import DownloadError, UsageError
from cems_tui.files import confined, confined_folder, free_bytes
from cems_tui.generation.families.registry import FAMILIES, family_of_class
from cems_tui.models.hub.download import PART
from cems_tui.models.ledger import DEFAULT_STEPS, Entry, Ledger, folder_name
from cems_tui.models.repository import RemoteFile, Repository, Selection, picked, wanted
from cems_tui.models.target import PullRequest, Target, functions_of, hold_to, is_noncommercial

Place = Literal["installed", "fetched", "partial", "cache", "download"]
"""Where a file is found: installed; whole or begun by an earlier pull; the Hub's cache; nowhere."""

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
        """The folders within that of all models.

        Args:
            apart: the name of a model that takes some files of the repository only.

        Raises:
            StorageError: the commit is no name of a folder.
        """
        folder = f"{folder_name(repo)}/{commit if apart is None else f'{commit}-{apart}'}"
        return cls(confined_folder(models, folder), confined_folder(models, f".partial/{folder}"))


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of a plan."""

    file: RemoteFile
    place: Place
    have_bytes: int = 0
    """Bytes of it that need not be fetched."""

    @property
    def path(self) -> str:
        return self.file.path

    @property
    def bytes(self) -> int:
        return self.file.size


@dataclass(frozen=True, slots=True)
class PullPlan:
    """One model at one commit and what pulling it will do: shown, agreed to, then followed."""

    wish: PullRequest
    target: Target
    repository: Repository
    files: tuple[PlannedFile, ...]
    places: Places
    free_bytes: int
    """Bytes free where models go."""

    pipeline: str | None
    steps: tuple[int, ...]
    """Of the functions it gets beside those of the catalog."""

    whole: bool = False
    """Whether it is installed already, as it is wanted."""

    notes: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        return self.target.name

    @property
    def repo(self) -> str:
        return self.target.repo

    @property
    def revision(self) -> str:
        return self.repository.commit

    @property
    def folder(self) -> Path:
        return self.places.final

    @property
    def licence(self) -> str | None:
        known = self.target.known
        return known.licence if known else self.repository.licence

    @property
    def gated(self) -> bool:
        return self.repository.gated

    @property
    def noncommercial(self) -> bool:
        known = self.target.known
        return (
            (known is not None and known.noncommercial)
            or is_noncommercial(self.licence)
            or is_noncommercial(self.repository.licence)
        )

    @property
    def functions(self) -> tuple[str, ...]:
        return functions_of(self.target, self.steps)

    @property
    def converts(self) -> bool:
        """Whether its weights come as pickles and are kept as safetensors."""
        return self.target.known is not None and self.target.known.convert

    @property
    def same_commit(self) -> bool:
        """Whether what is recorded of the model is of this commit."""
        entry = self.target.entry
        return entry is not None and entry.commit == self.repository.commit

    @property
    def total_bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def download_bytes(self) -> int:
        return sum(file.bytes - file.have_bytes for file in self.files)


def plan_of(
    wish: PullRequest,
    target: Target,
    repository: Repository,
    read_index: Callable[[], Mapping[str, Any] | None],
    ledger: Ledger,
    cached: Cached,
) -> PullPlan:
    """What pulling the target from the repository means.

    Args:
        read_index: the content of its model_index.json; asked for where nothing is recorded.

    Raises:
        DownloadError: the repository is not what was recorded.
        UsageError: nothing here draws with it, and more than its files is wanted.
        WeightsError: a file is missing, comes as a pickle only, or would leave the folder.
    """
    entry = target.entry
    if target.pinned and entry is not None and entry.files:
        selection, pipeline = Selection(hold_to(entry, repository)), entry.pipeline
    else:
        index = read_index()
        pipeline = None if index is None else str(index.get("_class_name"))
        if pipeline is not None and not wish.files_only:
            _refuse_undrawable(target, pipeline)
        selection = selected(target, repository, index)
    apart = target.name if target.known is not None and target.known.files else None
    places = Places.of(ledger.models, target.repo, repository.commit, apart)
    same = entry if entry is not None and entry.commit == repository.commit else None
    whole = same is not None and _is_as_wanted(same, selection.files, ledger)
    if whole:
        files = [PlannedFile(file, "installed", file.size) for file in selection.files]
    else:
        damaged = frozenset() if same is None else frozenset(same.damaged)
        files = [_found(file, places, file.path in damaged, cached) for file in selection.files]
    return PullPlan(
        wish=wish,
        target=target,
        repository=repository,
        files=tuple(files),
        places=places,
        free_bytes=free_bytes(ledger.models),
        pipeline=pipeline,
        steps=wish.steps or _steps_of(target, pipeline),
        whole=whole,
        notes=(*selection.notes, *_notes(target, repository, pipeline)),
    )


def _refuse_undrawable(target: Target, pipeline: str) -> None:
    if family_of_class(pipeline) is None:
        raise UsageError(
            f"{target.repo} is a {pipeline}, which cannot be drawn with here",
            f"These can: {', '.join(layout.pipeline_class for layout in FAMILIES.values())}. "
            "--files-only keeps its files nevertheless.",
        )


def plan_of_recorded(
    wish: PullRequest, target: Target, entry: Entry, ledger: Ledger, cached: Cached
) -> PullPlan:
    """The plan of a model that is installed, from what is recorded of it alone.

    Raises:
        StorageError: the entry names a folder that is not among the models.
    """
    files = tuple(
        RemoteFile(file.path, file.bytes, file.sha256, file.git_sha1) for file in entry.published
    )
    repository = Repository(target.repo, entry.commit or "", files, entry.licence)
    return plan_of(wish, target, repository, lambda: None, ledger, cached)


def selected(target: Target, repository: Repository, index: Mapping[str, Any] | None) -> Selection:
    """The files of a repository that make the model: those the catalog names, else by its index.

    Raises:
        WeightsError: a file is missing, comes as a pickle only, or would leave the folder.
    """
    known = target.known
    if known is None or not known.files:
        return wanted(repository, index)
    selection = picked(repository, known.files, pickles=known.convert)
    if target.revision != known.revision or not known.sha256:
        return selection
    files = tuple(_held_to_catalog(file, known.sha256, repository) for file in selection.files)
    return replace(selection, files=files)


def _held_to_catalog(
    file: RemoteFile, digests: Mapping[str, str], repository: Repository
) -> RemoteFile:
    """The file with the digest that the catalog knows of it: what is fetched must have it.

    Raises:
        DownloadError: the Hub lists another one.
    """
    expected = digests.get(file.path)
    if expected is None or file.sha256 == expected:
        return file
    if file.sha256 is not None:
        raise DownloadError(
            f"{repository.repo}: {file.path} is not the file the catalog knows: sha256 "
            f"{file.sha256[:12]}… is listed, {expected[:12]}… is expected",
            "Ask who publishes it; `--revision main` takes what is there now.",
        )
    return replace(file, sha256=expected)


def size_of(path: Path) -> int | None:
    """Bytes of a file; None when it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def is_whole(entry: Entry, ledger: Ledger) -> bool:
    """Whether every recorded file is in the entry's folder, by its size."""
    return _has(entry, ((file.path, file.bytes) for file in entry.files), ledger)


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


def _is_as_wanted(entry: Entry, files: Iterable[RemoteFile], ledger: Ledger) -> bool:
    if entry.fetched:  # what it was made from is gone; nothing of it is needed again
        return is_whole(entry, ledger)
    return _has(entry, ((file.path, file.size) for file in files), ledger)


def _has(entry: Entry, files: Iterable[tuple[str, int]], ledger: Ledger) -> bool:
    folder, sizes = ledger.present(entry), list(files)
    return (
        folder is not None
        and bool(sizes)
        and all(size_of(folder / path) == size for path, size in sizes)
    )


def _found(file: RemoteFile, places: Places, damaged: bool, cached: Cached) -> PlannedFile:
    """Where a file is found. Sizes are compared here, contents where they are used."""
    if not damaged and size_of(confined(places.final, file.path)) == file.size:
        return PlannedFile(file, "installed", file.size)
    target = confined(places.partial, file.path)
    if not damaged and size_of(target) == file.size:
        return PlannedFile(file, "fetched", file.size)
    part = size_of(target.with_name(target.name + PART)) or 0
    if 0 < part <= file.size:
        return PlannedFile(file, "partial", part)
    there = cached(file.path)
    if there is not None and size_of(there) == file.size:
        return PlannedFile(file, "cache", file.size)
    return PlannedFile(file, "download")


def _steps_of(target: Target, pipeline: str | None) -> tuple[int, ...]:
    if target.entry is not None:
        return target.entry.steps
    drawn = pipeline is not None and family_of_class(pipeline) is not None
    return DEFAULT_STEPS if drawn and target.known is None else ()


def _notes(target: Target, repository: Repository, pipeline: str | None) -> list[str]:
    notes, known = [], target.known
    if pipeline is not None and family_of_class(pipeline) is None:
        notes.append(f"nothing here draws with a {pipeline}: its files are kept, not used")
    if known is not None and known.convert:
        notes.append("its weights come as pickles: they are kept as safetensors")
    if known is not None and _is_news(known.licence, repository.licence):
        notes.append(f"the Hub calls its licence {repository.licence}")
    return notes


def _is_news(ours: str, told: str | None) -> bool:
    """Whether the Hub's licence is one that the catalog's name does not contain."""
    if told is None or told in ("other", "unknown"):
        return False
    return _letters(told) not in _letters(ours)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum() or letter == "+")
