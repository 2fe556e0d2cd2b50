"""Puts fetched files in their place, in one rename, and says what is recorded of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from cems_tui.cancel import Stop
from cems_tui.errors import StorageError
from cems_tui.files import (
    Digests,
    clear_leftovers,
    confined,
    file_digest,
    flush_folder,
    read_into,
    storage,
)
from cems_tui.generation.families.registry import family_of_class
from cems_tui.models.inspect import drawn_side, guidance_of
from cems_tui.models.ledger import Entry, PinnedFile
from cems_tui.models.plan import Places, PlannedFile, PullPlan
from cems_tui.models.repository import RemoteFile
from cems_tui.text import byte_count

_SPARE_BYTES = 64_000_000
"""Left free on the disk, for the database and everybody else."""


def refuse_short_disk(model: str, folder: Path, needed_bytes: int, free_bytes: int) -> None:
    """Refuse to begin what the disk has no room for.

    Raises:
        StorageError: there is not enough room.
    """
    if needed_bytes and needed_bytes + _SPARE_BYTES > free_bytes:
        raise StorageError(
            f"{model} needs {byte_count(needed_bytes)} and {byte_count(_SPARE_BYTES)} to spare, "
            f"and {byte_count(free_bytes)} is free in {folder}",
            "Free some space (`cems rm NAME` removes a model), or move CEMS_HOME to a larger disk.",
        )


def take_back(files: Iterable[PlannedFile], places: Places) -> None:
    """Make an installed folder with something missing a partial one again: never half-installed.

    Raises:
        StorageError: the disk refuses.
    """
    if not places.final.is_dir():
        return
    with storage(str(places.final)):
        for file in files:
            if file.place == "installed":
                target = confined(places.partial, file.path)
                target.parent.mkdir(parents=True, exist_ok=True)
                confined(places.final, file.path).replace(target)
        shutil.rmtree(places.final)


def is_right(
    path: Path, file: RemoteFile, stop: Stop, on_bytes: Callable[[int], None]
) -> str | None:
    """The sha256 of a file on the disk if it is the one listed, else None.

    Raises:
        Interrupted: `stop` said so.
    """
    digests = Digests(file.size, with_git=file.sha256 is None)
    try:
        read_into(digests, path, stop=stop, on_bytes=on_bytes)
    except OSError:
        return None
    return digests.sha256 if digests.match(file.sha256, file.git_sha1) else None


def link(path: Path, target: Path) -> None:
    """Have `target` lead to a file elsewhere, without copying it.

    Raises:
        StorageError: the disk refuses.
    """
    with storage(str(target)):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(path.resolve())


def snapshot(paths: dict[str, Path], wanted: Sequence[RemoteFile]) -> Path | None:
    """The cache's folder that holds exactly the model, if all of it is there; else None.

    A folder with other weights beside them is not taken: whoever loads it would read those.
    """
    roots = {_root(path, name) for name, path in paths.items()}
    if len(paths) != len(wanted) or len(roots) != 1:
        return None
    root = roots.pop()
    weights = {found.relative_to(root).as_posix() for found in root.rglob("*.safetensors")}
    ours = {file.path for file in wanted if file.path.endswith(".safetensors")}
    return root if weights == ours else None


def _root(path: Path, name: str) -> Path:
    for _ in PurePosixPath(name).parts:
        path = path.parent
    return path


def settle(places: Places) -> None:
    """Give the whole model its name, in one rename.

    Raises:
        StorageError: the disk refuses.
    """
    with storage(str(places.final)):
        for folder, _, _ in os.walk(places.partial):
            clear_leftovers(Path(folder), grace_seconds=0)
            flush_folder(Path(folder))
        places.final.parent.mkdir(parents=True, exist_ok=True)
        places.partial.rename(places.final)
        flush_folder(places.final.parent)
        remove_empty(places.partial.parent)


def remove_empty(folder: Path) -> None:
    """Remove a folder, and the one above it, where nothing is in them."""
    for empty in (folder, folder.parent):
        try:
            empty.rmdir()
        except OSError:
            return


def pinned(plan: PullPlan, accepted: str | None) -> Entry:
    """What is recorded before the first byte is fetched."""
    known = {} if plan.target.entry is None else {f.path: f for f in plan.target.entry.published}
    old = plan.target.entry or Entry(plan.target.name)
    return replace(
        changed(old, plan),
        repo=plan.target.repo,
        commit=plan.repository.commit,
        files=tuple(_pin(file.file, known.get(file.path)) for file in plan.files),
        fetched=(),
        folder=None,
        owned=True,
        pipeline=plan.pipeline,
        family=family_of_class(plan.pipeline),
        licence=plan.licence,
        accepted=accepted,
        damaged=(),
    )


def _pin(file: RemoteFile, before: PinnedFile | None) -> PinnedFile:
    sha256 = file.sha256
    if sha256 is None and before is not None and before.git_sha1 == file.git_sha1:
        sha256 = before.sha256
    return PinnedFile(file.path, file.size, sha256, file.git_sha1)


def changed(old: Entry, plan: PullPlan) -> Entry:
    """The entry with the settings that were asked for."""
    width, height = plan.wish.size or (old.width, old.height)
    guidance = old.guidance if plan.wish.guidance is None else plan.wish.guidance
    return replace(
        old, steps=plan.steps, guidance=guidance, width=width, height=height, removed=False
    )


def with_facts(entry: Entry, plan: PullPlan, folder: Path) -> Entry:
    """The entry with what the configs tell, where neither user nor catalog said otherwise."""
    if entry.pipeline is None or plan.target.known is not None:
        return entry
    side = drawn_side(entry.family, folder)
    guidance = guidance_of(entry.family, folder) if entry.guidance is None else entry.guidance
    return replace(entry, guidance=guidance, width=entry.width or side, height=entry.height or side)


def hashed(file: PinnedFile, folder: Path, sha256: Mapping[str, str]) -> PinnedFile:
    """The file with its sha256; the small ones that an earlier pull fetched are read."""
    digest = sha256.get(file.path) or file.sha256
    return replace(file, sha256=digest or file_digest(folder / file.path).removeprefix("sha256:"))
