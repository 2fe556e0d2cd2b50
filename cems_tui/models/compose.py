"""A model put together from parts of others: links to their files, and an index that says so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from cems_tui.errors import WeightsError
from cems_tui.files import SHARED, confined, confined_folder, file_digest, storage, write_text
from cems_tui.generation.families.registry import family_of_class
from cems_tui.generation.weight_files import component_files, tensor_shapes
from cems_tui.models import install
from cems_tui.models.inspect import read_json
from cems_tui.models.ledger import Entry, Ledger, PinnedFile
from cems_tui.models.plan import Places, is_whole
from cems_tui.models.repository import INDEX

_WEIGHTS = "diffusion_pytorch_model.safetensors"

Files = dict[str, tuple[Path, PinnedFile]]
"""By path in the model: where each file is, and what is recorded of it."""


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
    whole = _folder(base, ledger)
    index = dict(read_json(whole / INDEX))
    files = {file.path: (whole / file.path, file) for file in base.files if file.path != INDEX}
    for component, part in parts.items():
        files = _with_part(files, index, component, part, whole, _folder(part, ledger))
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


def _with_part(
    files: Files, index: dict[str, object], component: str, part: Entry, base: Path, folder: Path
) -> Files:
    """The files with those of one component in place of the base's; a new class is put into index.

    A part is a whole component, with its config, or the weights of one, which keeps the base's.
    """
    own = {path: found for path, found in files.items() if _is_of(path, component)}
    others = {path: found for path, found in files.items() if path not in own}
    if not (folder / "config.json").is_file():
        weights = _weights_alone(part, folder, base / component)
        kept = {path: found for path, found in own.items() if not _holds_weights(path)}
        return {**others, **kept, f"{component}/{_WEIGHTS}": (folder / weights.path, weights)}
    kind = read_json(folder / "config.json").get("_class_name")
    if not isinstance(kind, str):
        raise WeightsError(f"{folder} is no component: its config names no class")
    index[component] = ["diffusers", kind]
    return {**others, **{f"{component}/{f.path}": (folder / f.path, f) for f in part.files}}


def _is_of(path: str, component: str) -> bool:
    return path.startswith(f"{component}/")


def _holds_weights(path: str) -> bool:
    """Whether it is weights, or the index of shards of them."""
    return path.endswith(".safetensors") or ".safetensors.index." in path


def _weights_alone(part: Entry, folder: Path, component: Path) -> PinnedFile:
    """The one file of a part that is the weights of a base's component, and nothing else.

    Raises:
        WeightsError: it is not: its tensors have other names or shapes.
    """
    found = [file for file in part.files if file.path.endswith(".safetensors")]
    theirs: dict[str, tuple[int, ...]] = {}
    for path in component_files(component):
        theirs |= tensor_shapes(path)
    if len(found) != 1 or tensor_shapes(folder / found[0].path) != theirs:
        raise WeightsError(
            f"{part.name} is not a {component.name} like that of {component.parent}: its "
            f"tensors have other names or shapes"
        )
    return found[0]


def is_composed(name: str, ledger: Ledger) -> bool:
    """Whether the model is there with all it links to."""
    entry = ledger.entries.get(name)
    return entry is not None and is_whole(entry, ledger)


def _write(
    name: str,
    index: Mapping[str, object],
    files: Files,
    ledger: Ledger,
) -> Path:
    target = confined_folder(ledger.models, f"imported/{name}")
    partial = confined_folder(ledger.models, f".partial/imported/{name}")
    with storage(str(target)):
        shutil.rmtree(partial, ignore_errors=True)
        for path, (source, _) in files.items():
            install.link(source, confined(partial, path))
        write_text(partial / INDEX, json.dumps(index, indent=1), mode=SHARED)
        if target.exists():
            shutil.rmtree(target)
    install.settle(Places(target, partial))
    return target


def _folder(entry: Entry, ledger: Ledger) -> Path:
    folder = ledger.present(entry)
    if folder is None:
        raise WeightsError(f"{entry.name} is not installed", f"`cems pull {entry.source}` does it.")
    return folder
