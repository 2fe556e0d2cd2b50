"""Builds what pulls, verifies, removes and imports models in this environment's profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cems_tui import paths
from cems_tui.cancel import Stop, never
from cems_tui.catalog import catalog
from cems_tui.errors import ModelMissing, UnknownName, UsageError
from cems_tui.models.ledger import Entry, Ledger, folder_name

if TYPE_CHECKING:
    from cems_tui.models.events import Emit
    from cems_tui.models.importer import Importer
    from cems_tui.models.pull import Ask, Assembler
    from cems_tui.models.remove import Removal
    from cems_tui.models.verify import Verified


def puller(emit: Emit, ask: Ask, stop: Stop = never) -> Assembler:
    """Pulls models from the Hub."""
    from cems_tui.models.convert import PickleConverter
    from cems_tui.models.hub import Hub
    from cems_tui.models.pull import Assembler, Puller

    return Assembler(
        Puller(
            hub=Hub(),
            models=paths.current().models,
            locks=_locks(),
            known=catalog.known_models(),
            emit=emit,
            ask=ask,
            stop=stop,
            converter=PickleConverter(stop),
        )
    )


def importer(emit: Emit, stop: Stop = never) -> Importer:
    """Imports what is on the disk already."""
    from cems_tui.models.importer import Importer

    models = catalog.current().models().values()
    return Importer(
        models=paths.current().models,
        locks=_locks(),
        taken=list(catalog.known_models()),
        bases={model.name: model.path for model in models if model.path is not None},
        convert=_convert,
        emit=emit,
        stop=stop,
    )


def verify_model(name: str, emit: Emit, *, dry_run: bool = False, stop: Stop = never) -> Verified:
    """Every file of a model compared with what was recorded of it.

    Raises:
        UnknownName: nothing is called that.
        ModelMissing: it is not installed.
        Interrupted: `stop` said so.
    """
    from cems_tui.models.verify import verify_model

    ledger = Ledger.read(paths.current().models)
    found = named(name, ledger)
    if isinstance(found, str):
        return _verify_pack(found, emit, dry_run)
    return verify_model(found, ledger, emit, stop, dry_run=dry_run)


def plan_removal(name: str) -> Removal:
    """What removing a model would do.

    Raises:
        UnknownName: nothing is called that.
        UsageError: it is part of the program.
        ModelMissing: there is nothing of it on this disk.
    """
    from cems_tui.models.remove import plan_removal

    ledger = Ledger.read(paths.current().models)
    removal = plan_removal(_removable(name, ledger), ledger)
    if removal.nothing:
        raise ModelMissing(f"{name} is not installed", "`cems ls` shows what is.")
    return removal


def remove_model(name: str, stop: Stop = never) -> Removal:
    """Remove a model, once nobody else changes it.

    Raises:
        as `plan_removal`, and StorageError: a folder cannot be removed.
    """
    from cems_tui.locks import FileLock
    from cems_tui.models.remove import remove

    ledger = Ledger.read(paths.current().models)
    entry = _removable(name, ledger)
    lock = folder_name(entry.repo) if entry.repo else f"import-{entry.name}"
    with FileLock(_locks() / f"{lock}.lock", entry.name).acquire(None, stop):
        ledger = Ledger.read(paths.current().models)
        return remove(_removable(name, ledger), ledger)


def entry_of(name: str) -> Entry | None:
    """What is recorded of the model of that name; None of those that were never pulled."""
    return Ledger.read(paths.current().models).entries.get(name)


def can_draw(name: str) -> bool:
    """Whether an installed model has a function that runs here."""
    entry = entry_of(name)
    return entry is not None and bool(entry.steps) and entry.family is not None


def named(name: str, ledger: Ledger) -> Entry | str:
    """What is recorded of a model, by its name, function or ORG/REPO; the pack's models by name.

    Raises:
        UnknownName: nothing is called that.
        ModelMissing: the catalog knows it, and it was never pulled.
    """
    known = catalog.known_models()
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
    from cems_tui.models.target import only_name

    known = catalog.known_models()
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


def _verify_pack(name: str, emit: Emit, dry_run: bool) -> Verified:
    from cems_tui.models.events import Progressed
    from cems_tui.models.verify import Verified
    from cems_tui.starter.manifest import read_manifest, verify

    root = paths.checkpoints() / "starter"
    entries = read_manifest(root).of(name)

    def read(path: str, done: int, total: int) -> None:
        emit(Progressed(name, "checking", done, total))

    if not dry_run:
        verify(root, read, [name])
    total = sum(entry.bytes for entry in entries.values())
    return Verified(name, root / name, len(entries), total, (), ())


def _convert(path: Path, family: str, base: Path, folder: Path) -> None:
    from cems_tui.generation.families.single_file import convert_checkpoint

    convert_checkpoint(path, family, base, folder)


def _locks() -> Path:
    """Where it is kept who changes which model."""
    return paths.current().state / "models"
