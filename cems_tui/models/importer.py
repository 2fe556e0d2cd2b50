"""Takes models that are on the disk already: a diffusers folder, or one network of a base model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cems_tui import paths
from cems_tui.cancel import Stop, never
from cems_tui.domain.capabilities import WAYS_OUT, Wanted, obstacle
from cems_tui.errors import UnknownName, UsageError, WeightsError
from cems_tui.files import (
    Digests,
    confined,
    confined_folder,
    copy_file,
    free_bytes,
    read_into,
    storage,
)
from cems_tui.generation.families.registry import FAMILIES, capabilities_of
from cems_tui.generation.families.single_file import (
    PART_WORDS,
    is_checkpoint,
    lacking_parts,
    refuse_other_kinds,
)
from cems_tui.generation.weight_files import component_files, read_header, tensor_shapes
from cems_tui.locks import FileLock
from cems_tui.models import install
from cems_tui.models.events import Emit, Installed, Noted, Progressed
from cems_tui.models.inspect import (
    Inspection,
    inspect_folder,
    listed,
    read_json,
    refuse_pickle,
)
from cems_tui.models.ledger import DEFAULT_STEPS, Entry, Ledger, PinnedFile, checked_name
from cems_tui.models.plan import Places
from cems_tui.models.repository import INDEX, RemoteFile, component_names

SUPPORTED = (
    "Supported, with --base NAME, an installed model of the same architecture: a .safetensors "
    "file of a Stable Diffusion or SDXL checkpoint (what it lacks is the base's), or of one "
    "network in the diffusers layout (such as a fine-tuned unet)."
)
Manner = Literal["in place", "copy", "link", "convert"]

Convert = Callable[[Path, str, Path, Path], None]
"""Writes a whole checkpoint as a folder: the file, its family, its base, the folder."""

BASE = "base"
"""Where the plan of a conversion keeps the folder of its base, among its sources."""


@dataclass(frozen=True, slots=True)
class ImportWish:
    """What the user asked to be imported."""

    path: Path
    name: str
    manner: Manner = "in place"
    base: str | None = None
    """Of a single file: the installed model it is a network of."""

    steps: tuple[int, ...] = ()
    guidance: float | None = None
    size: tuple[int, int] | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import would do."""

    model: str
    source: Path
    folder: Path
    """Where the model will lie."""

    manner: Manner
    inspection: Inspection
    files: tuple[RemoteFile, ...]
    sources: Mapping[str, Path]
    """Where each file is now, by its path in the model."""

    copied_bytes: int
    free_bytes: int
    functions: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What the user should know of it."""

    @property
    def total_bytes(self) -> int:
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Importer:
    """Imports models into one profile."""

    models: Path
    locks: Path
    taken: Sequence[str]
    """Names of the shipped catalog."""

    bases: Mapping[str, Path]
    """The folders of the installed models, by name."""

    convert: Convert
    emit: Emit
    stop: Stop = never

    def plan(self, wish: ImportWish) -> ImportPlan:
        """What importing would do; nothing is written and nothing is loaded.

        Raises:
            UsageError: the path cannot be imported, or the name is taken.
            WeightsError: a file is missing or damaged.
        """
        name = checked_name(wish.name)
        entry = Ledger.read(self.models).entries.get(name)
        if name in self.taken or (entry is not None and not entry.removed):
            raise UsageError(f"{name} is the name of another model", "Choose another --name.")
        source = Path(os.path.abspath(wish.path))
        if not source.exists():
            raise UsageError(f"there is no {source}", "Give a folder, or a .safetensors file.")
        if source.is_file():
            return self._plan_of_file(wish, name, source)
        if wish.base is not None:
            raise UsageError("--base is for a single file", "A folder has all of its model.")
        inspection = inspect_folder(source)
        if inspection.pipeline is None:
            raise UsageError(
                f"{source} has no model_index.json, so it is no pipeline",
                "Give a folder that `pipeline.save_pretrained` wrote.",
            )
        if inspection.family is None:
            raise UsageError(
                f"{source} is a {inspection.pipeline}, which cannot be drawn with here",
                f"These can: {', '.join(layout.pipeline_class for layout in FAMILIES.values())}.",
            )
        _refuse_unfollowable(wish, source, source, inspection)
        in_place = wish.manner == "in place"
        files = _of_folder(source, inspection) if in_place else inspection.selection.files
        sources = {file.path: source / file.path for file in files}
        folder = source if in_place else confined_folder(self.models, f"imported/{name}")
        return self._plan(wish, name, source, folder, inspection, tuple(files), sources)

    def _plan_of_file(self, wish: ImportWish, name: str, source: Path) -> ImportPlan:
        """One network of a base model, or a checkpoint: everything else is the base's."""
        shapes = shapes_of(source)
        refuse_other_kinds(source, shapes)
        if wish.base is None:
            raise UsageError(f"{source} is one file, not a whole model", SUPPORTED)
        if wish.base not in self.bases:
            raise UnknownName.of("installed model", wish.base, self.bases)
        base_name, base = wish.base, self.bases[wish.base]
        inspection = inspect_folder(base)
        _refuse_unfollowable(wish, source, base, inspection)
        folder = confined_folder(self.models, f"imported/{name}")
        if is_checkpoint(shapes):
            lacking = lacking_parts(source, shapes, base)
            whole = (RemoteFile(source.name, source.stat().st_size),)
            wish = replace(wish, manner="convert")
            plan = self._plan(wish, name, source, folder, inspection, whole, {BASE: base})
            return replace(plan, notes=(*plan.notes, *_taken(lacking, base_name)))
        network = network_of(source, base, read_json(base / INDEX))
        file = RemoteFile(network.file.as_posix(), source.stat().st_size)
        kept = tuple(
            other
            for other in inspection.selection.files
            if not (
                other.path.startswith(f"{network.component}/")
                and other.path.endswith(".safetensors")
            )
        )
        sources = {other.path: base / other.path for other in kept}
        wish = replace(wish, manner="copy" if wish.manner == "copy" else "link")
        return self._plan(
            wish,
            name,
            source,
            folder,
            inspection,
            (*kept, file),
            {**sources, file.path: source},
        )

    def _plan(
        self,
        wish: ImportWish,
        name: str,
        source: Path,
        folder: Path,
        inspection: Inspection,
        files: tuple[RemoteFile, ...],
        sources: Mapping[str, Path],
    ) -> ImportPlan:
        return ImportPlan(
            model=name,
            source=source,
            folder=folder,
            manner=wish.manner,
            inspection=inspection,
            files=files,
            sources=sources,
            copied_bytes=sum(f.size for f in files) if wish.manner in ("copy", "convert") else 0,
            free_bytes=free_bytes(self.models),
            functions=tuple(f"{name}@{step}" for step in wish.steps or DEFAULT_STEPS),
            notes=tuple(inspection.selection.notes),
        )

    def run(self, wish: ImportWish) -> Installed:
        """The model, in the catalog.

        Raises:
            UsageError, WeightsError: as `plan`.
            StorageError: the disk is too small, full or not writable.
            Interrupted: `stop` said so; nothing is left behind.
        """
        from time import perf_counter

        began = perf_counter()
        paths.ensure_writable(self.models)
        name = checked_name(wish.name)
        with FileLock(self.locks / f"import-{name}.lock", name).acquire(None, self.stop):
            plan = self.plan(wish)
            for note in plan.notes:
                self.emit(Noted(name, note))
            install.refuse_short_disk(plan.model, self.models, plan.copied_bytes, plan.free_bytes)
            files = self._place(plan)
            ledger = Ledger.read(self.models)
            entry = ledger.write(_entry(wish, plan, files, ledger))
        return Installed(
            model=entry.name,
            path=plan.folder,
            bytes=entry.total_bytes,
            downloaded_bytes=0,
            seconds=perf_counter() - began,
            functions=plan.functions,
        )

    def _place(self, plan: ImportPlan) -> tuple[PinnedFile, ...]:
        """The files where they shall be, each read once."""
        if plan.manner == "in place":
            return self._read_all(plan, plan.folder)
        partial = confined_folder(self.models, f".partial/imported/{plan.model}")
        with storage(str(partial)):
            shutil.rmtree(partial, ignore_errors=True)  # left by an import that was killed
            if plan.folder.exists():
                shutil.rmtree(plan.folder)  # of a model that was removed
        try:
            if plan.manner == "convert":
                plan = self._converted(plan, partial)
            files = self._read_all(plan, partial)
            install.settle(Places(plan.folder, partial))
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            install.remove_empty(partial.parent)
            raise
        return files

    def _converted(self, plan: ImportPlan, folder: Path) -> ImportPlan:
        """The plan of what the conversion wrote."""
        with storage(str(folder)):
            folder.mkdir(parents=True)
        self.convert(plan.source, plan.inspection.family or "", plan.sources[BASE], folder)
        inspection = inspect_folder(folder)
        files = inspection.selection.files
        return replace(
            plan,
            inspection=inspection,
            files=files,
            sources={file.path: folder / file.path for file in files},
        )

    def _read_all(self, plan: ImportPlan, folder: Path) -> tuple[PinnedFile, ...]:
        done = 0
        phase: Literal["copying", "checking"] = "copying" if plan.manner == "copy" else "checking"

        def read(count: int) -> None:
            nonlocal done
            done += count
            self.emit(Progressed(plan.model, phase, done, plan.total_bytes))

        pinned = []
        for file in plan.files:
            source = plan.sources[file.path]
            target = source if plan.manner == "in place" else confined(folder, file.path)
            digests = Digests(file.size)
            if plan.manner == "copy":
                with storage(str(target.parent)):
                    target.parent.mkdir(parents=True, exist_ok=True)
                copy_file(source, target, digests, self.stop, read)
            else:
                if plan.manner == "link":
                    install.link(source, target)
                try:
                    read_into(digests, source, stop=self.stop, on_bytes=read)
                except OSError as error:
                    raise WeightsError(f"cannot read {source}: {error.strerror}") from error
            pinned.append(PinnedFile(file.path, file.size, digests.sha256))
        return tuple(pinned)


def _of_folder(source: Path, inspection: Inspection) -> list[RemoteFile]:
    """The files of a folder that is used in place: all its weights, for that is what is there."""
    chosen = {file.path for file in inspection.selection.files}
    return [f for f in listed(source) if f.path in chosen or f.path.endswith(".safetensors")]


def _entry(
    wish: ImportWish, plan: ImportPlan, files: tuple[PinnedFile, ...], ledger: Ledger
) -> Entry:
    found = plan.inspection
    width, height = wish.size or (found.side, found.side)
    return Entry(
        name=plan.model,
        files=files,
        folder=ledger.relative(plan.folder),
        owned=plan.manner != "in place",
        pipeline=found.pipeline,
        family=found.family,
        licence=wish.licence,
        steps=wish.steps or DEFAULT_STEPS,
        guidance=found.guidance if wish.guidance is None else wish.guidance,
        width=width,
        height=height,
        origin=str(plan.source),
    )


@dataclass(frozen=True, slots=True)
class Network:
    """The network of a base model that a file replaces."""

    component: str
    file: Path
    """Where the file goes, relative to the model's folder."""


def _refuse_unfollowable(
    wish: ImportWish, source: Path, folder: Path, inspection: Inspection
) -> None:
    """Refuse what could never be drawn: a model of another kind, a size or guidance it has no
    use for.

    Args:
        folder: where the configs are: the model's own, or its base's.

    Raises:
        UsageError: it could not.
    """
    width, height = wish.size or (inspection.side, inspection.side)
    guidance = inspection.guidance if wish.guidance is None else wish.guidance
    stands = obstacle(
        capabilities_of(inspection.family or "", folder),
        Wanted(width, height, guidance, negative=False),
    )
    if stands is not None:
        raise UsageError(f"{source} {stands.words}", WAYS_OUT[stands.kind])


def _taken(lacking: Sequence[str], base: str) -> list[str]:
    return [f"it holds no {PART_WORDS[part]}: that of {base} is taken" for part in lacking]


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a safetensors file that is whole.

    Raises:
        UsageError: it is a pickle, or no safetensors file.
        WeightsError: it is damaged.
    """
    refuse_pickle(path)
    if path.suffix != ".safetensors":
        raise UsageError(f"{path} is no safetensors file", SUPPORTED)
    read_header(path)
    return tensor_shapes(path)


def network_of(path: Path, base: Path, index: Mapping[str, Any]) -> Network:
    """Which network of the base model the file is, by the names and shapes in its header.

    Raises:
        UsageError: it fits nothing of the base; the message says how near it comes.
        WeightsError: it is damaged.
    """
    shapes = tensor_shapes(path)
    nearest, shared = "", 0
    for component in component_names(index):
        files = component_files(base / component)
        theirs: dict[str, tuple[int, ...]] = {}
        for file in files:
            theirs |= tensor_shapes(file)
        if len(files) == 1 and theirs == shapes:
            # Under the plain name: float32 or float16 is told by the file itself.
            name = files[0].name.replace(".fp16.", ".")
            return Network(component, Path(component, name))
        common = len(theirs.keys() & shapes.keys())
        if common > shared:
            nearest, shared = _nearness(component, shapes, theirs), common
    raise UsageError(
        f"{path} is none of the networks of {base}: "
        f"{nearest or 'its tensors have other names or shapes'}",
        SUPPORTED,
    )


def _nearness(
    component: str, shapes: Mapping[str, tuple[int, ...]], theirs: Mapping[str, tuple[int, ...]]
) -> str:
    """How a file differs from the component whose names it shares."""
    ours, base = shapes.get("conv_in.weight", ()), theirs.get("conv_in.weight", ())
    if component == "unet" and len(ours) > 1 and len(base) > 1 and ours[1] != base[1]:
        kind = ", as inpainting models do" if ours[1] == 9 else ""
        return f"its unet takes {ours[1]} channels instead of {base[1]}{kind}"
    if missing := len(theirs.keys() - shapes.keys()):
        return f"it has {len(theirs) - missing} of the {len(theirs)} tensors of the {component}"
    return f"its tensors differ in shape from those of the {component}"
