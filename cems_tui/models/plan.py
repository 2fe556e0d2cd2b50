"""What a pull is about to do: which files, where they are found, what their licence asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cems_tui.files import file_digest, free_bytes
from cems_tui.generation.families.table import family_of_class
from cems_tui.models import install
from cems_tui.models.events import Planned, PlannedFile
from cems_tui.models.inspect import default_guidance, native_side
from cems_tui.models.ledger import DEFAULT_STEPS, Entry, Ledger, PinnedFile
from cems_tui.models.repository import RemoteFile, Repository, Selection, picked, wanted
from cems_tui.models.target import PullRequest, Target, functions_of, is_noncommercial


def selected(target: Target, repository: Repository, index: Mapping[str, Any] | None) -> Selection:
    """The files of a repository that make the model: those the catalog names, else by its index.

    Raises:
        WeightsError: a file is missing, comes as a pickle only, or would leave the folder.
    """
    known = target.known
    if known is None or not known.files:
        return wanted(repository, index)
    return picked(repository, known.files, pickles=known.convert)


def places_of(models: Path, target: Target, repository: Repository) -> install.Places:
    """Where the model goes; models that take some files each of one repository lie apart."""
    apart = target.name if target.known is not None and target.known.files else None
    return install.Places.of(models, target.repo, repository.commit, apart)


def plan_of(
    ledger: Ledger,
    target: Target,
    repository: Repository,
    selection: Selection,
    pipeline: str | None,
    steps: tuple[int, ...],
    cached: Callable[[str], Path | None],
) -> Planned:
    """What pulling these files of the repository means."""
    known, places = target.known, places_of(ledger.models, target, repository)
    licence = known.licence if known else repository.licence
    notes = selection.notes
    if pipeline is not None and family_of_class(pipeline) is None:
        notes = (*notes, f"nothing here draws with a {pipeline} yet: it can be kept, not used")
    if known is not None and known.convert:
        notes = (*notes, "its weights come as pickles: they are kept as safetensors")
    if known is not None and _is_news(known.licence, repository.licence):
        notes = (*notes, f"the Hub calls its licence {repository.licence}")
    return Planned(
        model=target.name,
        repo=target.repo,
        revision=repository.commit,
        files=_found(ledger, target, repository, selection, places, cached),
        free_bytes=free_bytes(ledger.models),
        folder=places.final,
        licence=licence,
        gated=repository.gated,
        noncommercial=(known is not None and known.noncommercial)
        or is_noncommercial(licence)
        or is_noncommercial(repository.licence),
        pipeline=pipeline,
        functions=functions_of(target, steps),
        notes=notes,
    )


def _found(
    ledger: Ledger,
    target: Target,
    repository: Repository,
    selection: Selection,
    places: install.Places,
    cached: Callable[[str], Path | None],
) -> tuple[PlannedFile, ...]:
    entry = target.entry
    same = entry is not None and entry.commit == repository.commit
    if entry is not None and same and entry.fetched and is_whole(entry, entry.files, ledger):
        # What it was made from is gone; nothing of it is needed again.
        return tuple(PlannedFile(f.path, f.size, "installed", f.size) for f in selection.files)
    damaged = entry.damaged if entry is not None and same else ()
    return tuple(install.survey(selection.files, places, damaged, cached))


def _is_news(ours: str, told: str | None) -> bool:
    """Whether the Hub's licence is one that the catalog's name does not contain."""
    if told is None or told in ("other", "unknown"):
        return False
    return _letters(told) not in _letters(ours)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum() or letter == "+")


# What the ledger records of a pull: before its first byte, and when it is whole.


@dataclass(frozen=True, slots=True)
class Found:
    """A model at one commit, and where its files are."""

    target: Target
    repository: Repository
    files: tuple[RemoteFile, ...]
    places: install.Places
    planned: Planned
    steps: tuple[int, ...]


def steps_of(target: Target, pipeline: str | None) -> tuple[int, ...]:
    """Steps of the functions a model gets beside those of the catalog."""
    if target.entry is not None:
        return target.entry.steps
    return () if pipeline is None or target.known is not None else DEFAULT_STEPS


def pinned(wish: PullRequest, found: Found, accepted: str | None) -> Entry:
    """What is recorded before the first byte is fetched."""
    known = {} if found.target.entry is None else {f.path: f for f in found.target.entry.published}
    old = found.target.entry or Entry(found.target.name)
    return replace(
        changed(old, wish, found),
        repo=found.target.repo,
        commit=found.repository.commit,
        files=tuple(_pin(file, known.get(file.path)) for file in found.files),
        fetched=(),
        folder=None,
        owned=True,
        pipeline=found.planned.pipeline,
        family=family_of_class(found.planned.pipeline),
        licence=found.planned.licence,
        accepted=accepted,
        damaged=(),
    )


def _pin(file: RemoteFile, before: PinnedFile | None) -> PinnedFile:
    sha256 = file.sha256
    if sha256 is None and before is not None and before.git_sha1 == file.git_sha1:
        sha256 = before.sha256
    return PinnedFile(file.path, file.size, sha256, file.git_sha1)


def changed(old: Entry, wish: PullRequest, found: Found) -> Entry:
    """The entry with the settings that were asked for."""
    width, height = wish.size or (old.width, old.height)
    guidance = old.guidance if wish.guidance is None else wish.guidance
    return replace(
        old, steps=found.steps, guidance=guidance, width=width, height=height, removed=False
    )


def with_facts(entry: Entry, found: Found, folder: Path) -> Entry:
    """The entry with what the configs tell, where neither user nor catalog said otherwise."""
    if entry.pipeline is None or found.target.known is not None:
        return entry
    side = native_side(folder)
    guidance = default_guidance(entry.family) if entry.guidance is None else entry.guidance
    return replace(entry, guidance=guidance, width=entry.width or side, height=entry.height or side)


def hashed(file: PinnedFile, folder: Path, sha256: Mapping[str, str]) -> PinnedFile:
    """The file with its sha256; the small ones that an earlier pull fetched are read."""
    digest = sha256.get(file.path) or file.sha256
    return replace(file, sha256=digest or file_digest(folder / file.path).removeprefix("sha256:"))


def is_whole(
    entry: Entry, files: tuple[RemoteFile, ...] | tuple[PinnedFile, ...], ledger: Ledger
) -> bool:
    """Whether every file is in the entry's folder, by its size."""
    folder = ledger.present(entry)
    return (
        folder is not None
        and bool(files)
        and all(
            install.size_of(folder / file.path)
            == (file.size if isinstance(file, RemoteFile) else file.bytes)
            for file in files
        )
    )
