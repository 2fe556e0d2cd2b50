"""Pulls one model: resolved, planned, agreed to, fetched, verified, and only then installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, TypeVar

from cems_tui import paths
from cems_tui.cancel import Stop, never, pause, stoppable
from cems_tui.errors import DownloadError, UsageError, WeightsError
from cems_tui.files import file_digest, storage
from cems_tui.locks import FileLock, Holder
from cems_tui.models import install
from cems_tui.models.compose import compose, is_composed
from cems_tui.models.download import Body, Patience, Transfer, gave_up
from cems_tui.models.events import Emit, Installed, Planned, Progressed, Waited
from cems_tui.models.hub import Transient, Unreachable
from cems_tui.models.ledger import Entry, Ledger, PinnedFile, folder_name
from cems_tui.models.plan import (
    Found,
    changed,
    hashed,
    is_whole,
    pinned,
    places_of,
    plan_of,
    selected,
    steps_of,
    with_facts,
)
from cems_tui.models.repository import PICKLES, RemoteFile, Repository, Selection, missing_parts
from cems_tui.models.target import Known, Target, Wish, functions_of, hold_to, resolve

Ask = Callable[[str], bool]
"""Puts a question to the user; True is yes."""

_ASKING_TRIES = 3
"""Attempts to learn what a repository holds: somebody waits for the answer."""

T = TypeVar("T")


class Hub(Protocol):
    """What is asked of the Hub."""

    def describe(self, repo: str, revision: str | None) -> Repository: ...

    def index(self, repository: Repository) -> dict[str, Any] | None: ...

    def cached_repository(self, repo: str, revision: str | None) -> Repository | None: ...

    def cached(self, repo: str, commit: str, path: str) -> Path | None: ...

    def open(
        self, repo: str, commit: str, path: str, offset: int
    ) -> AbstractContextManager[Any]: ...

    def page(self, repo: str) -> str: ...


@dataclass
class Puller:
    """Pulls models into one profile."""

    hub: Hub
    models: Path
    """The folder of all models."""

    locks: Path
    known: Mapping[str, Known]
    emit: Emit
    ask: Ask
    stop: Stop = never
    patience: Patience = field(default_factory=Patience)
    converter: Converter | None = None
    """Makes safetensors of weights that are published as pickles only."""

    def plan(self, wish: Wish) -> Planned:
        """What pulling would do; nothing is written.

        Raises:
            UsageError: the name means nothing, or cannot be pulled.
            DownloadError: the Hub cannot be asked, has no such model, or it changed.
        """
        return self._find(wish, resolve(wish, self.known, Ledger.read(self.models))).planned

    def pull(self, wish: Wish) -> Installed:
        """The model, whole and in the catalog.

        Raises:
            UsageError: the name means nothing, cannot be pulled, or a question was answered no.
            DownloadError: the network, the Hub or the repository; what was fetched is kept.
            StorageError: the disk is too small, full or not writable; what was fetched is kept.
            Interrupted: `stop` said so; what was fetched is kept.
        """
        began = perf_counter()
        paths.ensure_writable(self.models)
        target = resolve(wish, self.known, Ledger.read(self.models))
        lock = self.locks / f"{folder_name(target.repo)}.lock"
        with FileLock(lock, target.name).acquire(
            None, self.stop, lambda holder: self._queued(target.name, holder)
        ):
            ledger = Ledger.read(self.models)  # the one we waited for may have pulled it
            target = resolve(wish, self.known, ledger)
            entry, fetched, already = self._pulled(wish, target, ledger)
        folder = ledger.folder_of(entry)
        assert folder is not None, "an installed entry has a folder"
        return Installed(
            model=entry.name,
            path=folder,
            bytes=entry.total_bytes,
            downloaded_bytes=fetched,
            seconds=perf_counter() - began,
            functions=functions_of(target, entry.steps),
            already=already,
        )

    def _pulled(self, wish: Wish, target: Target, ledger: Ledger) -> tuple[Entry, int, bool]:
        """The entry of the whole model, bytes fetched, whether it was there already."""
        old = target.entry
        try:
            found = self._find(wish, target)
        except Unreachable:
            # Nothing speaks against what is recorded and whole.
            if old is not None and wish.revision is None and is_whole(old, old.files, ledger):
                return old, 0, True
            cached = self._found_in_cache(wish, target)
            if cached is None:
                raise
            found = cached
        self.emit(found.planned)
        same = old is not None and old.commit == found.repository.commit
        if old is not None and same and _is_there(old, found, ledger):
            return ledger.write(changed(old, wish, found)), 0, True
        if target.known is not None and target.known.convert:
            refuse_without(self.converter, target.name)
        accepted = self._agreed(found.planned, None if old is None else old.accepted)
        needed, free = found.planned.download_bytes, found.planned.free_bytes
        install.refuse_short_disk(target.name, self.models, needed, free)
        entry = pinned(wish, found, accepted)
        if old is not None and not same and ledger.present(old) is not None:
            ledger.write(replace(old, accepted=accepted))  # it stays until the new one is whole
        else:
            ledger.write(entry)
        entry, fetched = self._install(entry, found, ledger)
        if old is not None and not same:
            _drop_old(old, ledger)
        return entry, fetched, False

    def _found_in_cache(self, wish: Wish, target: Target) -> Found | None:
        """The model in the user's own Hub cache, if all of it is there."""
        repository = self.hub.cached_repository(target.repo, target.revision)
        index = None if repository is None else self.hub.index(repository)
        if repository is None or index is None:
            return None
        if missing_parts(selected(target, repository, index), index):
            return None
        try:
            return self._find(wish, target, repository)
        except DownloadError:
            return None  # it is not what was recorded, or not all of it

    def _find(self, wish: Wish, target: Target, repository: Repository | None = None) -> Found:
        repository = repository or self._describe(target)
        entry, index = target.entry, None
        if target.pinned and entry is not None and entry.files:
            selection, pipeline = Selection(hold_to(entry, repository)), entry.pipeline
        else:
            index = self._persist(target.name, lambda: self.hub.index(repository))
            selection = selected(target, repository, index)
            pipeline = None if index is None else str(index.get("_class_name"))
        steps = wish.steps or steps_of(target, pipeline)
        planned = plan_of(
            Ledger.read(self.models),
            target,
            repository,
            selection,
            pipeline,
            steps,
            lambda path: self.hub.cached(target.repo, repository.commit, path),
        )
        places = places_of(self.models, target, repository)
        return Found(target, repository, selection.files, places, planned, steps)

    def _describe(self, target: Target) -> Repository:
        try:
            return self._persist(
                target.name, lambda: self.hub.describe(target.repo, target.revision)
            )
        except Unreachable:
            raise
        except DownloadError as error:
            if target.pinned and f"revision {target.revision}" in str(error):
                raise DownloadError(
                    f"{target.repo} changed: its pinned revision {target.revision} is gone",
                    f"`cems pull {target.repo} --revision main` takes what is there now.",
                ) from error
            raise

    def _persist(self, model: str, call: Callable[[], T]) -> T:
        """What the Hub answers, asked again while it may; given up on when stopped."""
        patience = replace(self.patience, tries=min(self.patience.tries, _ASKING_TRIES))
        failures = 0
        while True:
            try:
                return stoppable(call, self.stop)
            except Transient as failure:
                failures += 1
                seconds = patience.wait_seconds(
                    failures, failure.wait_seconds, refused=failure.refused
                )
                if seconds is None:
                    raise gave_up(failure) from failure
                self.emit(Waited(model, str(failure), seconds))
                pause(seconds, self.stop)

    def _agreed(self, planned: Planned, accepted: str | None) -> str | None:
        """The licence agreed to, asked for once where it asks something of the user."""
        licence = planned.licence or "not stated"
        if not (planned.gated or planned.noncommercial) or accepted == licence:
            return accepted
        why = "its authors ask you to accept conditions" if planned.gated else "noncommercial use"
        page = self.hub.page(planned.repo)
        if not self.ask(f"{planned.model}: licence {licence} ({why}; {page}). Do you agree?"):
            raise UsageError(f"{planned.model} is not pulled: its licence was not agreed to")
        return licence

    def _install(self, wanted: Entry, found: Found, ledger: Ledger) -> tuple[Entry, int]:
        repo, commit = found.target.repo, found.repository.commit
        install.take_back(found.planned.files, found.places)
        filled = Fetching(
            planned=found.planned,
            files=found.files,
            places=found.places,
            open=lambda path, offset: self.hub.open(repo, commit, path, offset),
            cached=lambda path: self.hub.cached(repo, commit, path),
            emit=self.emit,
            stop=self.stop,
            patience=self.patience,
        ).run()
        folder = filled.snapshot or found.places.partial
        files = tuple(hashed(file, folder, filled.sha256) for file in wanted.files)
        fetched: tuple[PinnedFile, ...] = ()
        if found.target.known is not None and found.target.known.convert:
            fetched, files = files, self._converted(found, files, filled.snapshot)
        if filled.snapshot is None or fetched:
            install.settle(found.places)
            folder = found.places.final
        entry = replace(
            with_facts(wanted, found, folder),
            files=files,
            fetched=fetched,
            folder=ledger.relative(folder),
            owned=filled.snapshot is None or bool(fetched),
        )
        return ledger.write(entry), filled.downloaded_bytes

    def _converted(
        self, found: Found, files: tuple[PinnedFile, ...], snapshot: Path | None
    ) -> tuple[PinnedFile, ...]:
        partial = found.places.partial
        if snapshot is not None:
            for file in files:
                install.link(snapshot / file.path, partial / file.path)
        converter = refuse_without(self.converter, found.target.name)
        return kept_as_safetensors(partial, files, converter)

    def _queued(self, model: str, holder: Holder) -> None:
        self.emit(Waited(model, f"{holder} is pulling it", None))


def _is_there(old: Entry, found: Found, ledger: Ledger) -> bool:
    """Whether the recorded model is whole, and what is looked for."""
    return is_whole(old, old.files if old.fetched else found.files, ledger)


def _drop_old(old: Entry, ledger: Ledger) -> None:
    """Remove the files of the revision that another one replaced, where nobody else has them."""
    shared = any(e.folder == old.folder for e in ledger.entries.values())
    if old.folder is not None and old.owned and not shared:
        folder = ledger.own_folder(old)
        shutil.rmtree(folder, ignore_errors=True)
        install.remove_empty(folder.parent)


# Pulls models, also those that are put together from several repositories.

BASE = "base"


@dataclass(frozen=True, slots=True)
class Assembler:
    """A puller that also knows models made of parts; each part is a model of its own."""

    puller: Puller

    @property
    def emit(self) -> Emit:
        """Where events go."""
        return self.puller.emit

    def plans(self, wish: Wish) -> list[Planned]:
        """What pulling would do, one plan a repository; raises as `Puller.plan`."""
        known = self._made_of_parts(wish)
        if known is None:
            return [self.puller.plan(wish)]
        return [self.puller.plan(Wish(part)) for _, part in known.parts]

    def pull(self, wish: Wish) -> Installed:
        """The model, whole and in the catalog; raises as `Puller.pull`."""
        known = self._made_of_parts(wish)
        if known is None:
            return self.puller.pull(wish)
        began = perf_counter()
        pulled = {component: self.puller.pull(Wish(part)) for component, part in known.parts}
        models = self.puller.models
        lock = FileLock(self.puller.locks / f"import-{known.name}.lock", known.name)
        with lock.acquire(None, self.puller.stop):
            ledger = Ledger.read(models)
            there = is_composed(known.name, ledger) and all(p.already for p in pulled.values())
            if not there:
                parts = {name: ledger.entries[part.model] for name, part in pulled.items()}
                compose(known.name, parts.pop(BASE), parts, ledger, known.licence)
            entry = ledger.entries[known.name]
        return Installed(
            model=known.name,
            path=models / (entry.folder or ""),
            bytes=entry.total_bytes,
            downloaded_bytes=sum(part.downloaded_bytes for part in pulled.values()),
            seconds=perf_counter() - began,
            functions=known.functions,
            already=there,
        )

    def _made_of_parts(self, wish: Wish) -> Known | None:
        known = self.puller.known.get(wish.name.split("@")[0])
        if known is None or not known.parts:
            return None
        if wish != Wish(wish.name):
            parts = " and ".join(part for _, part in known.parts)
            raise UsageError(
                f"{known.name} is put together from {parts}",
                "Pull it by its name alone, without settings, or pull those by themselves.",
            )
        return known


# Weights that are published as pickles only, kept as safetensors; the pickles are removed.

Converter = Callable[[Path, Path], None]
"""Reads the tensors of a verified pickle, in a process of its own, and writes a safetensors file.

Called with the pickle and the file to write. It raises WeightsError where it cannot.
"""


def refuse_without(converter: Converter | None, model: str) -> Converter:
    """The converter, where there is one.

    Raises:
        WeightsError: there is none, so fetching would be for nothing.
    """
    if converter is None:
        raise WeightsError(
            f"the weights of {model} come as pickles only, and nothing here converts them",
            "Convert a copy you trust to safetensors, and use that.",
        )
    return converter


def kept_as_safetensors(
    folder: Path, files: Iterable[PinnedFile], converter: Converter
) -> tuple[PinnedFile, ...]:
    """The model's files once its pickles were converted; those are gone then.

    Raises:
        WeightsError: a pickle holds something else than tensors.
        StorageError: the disk refuses.
    """
    kept = []
    for file in files:
        source = folder / file.path
        if not file.path.lower().endswith(PICKLES):
            kept.append(file)
            continue
        target = source.with_suffix(".safetensors")
        with storage(str(target)):
            converter(source, target)
            size = target.stat().st_size
            digest = file_digest(target).removeprefix("sha256:")
            source.unlink()
        kept.append(PinnedFile(target.relative_to(folder).as_posix(), size, digest))
    return tuple(kept)


# Brings every file of a plan into the partial folder: from the Hub's cache, else from the Hub.


@dataclass(frozen=True, slots=True)
class Filled:
    """What filling a partial folder came to."""

    sha256: dict[str, str]
    """Of every file that was read, by its path."""

    downloaded_bytes: int
    snapshot: Path | None
    """The cache's folder that holds all of the model, so that ours need not."""


@dataclass
class Fetching:
    """One model's files on their way."""

    planned: Planned
    files: tuple[RemoteFile, ...]
    places: install.Places
    open: Callable[[str, int], AbstractContextManager[Any]]
    """The body of one file of the repository, by path, from a byte on."""

    cached: install.Cached
    emit: Emit
    stop: Stop
    patience: Patience = field(default_factory=Patience)

    def run(self) -> Filled:
        """Every file in its place; a file of the cache that is not right is fetched.

        Raises:
            DownloadError, StorageError, Interrupted: what was fetched is kept.
        """
        sha256, linked = self._check_cache()
        snapshot = install.snapshot(linked, self.files)
        if snapshot is not None:
            return Filled(sha256, 0, snapshot)
        for name, path in linked.items():
            install.link(path, self.places.partial / name)
        place = {file.path: file.place for file in self.planned.files}
        missing = [
            file
            for file in self.files
            if place[file.path] not in ("installed", "fetched") and file.path not in linked
        ]
        fetched, downloaded = self._download(missing)
        return Filled({**sha256, **fetched}, downloaded, None)

    def _check_cache(self) -> tuple[dict[str, str], dict[str, Path]]:
        """The sha256 and path of every file that the cache holds and that is right."""
        places = {file.path for file in self.planned.files if file.place == "cache"}
        candidates = [file for file in self.files if file.path in places]
        total, done = sum(file.size for file in candidates), 0
        sha256: dict[str, str] = {}
        linked: dict[str, Path] = {}

        def read(count: int) -> None:
            nonlocal done
            done += count
            self.emit(Progressed(self.planned.model, "checking", done, total))

        for file in candidates:
            path = self.cached(file.path)
            digest = None if path is None else install.is_right(path, file, self.stop, read)
            if path is None or digest is None:
                self._say(f"{file.path} in the Hub's cache is damaged; it is fetched")
                continue
            sha256[file.path], linked[file.path] = digest, path
        return sha256, linked

    def _download(self, missing: list[RemoteFile]) -> tuple[dict[str, str], int]:
        total = self.planned.total_bytes
        elsewhere = total - sum(file.size for file in missing)
        had = sum(f.have_bytes for f in self.planned.files if f.path in {m.path for m in missing})
        transfer = Transfer(missing, self.places.partial, self._open, self._wait, self.patience)

        def told(there: int) -> None:
            done = elsewhere + there
            self.emit(Progressed(self.planned.model, "downloading", done, total))

        sha256 = transfer.run(self.stop, told)
        return sha256, max(0, sum(file.size for file in missing) - had)

    def _open(self, file: RemoteFile, offset: int) -> AbstractContextManager[Body]:
        return self.open(file.path, offset)

    def _wait(self, reason: str, seconds: float) -> None:
        self.emit(Waited(self.planned.model, reason, seconds))

    def _say(self, reason: str) -> None:
        self.emit(Waited(self.planned.model, reason, 0.0))
