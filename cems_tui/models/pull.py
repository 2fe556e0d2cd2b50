"""Pulls a model by its plan: agreed to, fetched, verified, and only then installed."""

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
from cems_tui.errors import DownloadError, UsageError
from cems_tui.files import confined
from cems_tui.locks import FileLock, Holder
from cems_tui.models import install
from cems_tui.models.compose import compose, is_composed
from cems_tui.models.convert import Converter, kept_as_safetensors, refuse_without
from cems_tui.models.events import Emit, Installed, Progressed, Waited
from cems_tui.models.hub.client import Transient, Unreachable
from cems_tui.models.hub.download import Body, Patience, Transfer, gave_up
from cems_tui.models.ledger import Entry, Ledger, PinnedFile, folder_name
from cems_tui.models.plan import (
    Cached,
    PlannedFile,
    PullPlan,
    is_whole,
    plan_of,
    plan_of_recorded,
    selected,
)
from cems_tui.models.repository import RemoteFile, Repository, missing_parts
from cems_tui.models.target import CatalogEntry, PullRequest, Target, functions_of, resolve

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
    known: Mapping[str, CatalogEntry]
    emit: Emit
    ask: Ask
    stop: Stop = never
    patience: Patience = field(default_factory=Patience)
    converter: Converter | None = None
    """Makes safetensors of weights that are published as pickles only."""

    def plan(self, wish: PullRequest) -> PullPlan:
        """What pulling would do; nothing is written.

        Raises:
            UsageError: the name means nothing, or cannot be pulled.
            DownloadError: the Hub cannot be asked, has no such model, or it changed.
        """
        return self._plan(wish, Ledger.read(self.models))

    def pull(self, wish: PullRequest) -> Installed:
        """The model, whole and in the catalog.

        Raises:
            UsageError: the name means nothing, cannot be pulled, or a question was answered no.
            DownloadError: the network, the Hub or the repository; what was fetched is kept.
            StorageError: the disk is too small, full or not writable; what was fetched is kept.
            Interrupted: `stop` said so; what was fetched is kept.
        """
        began = perf_counter()
        paths.ensure_writable(self.models)
        ledger = Ledger.read(self.models)
        plan = self._plan(wish, ledger)
        lock = FileLock(self.locks / f"{folder_name(plan.repo)}.lock", plan.model)
        waited: list[Holder] = []

        def wait(holder: Holder) -> None:
            waited.append(holder)
            self.emit(Waited(plan.model, f"{holder} is pulling it", None))

        with lock.acquire(None, self.stop, wait):
            if waited or not ledger.is_current(plan.model):
                ledger = Ledger.read(self.models)  # the one we waited for may have pulled it
                plan = self._plan(wish, ledger)
            entry, fetched = self._follow(plan, ledger)
        folder = ledger.folder_of(entry)
        assert folder is not None, "an installed entry has a folder"
        return Installed(
            model=entry.name,
            path=folder,
            bytes=entry.total_bytes,
            downloaded_bytes=fetched,
            seconds=perf_counter() - began,
            functions=functions_of(plan.target, entry.steps),
            already=plan.whole,
        )

    def _follow(self, plan: PullPlan, ledger: Ledger) -> tuple[Entry, int]:
        """The entry of the whole model, and the bytes that were fetched."""
        self.emit(plan)
        old = plan.target.entry
        if old is not None and plan.whole:
            return ledger.write(install.changed(old, plan)), 0
        if plan.converts:
            refuse_without(self.converter, plan.model)
        accepted = self._agreed(plan, None if old is None else old.accepted)
        install.refuse_short_disk(plan.model, self.models, plan.download_bytes, plan.free_bytes)
        entry = install.pinned(plan, accepted)
        if old is not None and not plan.same_commit and ledger.present(old) is not None:
            ledger.write(replace(old, accepted=accepted))  # it stays until the new one is whole
        else:
            ledger.write(entry)
        entry, fetched = self._install(entry, plan, ledger)
        if old is not None and not plan.same_commit:
            _drop_old(old, ledger)
        return entry, fetched

    def _plan(self, wish: PullRequest, ledger: Ledger) -> PullPlan:
        """From the Hub; where it cannot be asked, from what is recorded and whole, or its cache."""
        target = resolve(wish, self.known, ledger)
        try:
            return self._plan_of(wish, target, self._describe(target), ledger)
        except Unreachable:
            old = target.entry
            if old is not None and wish.revision is None and is_whole(old, ledger):
                return plan_of_recorded(wish, target, old, ledger, lambda path: None)
            plan = self._plan_of_cache(wish, target, ledger)
            if plan is None:
                raise
            return plan

    def _plan_of_cache(self, wish: PullRequest, target: Target, ledger: Ledger) -> PullPlan | None:
        """For the model in the user's own Hub cache, if all of it is there.

        Raises:
            DownloadError: the cache's own names do not tell what a file has to be.
        """
        repository = self.hub.cached_repository(target.repo, target.revision)
        index = None if repository is None else self.hub.index(repository)
        if repository is None or index is None:
            return None
        selection = selected(target, repository, index)
        if missing_parts(selection, index):
            return None
        _refuse_unknown(target.repo, selection.files)
        try:
            return self._plan_of(wish, target, repository, ledger)
        except DownloadError:
            return None  # it is not what was recorded, or not all of it

    def _plan_of(
        self, wish: PullRequest, target: Target, repository: Repository, ledger: Ledger
    ) -> PullPlan:
        return plan_of(
            wish,
            target,
            repository,
            lambda: self._persist(target.name, lambda: self.hub.index(repository)),
            ledger,
            lambda path: self.hub.cached(target.repo, repository.commit, path),
        )

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

    def _agreed(self, plan: PullPlan, accepted: str | None) -> str | None:
        """The licence agreed to, asked for once where it asks something of the user."""
        licence = plan.licence or "not stated"
        if not (plan.gated or plan.noncommercial) or accepted == licence:
            return accepted
        why = "its authors ask you to accept conditions" if plan.gated else "noncommercial use"
        page = self.hub.page(plan.repo)
        if not self.ask(f"{plan.model}: licence {licence} ({why}; {page}). Do you agree?"):
            raise UsageError(f"{plan.model} is not pulled: its licence was not agreed to")
        return licence

    def _install(self, wanted: Entry, plan: PullPlan, ledger: Ledger) -> tuple[Entry, int]:
        install.take_back(plan.files, plan.places)
        filled = Fetching(
            plan=plan,
            open=lambda path, offset: self.hub.open(plan.repo, plan.revision, path, offset),
            cached=lambda path: self.hub.cached(plan.repo, plan.revision, path),
            emit=self.emit,
            stop=self.stop,
            patience=self.patience,
        ).run()
        folder = filled.snapshot or plan.places.partial
        files = tuple(install.hashed(file, folder, filled.sha256) for file in wanted.files)
        fetched: tuple[PinnedFile, ...] = ()
        if plan.converts:
            fetched, files = files, self._converted(plan, files, filled.snapshot)
        if filled.snapshot is None or fetched:
            install.settle(plan.places)
            folder = plan.places.final
        entry = replace(
            install.with_facts(wanted, plan, folder),
            files=files,
            fetched=fetched,
            folder=ledger.relative(folder),
            owned=filled.snapshot is None or bool(fetched),
        )
        return ledger.write(entry), filled.downloaded_bytes

    def _converted(
        self, plan: PullPlan, files: tuple[PinnedFile, ...], snapshot: Path | None
    ) -> tuple[PinnedFile, ...]:
        partial = plan.places.partial
        if snapshot is not None:
            for file in files:
                install.link(snapshot / file.path, confined(partial, file.path))
        return kept_as_safetensors(partial, files, refuse_without(self.converter, plan.model))


def _refuse_unknown(repo: str, files: Iterable[RemoteFile]) -> None:
    """Refuse files of which no digest is known: nothing could tell whether they are whole."""
    unknown = [file.path for file in files if file.sha256 is None and file.git_sha1 is None]
    if unknown:
        raise DownloadError(
            f"the Hub's cache holds {repo}, but not the digest of {unknown[0]}: it was copied "
            "without its links",
            "Pull it once with the Hub in reach, or `cems import` the folder if you trust it.",
        )


def _drop_old(old: Entry, ledger: Ledger) -> None:
    """Remove the files of the revision that another one replaced, where nobody else has them."""
    shared = any(e.folder == old.folder for e in ledger.entries.values())
    if old.folder is not None and old.owned and not shared:
        folder = ledger.own_folder(old)
        shutil.rmtree(folder, ignore_errors=True)
        install.remove_empty(folder.parent)


BASE = "base"


@dataclass(frozen=True, slots=True)
class Assembler:
    """A puller that also knows models made of parts; each part is a model of its own."""

    puller: Puller

    @property
    def emit(self) -> Emit:
        """Where events go."""
        return self.puller.emit

    def plans(self, wish: PullRequest) -> list[PullPlan]:
        """What pulling would do, one plan a repository; raises as `Puller.plan`."""
        known = self._made_of_parts(wish)
        if known is None:
            return [self.puller.plan(wish)]
        return [self.puller.plan(PullRequest(part)) for _, part in known.parts]

    def pull(self, wish: PullRequest) -> Installed:
        """The model, whole and in the catalog; raises as `Puller.pull`."""
        known = self._made_of_parts(wish)
        if known is None:
            return self.puller.pull(wish)
        began = perf_counter()
        pulled = {component: self.puller.pull(PullRequest(part)) for component, part in known.parts}
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

    def _made_of_parts(self, wish: PullRequest) -> CatalogEntry | None:
        known = self.puller.known.get(wish.name.split("@")[0])
        if known is None or not known.parts:
            return None
        if wish != PullRequest(wish.name):
            parts = " and ".join(part for _, part in known.parts)
            raise UsageError(
                f"{known.name} is put together from {parts}",
                "Pull it by its name alone, without settings, or pull those by themselves.",
            )
        return known


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
    """One plan's files on their way into the partial folder: from the Hub's cache, else the Hub."""

    plan: PullPlan
    open: Callable[[str, int], AbstractContextManager[Any]]
    """The body of one file of the repository, by path, from a byte on."""

    cached: Cached
    emit: Emit
    stop: Stop
    patience: Patience = field(default_factory=Patience)

    def run(self) -> Filled:
        """Every file in its place; a file of the cache that is not right is fetched.

        Raises:
            DownloadError, StorageError, Interrupted: what was fetched is kept.
        """
        sha256, linked = self._check_cache()
        snapshot = install.snapshot(linked, [file.file for file in self.plan.files])
        if snapshot is not None:
            return Filled(sha256, 0, snapshot)
        for name, path in linked.items():
            install.link(path, confined(self.plan.places.partial, name))
        missing = [
            file
            for file in self.plan.files
            if file.place not in ("installed", "fetched") and file.path not in linked
        ]
        fetched, downloaded = self._download(missing)
        return Filled({**sha256, **fetched}, downloaded, None)

    def _check_cache(self) -> tuple[dict[str, str], dict[str, Path]]:
        """The sha256 and path of every file that the cache holds and that is right."""
        candidates = [file.file for file in self.plan.files if file.place == "cache"]
        total, done = sum(file.size for file in candidates), 0
        sha256: dict[str, str] = {}
        linked: dict[str, Path] = {}

        def read(count: int) -> None:
            nonlocal done
            done += count
            self.emit(Progressed(self.plan.model, "checking", done, total))

        for file in candidates:
            path = self.cached(file.path)
            digest = None if path is None else install.is_right(path, file, self.stop, read)
            if path is None or digest is None:
                self._say(f"{file.path} in the Hub's cache is damaged; it is fetched")
                continue
            sha256[file.path], linked[file.path] = digest, path
        return sha256, linked

    def _download(self, missing: list[PlannedFile]) -> tuple[dict[str, str], int]:
        total, to_fill = self.plan.total_bytes, sum(file.bytes for file in missing)
        elsewhere, had = total - to_fill, sum(file.have_bytes for file in missing)
        files, folder = [file.file for file in missing], self.plan.places.partial
        transfer = Transfer(files, folder, self._open, self._wait, self.patience)

        def told(there: int) -> None:
            done = elsewhere + there
            self.emit(Progressed(self.plan.model, "downloading", done, total))

        sha256 = transfer.run(self.stop, told)
        return sha256, max(0, to_fill - had)

    def _open(self, file: RemoteFile, offset: int) -> AbstractContextManager[Body]:
        return self.open(file.path, offset)

    def _wait(self, reason: str, seconds: float) -> None:
        self.emit(Waited(self.plan.model, reason, seconds))

    def _say(self, reason: str) -> None:
        self.emit(Waited(self.plan.model, reason, 0.0))
