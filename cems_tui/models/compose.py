"""A model put together from parts of others: links to their files, and an index that says so."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from cems_tui.digest import file_digest
from cems_tui.errors import WeightsError
from cems_tui.generation.families import family_of_class
from cems_tui.models import install
from cems_tui.models.files import storage
from cems_tui.models.inspect import read_json
from cems_tui.models.ledger import Entry, Ledger, PinnedFile
from cems_tui.models.plan import INDEX


def compose(
    name: str, base: Entry, parts: Mapping[str, Entry], ledger: Ledger, licence: str
) -> Entry:
    """Record the model `name`: the base, with some components taken from other models.

    Nothing is copied: its folder links to the files of the models it is made of.

    Args:
        parts: component name to the model that has it at its root.

    Raises:
        WeightsError: a part is not installed, or is no component.
        StorageError: the disk refuses.
    """
    index = dict(read_json(_folder(base, ledger) / INDEX))
    files: dict[str, tuple[Path, PinnedFile]] = {}
    for file in base.files:
        if file.path != INDEX and file.path.split("/")[0] not in parts:
            files[file.path] = (_folder(base, ledger) / file.path, file)
    for component, part in parts.items():
        folder = _folder(part, ledger)
        kind = read_json(folder / "config.json").get("_class_name")
        if not isinstance(kind, str):
            raise WeightsError(f"{folder} is no component: its config names no class")
        index[component] = ["diffusers", kind]
        for file in part.files:
            files[f"{component}/{file.path}"] = (folder / file.path, file)
    target = _write(name, index, files, ledger)
    pinned = [
        PinnedFile(path, file.bytes, file.sha256, file.git_sha1)
        for path, (_, file) in files.items()
    ]
    own = target / INDEX
    pinned.append(PinnedFile(INDEX, own.stat().st_size, file_digest(own).removeprefix("sha256:")))
    pipeline = str(index.get("_class_name"))
    old = ledger.entries.get(name, Entry(name))
    return ledger.write(
        Entry(
            name=name,
            files=tuple(pinned),
            folder=ledger.relative(target),
            pipeline=pipeline,
            family=family_of_class(pipeline),
            licence=licence,
            steps=old.steps,
            guidance=old.guidance,
            width=old.width,
            height=old.height,
            origin=" with ".join([base.source, *(part.source for part in parts.values())]),
        )
    )


def is_composed(name: str, ledger: Ledger) -> bool:
    """Whether the model is there with all it links to."""
    entry = ledger.entries.get(name)
    folder = None if entry is None else ledger.present(entry)
    return (
        entry is not None
        and folder is not None
        and all(install.size_of(folder / file.path) == file.bytes for file in entry.files)
    )


def _write(
    name: str,
    index: Mapping[str, object],
    files: Mapping[str, tuple[Path, PinnedFile]],
    ledger: Ledger,
) -> Path:
    target = ledger.models / "imported" / name
    partial = ledger.models / ".partial" / "imported" / name
    with storage(str(target)):
        shutil.rmtree(partial, ignore_errors=True)
        for path, (source, _) in files.items():
            install.link(source, partial / path)
        with (partial / INDEX).open("w", encoding="utf-8") as file:
            json.dump(index, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.rmtree(target)
    install.settle(install.Places(target, partial))
    return target


def _folder(entry: Entry, ledger: Ledger) -> Path:
    folder = ledger.present(entry)
    if folder is None:
        raise WeightsError(f"{entry.name} is not installed", f"`cems pull {entry.source}` does it.")
    return folder
