"""The tables of models shipped with the program, one file a theme, read in a fixed order."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from cems_tui import paths
from cems_tui.domain.capabilities import Capabilities
from cems_tui.domain.function import Catalog, Expected, Footprint, GenerationFunction, Model
from cems_tui.files import read_json
from cems_tui.generation.families.registry import capabilities_of
from cems_tui.models.ledger import Entry, Ledger, is_repo
from cems_tui.models.target import CatalogEntry, is_noncommercial

THEMES = ("starter", "cems", "stable_diffusion", "transformers", "support")
"""In catalog order: the order in which models and functions are listed, and ties are broken."""


@cache
def rows() -> tuple[dict[str, Any], ...]:
    """Every model's table. They are shared: nobody changes them."""
    folder = files("cems_tui.catalog")
    return tuple(
        row
        for theme in THEMES
        for row in tomllib.loads(folder.joinpath(f"{theme}.toml").read_text("utf-8"))["model"]
    )


def function_names(row: dict[str, Any]) -> tuple[str, ...]:
    """The names of a model's functions; none of a support model."""
    return tuple(
        function.get("name", f"{row['name']}@{function['steps']}")
        for function in row.get("function", ())
    )


# Models and generation functions as data: the shipped tables joined with what is installed.


def builtin(pack: Path | None = None) -> Catalog:
    """The catalog shipped with the program.

    Args:
        pack: the starter pack's folder; None is the one shipped with the program.
    """
    starter = StarterPack.at(pack)
    models = [(row, _model_of(row, starter)) for row in rows()]
    return Catalog(
        (function for row, model in models for function in _functions_of(row, model)),
        (model for row, model in models if not row.get("function")),
    )


def read_catalog(models: Path) -> Catalog:
    """The shipped catalog, and what the user pulled and imported into a folder of models.

    Raises:
        StorageError: something is recorded by a newer cems.
    """
    return with_user_models(builtin(), Ledger.read(models))


def _model_of(row: dict[str, Any], starter: StarterPack) -> Model:
    name = row["name"]
    in_pack = row.get("pack") == "starter"
    return Model(
        name=name,
        family=row["family"],
        licence=row["licence"],
        source=row["source"],
        path=starter.pipeline(name) if in_pack else None,
        digest=starter.digest(name) if in_pack else None,
        summary=row.get("summary", ""),
        footprint=Footprint(**row.get("footprint", {})),
        gated=row.get("gated", False),
        noncommercial=row.get("noncommercial", False),
        role=row.get("role", ""),
    )


def _functions_of(row: dict[str, Any], model: Model) -> list[GenerationFunction]:
    if not row.get("function"):
        return []
    capabilities = _capabilities(model)
    if not model.installed:
        capabilities = replace(capabilities, **row.get("capabilities", {}))
    return [
        GenerationFunction(
            name=name,
            model=model,
            steps=function["steps"],
            guidance=float(function["guidance"]),
            width=function["width"],
            height=function["height"],
            scheduler=function.get("scheduler"),
            clip_skip=function.get("clip_skip"),
            expected=Expected(**function.get("expected", {})),
            capabilities=capabilities,
        )
        for name, function in zip(function_names(row), row.get("function", ()), strict=True)
    ]


def _capabilities(model: Model) -> Capabilities:
    """What a model can follow: what its own configs say where it is here, else its family."""
    return capabilities_of(model.family, model.path)


# What the shipped catalog says to whoever pulls a model.


def known_models() -> dict[str, CatalogEntry]:
    """Every model of the shipped tables by name, with the repository it comes from."""
    return {
        row["name"]: CatalogEntry(
            name=row["name"],
            repo=row["source"] if is_repo(row["source"]) else None,
            licence=row["licence"],
            in_pack="pack" in row,
            parts=tuple(row.get("parts", {}).items()),
            revision=row.get("revision"),
            functions=function_names(row),
            noncommercial=row.get("noncommercial", False),
            files=tuple(row.get("files", ())),
            convert=row.get("convert", False),
            sha256=dict(row.get("sha256", {})),
        )
        for row in rows()
    }


# Where the starter pack is and what its manifest says, read without verifying it.
#
# Verification hashes files and belongs to loading (`cems_tui.starter.manifest.verify`).


@dataclass(frozen=True, slots=True)
class StarterPack:
    """A folder with pipelines, scorers, a router and a manifest; perhaps incomplete."""

    root: Path
    files: dict[str, Any] = field(default_factory=dict)
    """The manifest's entry of each file, by path relative to the root."""

    @classmethod
    def at(cls, root: Path | None = None) -> StarterPack:
        """The pack in that folder (default: the one shipped); empty when it has no manifest.

        A damaged manifest is not this function's business: nothing of the pack then counts as
        installed, and `cems starter verify` says why.
        """
        root = root or paths.checkpoints() / "starter"
        try:
            manifest = read_json(root / "manifest.json")
            files = manifest["files"]
        except (OSError, ValueError, KeyError, TypeError):
            files = {}
        return cls(root, files if isinstance(files, dict) else {})

    def pipeline(self, name: str) -> Path | None:
        """The diffusers folder of a pipeline, if the manifest lists one."""
        return self.root / name if f"{name}/model_index.json" in self.files else None

    def folder(self, name: str) -> Path | None:
        """Any component's folder, if the manifest lists files in it."""
        prefix = f"{name}/"
        return self.root / name if any(path.startswith(prefix) for path in self.files) else None

    def weights_digest(self, name: str) -> str | None:
        """`sha256:…` of a component's only weight file; None of several, or when not listed."""
        prefix = f"{name}/"
        found = [
            entry["sha256"]
            for path, entry in self.files.items()
            if path.startswith(prefix) and path.endswith(".safetensors")
        ]
        return f"sha256:{found[0]}" if len(found) == 1 else None

    def digest(self, name: str) -> str | None:
        """`sha256:…` over the digests of a component's weight files; None when not listed.

        The same figure as hashing the files themselves (`generation.fingerprint`).
        """
        prefix = f"{name}/"
        weights = sorted(
            (path.removeprefix(prefix), entry["sha256"])
            for path, entry in self.files.items()
            if path.startswith(prefix) and path.endswith(".safetensors")
        )
        if not weights:
            return None
        lines = "".join(f"{path} sha256:{digest}\n" for path, digest in weights)
        return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


# Tells cheaply whether the catalog would be another one now than it was.

Stamp = tuple[tuple[str, int, int], ...]


def stamp(models: Path) -> Stamp:
    """Name, time and size of every record of a pulled or imported model: equal, nothing changed."""
    folder = models / "ledger"
    found = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # removed while we looked: the next look tells
        found.append((path.name, status.st_mtime_ns, status.st_size))
    return tuple(found)


# Joins the shipped catalog with what the user pulled and imported.

_NO_LICENCE = "not stated"
_SUPPORT = "support"
"""The family of models that draw nothing themselves."""

_UNKNOWN = "unknown"
_SIDE = 512
_GUIDANCE = 5.0


def with_user_models(shipped: Catalog, ledger: Ledger) -> Catalog:
    """The shipped catalog with its pulled models installed, then the user's own models."""
    models = shipped.models()
    functions: list[GenerationFunction] = []
    others: list[Model] = []
    for name, shipped_model in models.items():
        model = _pulled(shipped_model, ledger.entries.get(name), ledger)
        drawing = _shipped(shipped, model, ledger.entries.get(name))
        functions += drawing
        if not drawing:
            others.append(model)
    for entry in ledger.entries.values():
        if entry.name in models or (entry.removed and ledger.present(entry) is None):
            continue
        model = _model(entry, ledger.present(entry))
        capabilities = _capabilities(model)
        functions += [_function(entry, model, steps, capabilities) for steps in entry.steps]
        if not entry.steps:
            others.append(model)
    return Catalog(functions, others)


def _pulled(model: Model, entry: Entry | None, ledger: Ledger) -> Model:
    """A shipped model, where the user pulled it: installed, and fetched in so many bytes."""
    if entry is None or model.installed:
        return model
    footprint = model.footprint
    if entry.published:
        fetched = sum(file.bytes for file in entry.published)
        footprint = replace(footprint, download_bytes=fetched)
    return replace(model, path=ledger.present(entry), digest=entry.digest, footprint=footprint)


def _shipped(shipped: Catalog, model: Model, entry: Entry | None) -> list[GenerationFunction]:
    """A shipped model's functions, and those for more steps that the user asked for."""
    own = shipped.of_model(model.name)
    if own and model != own[0].model and model.installed:
        capabilities = _capabilities(model)
        functions = [replace(one, model=model, capabilities=capabilities) for one in own]
    else:
        functions = [replace(one, model=model) for one in own]
    if entry is None or not functions:
        return functions
    there = {function.steps for function in functions}
    first = functions[0]
    return functions + [
        _function(entry, model, steps, first.capabilities, first)
        for steps in entry.steps
        if steps not in there
    ]


def _function(
    entry: Entry,
    model: Model,
    steps: int,
    capabilities: Capabilities,
    like: GenerationFunction | None = None,
) -> GenerationFunction:
    guidance = entry.guidance if entry.guidance is not None else like.guidance if like else None
    return GenerationFunction(
        name=f"{entry.name}@{steps}",
        model=model,
        steps=steps,
        guidance=_GUIDANCE if guidance is None else guidance,
        width=entry.width or (like.width if like else _SIDE),
        height=entry.height or (like.height if like else _SIDE),
        scheduler=like.scheduler if like else None,
        clip_skip=like.clip_skip if like else None,
        capabilities=capabilities,
    )


def _model(entry: Entry, path: Path | None) -> Model:
    drawing = entry.pipeline is not None
    return Model(
        name=entry.name,
        family=entry.family or (_UNKNOWN if drawing else _SUPPORT),
        licence=entry.licence or _NO_LICENCE,
        source=entry.source,
        path=path,
        digest=entry.digest,
        summary="" if drawing else "a support model: it draws nothing itself",
        footprint=_footprint(entry),
        noncommercial=is_noncommercial(entry.licence),
    )


def _footprint(entry: Entry) -> Footprint:
    """What its own files say; what a device holds of them depends on the device."""
    if not entry.files:
        return Footprint()
    return Footprint(
        download_bytes=entry.total_bytes, provenance="measured", source="the sizes of its files"
    )
