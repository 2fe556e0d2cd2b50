"""The pack's list of files: what belongs to it, how long it is, its digest and licence.

Standard library only. The manifest guards against damage and mix-ups, not against an
attacker who can also rewrite the manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from cems_tui.errors import WeightsError
from cems_tui.files import SHARED, read_json, write_text

FORMAT = 1
NAME = "manifest.json"
SPARE = frozenset({NAME, "__init__.py", ".gitattributes", ".DS_Store"})
"""Files beside the pack that need no entry."""
BLOCK = 1 << 20

Progress = Callable[[str, int, int], None]
"""Called with (file, bytes checked so far, bytes in all)."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the pack."""

    sha256: str
    bytes: int
    licence: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What manifest.json says. Paths are relative to the pack, with forward slashes."""

    name: str
    version: str
    licence: str
    created: str
    files: Mapping[str, FileEntry]
    pipelines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scorers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    format: int = FORMAT

    def of(self, component: str) -> dict[str, FileEntry]:
        """The files of one component: a folder such as `starter-base` or `scorers/clip`."""
        prefix = component.rstrip("/") + "/"
        return {
            path: entry
            for path, entry in self.files.items()
            if path == component or path.startswith(prefix)
        }


def write_manifest(
    root: Path,
    *,
    version: str,
    licence: str,
    pipelines: Mapping[str, Mapping[str, Any]],
    scorers: Mapping[str, Mapping[str, Any]],
    name: str = "starter",
    licences: Mapping[str, str] | None = None,
    created: str | None = None,
) -> Manifest:
    """List every file under `root` and write manifest.json; `licences` overrides by prefix."""
    overrides = dict(licences or {})
    files = {}
    for path in sorted(_present(root)):
        own = next((lic for prefix, lic in overrides.items() if path.startswith(prefix)), licence)
        file = root / path
        files[path] = FileEntry(_digest(file), file.stat().st_size, own)
    date = created or datetime.now(UTC).date().isoformat()
    manifest = Manifest(name, version, licence, date, files, pipelines, scorers)
    text = json.dumps(_as_json(manifest), indent=2, ensure_ascii=False) + "\n"
    write_text(root / NAME, text, mode=SHARED)
    return manifest


def read_manifest(root: Path) -> Manifest:
    """The manifest of the pack in `root`."""
    path = root / NAME
    try:
        data = read_json(path)
        version = int(data["format"])
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is missing: there is no pack in {root}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    if version > FORMAT:
        raise WeightsError(
            f"{path} has format {version}; this program reads up to {FORMAT}",
            "Update cems-tui, or install a pack made for this version.",
        )
    try:
        return _from_json(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} cannot be read: {type(error).__name__} {error}") from error


def verify(
    root: Path, progress: Progress | None = None, only: Iterable[str] | None = None
) -> Manifest:
    """Check files against the manifest: present, of the right length and digest, all listed.

    `only` names components (`starter-base`, `scorers/clip`); the others are not looked at.
    """
    manifest = read_manifest(root)
    components = None if only is None else tuple(only)
    wanted = _wanted(manifest, components)
    for path in sorted(_present(root)):
        if path not in manifest.files and _inside(path, components):
            raise WeightsError(f"{path} is not listed in {NAME} of the pack", _hint(root, path))
    total = sum(entry.bytes for entry in wanted.values())
    done = 0
    for path, entry in wanted.items():
        _check_size(root, path, entry)
    for path, entry in wanted.items():
        if _digest(root / path) != entry.sha256:
            raise WeightsError(f"{path} is damaged: its sha256 differs from {NAME}", _hint(root))
        done += entry.bytes
        if progress is not None:
            progress(path, done, total)
    return manifest


def _wanted(manifest: Manifest, components: tuple[str, ...] | None) -> dict[str, FileEntry]:
    if components is None:
        return dict(manifest.files)
    wanted: dict[str, FileEntry] = {}
    for component in components:
        found = manifest.of(component)
        if not found:
            raise WeightsError(f"the pack has no component named {component!r}")
        wanted.update(found)
    return wanted


def _inside(path: str, components: tuple[str, ...] | None) -> bool:
    return components is None or any(path.startswith(f"{c.rstrip('/')}/") for c in components)


def _check_size(root: Path, path: str, entry: FileEntry) -> None:
    try:
        size = (root / path).stat().st_size
    except FileNotFoundError:
        raise WeightsError(f"{path} is missing from the pack", _hint(root)) from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error}", _hint(root)) from error
    if size < entry.bytes:
        raise WeightsError(f"{path} is truncated: {size} of {entry.bytes} bytes", _hint(root))
    if size > entry.bytes:
        raise WeightsError(f"{path} has {size} bytes instead of {entry.bytes}", _hint(root))


def _hint(root: Path, unlisted: str = "") -> str:
    if unlisted:
        return f"Remove {root / unlisted}, or reinstall cems-tui."
    return f"Reinstall cems-tui: the pack in {root} is not as it was shipped."


def _present(root: Path) -> Iterable[str]:
    for file in root.rglob("*"):
        path = file.relative_to(root)
        if file.is_file() and "__pycache__" not in path.parts and str(path) not in SPARE:
            yield path.as_posix()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    return digest.hexdigest()


def _as_json(manifest: Manifest) -> dict[str, Any]:
    return {
        "format": manifest.format,
        "name": manifest.name,
        "version": manifest.version,
        "licence": manifest.licence,
        "created": manifest.created,
        "pipelines": {key: dict(value) for key, value in manifest.pipelines.items()},
        "scorers": {key: dict(value) for key, value in manifest.scorers.items()},
        "files": {
            path: {"sha256": entry.sha256, "bytes": entry.bytes, "licence": entry.licence}
            for path, entry in manifest.files.items()
        },
    }


def _from_json(data: Mapping[str, Any]) -> Manifest:
    files = {}
    for path, entry in data["files"].items():
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts:
            raise ValueError(f"the path {path!r} leaves the pack")
        files[path] = FileEntry(str(entry["sha256"]), int(entry["bytes"]), str(entry["licence"]))
    return Manifest(
        name=str(data["name"]),
        version=str(data["version"]),
        licence=str(data["licence"]),
        created=str(data["created"]),
        files=files,
        pipelines=dict(data.get("pipelines", {})),
        scorers=dict(data.get("scorers", {})),
        format=int(data["format"]),
    )
