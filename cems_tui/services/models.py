"""The models of one profile: pulled, verified, removed and imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cems_tui import log
from cems_tui.cancel import Stop, never
from cems_tui.catalog.catalog import known_models, read_catalog
from cems_tui.domain.function import Catalog
from cems_tui.errors import ModelMissing, StorageError, UnknownName, UsageError
from cems_tui.generation.families.single_file import convert_checkpoint
from cems_tui.locks import FileLock
from cems_tui.models import leftovers, remove, verify
from cems_tui.models.convert import PickleConverter
from cems_tui.models.events import Emit, Progressed
from cems_tui.models.hub.client import Hub
from cems_tui.models.importer import Importer
from cems_tui.models.ledger import Entry, Ledger, folder_name
from cems_tui.models.leftovers import Leftover
from cems_tui.models.pull import Ask, Assembler, Puller
from cems_tui.models.remove import Removal
from cems_tui.models.target import only_name
from cems_tui.models.verify import Verified
from cems_tui.starter import manifest


@dataclass(frozen=True, slots=True)
class Models:
    """What is in the folder of models, and what changes it."""

    folder: Path
    locks: Path
    """Where it is kept who changes which model."""

    pack: Path
    """The starter pack's folder."""

    def ledger(self) -> Ledger:
        """What is recorded of the models, as things are now.

        Raises:
            StorageError: something is recorded by a newer cems.
        """
        return Ledger.read(self.folder)

    def catalog(self) -> Catalog:
        """The shipped catalog with what was pulled and imported, as things are now.

        Raises:
            StorageError: something is recorded by a newer cems.
        """
        return read_catalog(self.folder)

    def puller(self, emit: Emit, ask: Ask, stop: Stop = never) -> Assembler:
        """Pulls models from the Hub."""
        self._sweep()
        return Assembler(
            Puller(
                hub=Hub(),
                models=self.folder,
                locks=self.locks,
                known=known_models(),
                emit=emit,
                ask=ask,
                stop=stop,
                converter=PickleConverter(stop),
            )
        )

    def importer(self, emit: Emit, stop: Stop = never) -> Importer:
        """Imports what is on the disk already."""
        self._sweep()
        models = self.catalog().models().values()
        return Importer(
            models=self.folder,
            locks=self.locks,
            taken=list(known_models()),
            bases={model.name: model.path for model in models if model.path is not None},
            convert=convert_checkpoint,
            emit=emit,
            stop=stop,
        )

    def verify(
        self, name: str, emit: Emit, *, dry_run: bool = False, stop: Stop = never
    ) -> Verified:
        """Every file of a model compared with what was recorded of it.

        Raises:
            UnknownName: nothing is called that.
            ModelMissing: it is not installed.
            Interrupted: `stop` said so.
        """
        ledger = self.ledger()
        found = named(name, ledger)
        if isinstance(found, str):
            return self._verify_pack(found, emit, dry_run)
        return verify.verify_model(found, ledger, emit, stop, dry_run=dry_run)

    def plan_removal(self, name: str) -> Removal:
        """What removing a model would do.

        Raises:
            UnknownName: nothing is called that.
            UsageError: it is part of the program.
            ModelMissing: there is nothing of it on this disk.
        """
        ledger = self.ledger()
        removal = remove.plan_removal(_removable(name, ledger), ledger)
        if removal.nothing:
            raise ModelMissing(f"{name} is not installed", "`cems ls` shows what is.")
        return removal

    def remove(self, name: str, stop: Stop = never) -> Removal:
        """Remove a model, once nobody else changes it.

        Raises:
            as `plan_removal`, and StorageError: a folder cannot be removed.
        """
        entry = _removable(name, self.ledger())
        lock = folder_name(entry.repo) if entry.repo else f"import-{entry.name}"
        with FileLock(self.locks / f"{lock}.lock", entry.name).acquire(None, stop):
            self._sweep()
            ledger = self.ledger()
            return remove.remove(_removable(name, ledger), ledger)

    def entry_of(self, name: str) -> Entry | None:
        """What is recorded of the model of that name; None of those that were never pulled."""
        return self.ledger().entries.get(name)

    def can_draw(self, name: str) -> bool:
        """Whether an installed model has a function that runs here."""
        entry = self.entry_of(name)
        return entry is not None and bool(entry.steps) and entry.family is not None

    @property
    def unfinished(self) -> tuple[Path, ...]:
        """The folders of pulls, imports and removals that were stopped."""
        return self.folder / leftovers.PARTIAL, self.folder / leftovers.TRASH

    def leftovers(self) -> list[Leftover]:
        """What killed commands left among the models."""
        return leftovers.leftovers(self.folder, self.ledger())

    def _sweep(self) -> None:
        """What cannot be removed now is told by `leftovers`: it stops nobody."""
        try:
            leftovers.sweep(self.folder, self.locks)
        except StorageError as error:
            log.error("%s", error)

    def _verify_pack(self, name: str, emit: Emit, dry_run: bool) -> Verified:
        entries = manifest.read_manifest(self.pack).of(name)

        def read(path: str, done: int, total: int) -> None:
            emit(Progressed(name, "checking", done, total))

        if not dry_run:
            manifest.verify(self.pack, read, [name])
        total = sum(entry.bytes for entry in entries.values())
        return Verified(name, self.pack / name, len(entries), total, (), ())


def named(name: str, ledger: Ledger) -> Entry | str:
    """What is recorded of a model, by its name, function or ORG/REPO; the pack's models by name.

    Raises:
        UnknownName: nothing is called that.
        ModelMissing: the catalog knows it, and it was never pulled.
    """
    known = known_models()
    model = _name_of_repo(name, ledger) or name
    if model not in {*known, *ledger.entries}:
        model = model.split("@")[0]
    if model in known and known[model].in_pack:
        return model
    entry = ledger.entries.get(model) or ledger.of_repo(name)
    if entry is not None:
        return entry
    if model in known:
        raise ModelMissing(f"{model} is not installed", f"`cems pull {model}` fetches it.")
    raise UnknownName.of("model", name, [*known, *ledger.names()])


def _name_of_repo(repo: str, ledger: Ledger) -> str | None:
    """The catalog's model of a repository: of several the one that is here."""
    known = known_models()
    here = [e.name for e in ledger.entries.values() if e.repo == repo and e.folder is not None]
    among = [name for name in here if name in known]
    return among[0] if len(among) == 1 else only_name(repo, known)


def _removable(name: str, ledger: Ledger) -> Entry:
    found = named(name, ledger)
    if isinstance(found, str):
        raise UsageError(
            f"{found} is part of the program and stays", "Uninstall cems-tui to remove it."
        )
    return found
