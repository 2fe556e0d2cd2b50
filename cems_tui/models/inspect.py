"""What a diffusers folder holds, from its configs and the headers of its weights; nothing loads."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.domain.capabilities import nearest_side
from cems_tui.errors import UsageError, WeightsError
from cems_tui.files import LARGEST_CONFIG_BYTES, read_bytes
from cems_tui.generation.families.registry import FAMILIES, capabilities_of, family_of_class
from cems_tui.generation.weight_files import component_files, read_header
from cems_tui.models.repository import (
    INDEX,
    PICKLES,
    WHY_NO_PICKLE,
    RemoteFile,
    Repository,
    Selection,
    component_names,
    missing_parts,
    wanted,
)

_DEFAULT_GUIDANCE = {
    "stable-diffusion": 7.5,
    "stable-diffusion-xl": 5.0,
    "stable-diffusion-3": 7.0,
    "latent-consistency": 8.5,
    "amused": 10.0,
    "pixart-sigma": 4.5,
    "sana": 4.5,
    "flux": 3.5,
    "flux-2-klein": 4.0,
}
"""What diffusers' own pipelines take when nobody says."""

BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_OTHER_GUIDANCE = 5.0
_DEFAULT_SIDE = 512
_TRANSFORMER_SIDE = 1024
"""Pixels, where the configs do not tell: of U-Nets, and of the transformers that came later."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a folder says about itself."""

    pipeline: str | None
    """The class its model_index.json names; None for a support model."""

    family: str | None
    """The adapter that runs it; None when nothing here does."""

    selection: Selection
    """The files that make the model."""

    parameter_count: int
    """Floating-point numbers in its weights."""

    side: int
    """Pixels of the pictures it was made for."""

    guidance: float


def inspect_folder(folder: Path) -> Inspection:
    """A diffusers folder's class, family, files, size of pictures.

    Raises:
        UsageError: its weights are pickles, or a link leaves it.
        WeightsError: a file is missing or damaged.
    """
    files = tuple(listed(folder))
    index = read_json(folder / INDEX) if any(file.path == INDEX for file in files) else None
    selection = _selected(Repository(folder.name, "", files), index)
    weights = [file for file in selection.files if file.path.endswith(".safetensors")]
    if not weights:
        raise WeightsError(f"there are no weights in {folder}", "Give a folder that holds some.")
    if index is not None:
        _refuse_parts(folder, selection, index)
    pipeline = None if index is None else str(index.get("_class_name"))
    family = family_of_class(pipeline)
    _check_networks(folder, family, selection)
    return Inspection(
        pipeline=pipeline,
        family=family,
        selection=selection,
        parameter_count=sum(read_header(folder / file.path).float_count for file in weights),
        side=drawn_side(family, folder),
        guidance=guidance_of(family, folder),
    )


def default_guidance(family: str | None) -> float:
    """The guidance that diffusers' own pipeline takes when nobody says."""
    return _DEFAULT_GUIDANCE.get(family or "", _OTHER_GUIDANCE)


def guidance_of(family: str | None, folder: Path) -> float:
    """The guidance that a folder's pipeline is drawn with when nobody says; 0 where its network
    was distilled to draw without."""
    distilled = family is not None and capabilities_of(family, folder).guidance == "none"
    return 0.0 if distilled else default_guidance(family)


def listed(folder: Path) -> Iterator[RemoteFile]:
    """Every file under a folder.

    Raises:
        UsageError: a symbolic link leads out of the folder.
        WeightsError: it cannot be read.
    """
    root = Path(os.path.realpath(folder))

    def refuse(error: OSError) -> None:
        raise WeightsError(f"cannot read {error.filename}: {error.strerror}") from error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        for name in sorted((*folders, *names)):
            path = Path(parent, name)
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                raise UsageError(
                    f"{path} is a link that leaves {folder}",
                    "Copy the folder with its links followed (`cp -rL`); a model in the Hub's "
                    "cache is used in place by `cems pull ORG/REPO`.",
                )
            if path.is_file():
                yield RemoteFile(path.relative_to(folder).as_posix(), path.stat().st_size)


def read_json(path: Path) -> dict[str, Any]:
    """A config file.

    Raises:
        WeightsError: it is missing or is none.
    """
    try:
        data = read_bytes(path, LARGEST_CONFIG_BYTES)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    if data.startswith(BOMS):
        raise WeightsError(
            f"{path} begins with a byte order mark, which the libraries that load it do not read",
            "Save it as UTF-8 without a byte order mark (BOM).",
        )
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise WeightsError(f"{path} is damaged: it is no configuration")
    return value


def native_side(folder: Path) -> int:
    """Pixels of a side of the pictures a pipeline was made for, from its configs."""
    sample = next(
        (
            size
            for part in ("unet", "transformer")
            if isinstance(size := _config(folder / part).get("sample_size"), int)
        ),
        None,
    )
    decoder = _config(folder / "vae") or _config(folder / "vqvae")
    blocks = decoder.get("decoder_block_out_channels") or decoder.get("block_out_channels")
    if sample is None or not isinstance(blocks, list) or not blocks:
        return _TRANSFORMER_SIDE if _config(folder / "transformer") else _DEFAULT_SIDE
    return int(sample * 2 ** (len(blocks) - 1))


def drawn_side(family: str | None, folder: Path) -> int:
    """The side it was made for, or the nearest to it that its class can draw."""
    able = capabilities_of(family or "", folder)
    return nearest_side(native_side(folder), able.size_multiple or 1, able.longest_side)


def refuse_pickle(path: Path) -> None:
    """Refuse a file that pickle wrote, by its name.

    Raises:
        UsageError: it is one.
    """
    if path.name.lower().endswith(PICKLES):
        raise UsageError(
            f"{path} is a pickle, and is not read",
            WHY_NO_PICKLE[0].upper() + WHY_NO_PICKLE[1:],
        )


def _config(folder: Path) -> Mapping[str, Any]:
    """A component's settings; none where they cannot be read: loading it will say so."""
    try:
        return read_json(folder / "config.json")
    except WeightsError:
        return {}


def _selected(repository: Repository, index: Mapping[str, Any] | None) -> Selection:
    try:
        return wanted(repository, index)
    except WeightsError as error:
        # Of a folder at hand it is the input that cannot be followed, not a download.
        raise UsageError(str(error), error.hint) from error


def _refuse_parts(folder: Path, selection: Selection, index: Mapping[str, Any]) -> None:
    """Refuse a pipeline of which a component or a shard is not there.

    Raises:
        WeightsError: it lacks one; the message names it.
    """
    lacking = [
        path.relative_to(folder).as_posix()
        for name in component_names(index)
        for path in component_files(folder / name)
        if not path.is_file()
    ]
    if missing := [*lacking, *missing_parts(selection, index)]:
        raise WeightsError(
            f"{folder} is incomplete: {missing[0]} is not there, or not all of it",
            "Copy or download it again, whole.",
        )


def _check_networks(folder: Path, family: str | None, selection: Selection) -> None:
    """Refuse a pipeline that lacks the weights of a network it draws with."""
    there = {file.path.split("/")[0] for file in selection.files if file.path.endswith("tensors")}
    for name in getattr(FAMILIES.get(family or ""), "networks", ()):
        if name not in there:
            raise WeightsError(
                f"{folder} is incomplete: there are no weights in {name}",
                "Copy or download it again, whole.",
            )
