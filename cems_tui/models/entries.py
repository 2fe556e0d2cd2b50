"""What the ledger records of a pull: before its first byte, and when it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cems_tui.digest import file_digest
from cems_tui.generation.families import family_of_class
from cems_tui.models import install
from cems_tui.models.events import Planned
from cems_tui.models.inspect import default_guidance, native_side
from cems_tui.models.ledger import DEFAULT_STEPS, Entry, Ledger, PinnedFile
from cems_tui.models.plan import RemoteFile, Repository
from cems_tui.models.target import Target, Wish


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


def pinned(wish: Wish, found: Found, accepted: str | None) -> Entry:
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


def changed(old: Entry, wish: Wish, found: Found) -> Entry:
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
