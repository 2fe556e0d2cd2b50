"""A router as one file: a zip of exactly its card and its weights, read without trusting it."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.errors import UsageError, WeightsError
from cems_tui.files import SHARED, confined, flush_folder, storage, whole_file, write_bytes
from cems_tui.routing.checkpoints.card import parse_card
from cems_tui.routing.checkpoints.checkpoint import load_checkpoint, plain_name
from cems_tui.routing.features.text_encoder import Towers

CARD, WEIGHTS = "card.json", "weights.safetensors"
MOST_BYTES = {CARD: 32 * 1024 * 1024, WEIGHTS: 2 * 1024**3}
"""Larger members are not read: no router comes near, and a small zip can hold a very large file."""

_BROKEN = "Ask for the file again; `cems router export` writes it."


@dataclass(frozen=True, slots=True)
class Package:
    """The two halves of a router, as bytes that belong together."""

    name: str
    card: bytes
    weights: bytes

    def renamed(self, name: str) -> Package:
        """The same router under another name."""
        row: dict[str, Any] = json.loads(self.card)
        text = json.dumps({**row, "name": plain_name(name)}, ensure_ascii=False, indent=1) + "\n"
        return Package(name, text.encode("utf-8"), self.weights)


def export_router(folder: Path, name: str, path: Path) -> None:
    """Write the router of that name in the folder as one file, whole or not at all.

    Raises:
        WeightsError: it is missing or damaged.
        StorageError: the file cannot be written.
    """
    files = {CARD: f"{plain_name(name)}.json", WEIGHTS: f"{name}.safetensors"}
    try:
        members = {member: (folder / file).read_bytes() for member, file in files.items()}
    except OSError as error:
        raise WeightsError(f"router {name} cannot be read: {error.strerror or error}") from error
    _check_digest(members[CARD], members[WEIGHTS], f"router {name}")
    with whole_file(path, mode=SHARED) as file, zipfile.ZipFile(file, "w") as package:
        for member, data in members.items():
            # a fixed date: the same router is the same file
            package.writestr(zipfile.ZipInfo(member), data, zipfile.ZIP_DEFLATED)


def read_package(path: Path) -> Package:
    """The router in the file, its digest checked.

    Raises:
        UsageError: there is no such file.
        WeightsError: it holds anything but a card and the weights the card was written for.
    """
    if not path.is_file():
        raise UsageError(f"cannot read {path}: no such file", "Check the path.")
    try:
        with zipfile.ZipFile(path) as package:
            members = _members(package, path.name)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
        raise WeightsError(f"{path.name} is not a router's file: {error}", _BROKEN) from error
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}", _BROKEN) from error
    name = _check_digest(members[CARD], members[WEIGHTS], path.name)
    return Package(name, members[CARD], members[WEIGHTS])


def keep(package: Package, folder: Path, check: Path, towers: Towers | None = None) -> None:
    """Put a router on a shelf once it could be loaded; both of its files, or none.

    Args:
        folder: the shelf.
        check: an empty folder on the same disk, where it is loaded first.
        towers: where to find the text tower that a router reads.

    Raises:
        WeightsError: its numbers are not those of its card.
        StorageError: it cannot be written.
    """
    names = (f"{package.name}.safetensors", f"{package.name}.json")
    for name, data in zip(names, (package.weights, package.card), strict=True):
        write_bytes(confined(check, name), data, mode=SHARED)
    load_checkpoint(check, package.name, towers)
    with storage(f"router {package.name} to {folder}"):
        for name in names:  # the card last: without one it is no router
            (check / name).replace(confined(folder, name))
        flush_folder(folder)


def _members(package: zipfile.ZipFile, where: str) -> dict[str, bytes]:
    names = sorted(info.filename for info in package.infolist())
    if names != [CARD, WEIGHTS]:
        raise WeightsError(
            f"{where} is not a router's file: it holds {', '.join(names[:5]) or 'nothing'}", _BROKEN
        )
    return {info.filename: _read(package, info, where) for info in package.infolist()}


def _read(package: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> bytes:
    most = MOST_BYTES[info.filename]
    if info.flag_bits & 0x1:
        raise WeightsError(f"{where}: {info.filename} is encrypted", _BROKEN)
    with package.open(info) as member:
        data = member.read(most + 1)
    if len(data) > most:
        raise WeightsError(f"{where}: {info.filename} is over {most:,} bytes", _BROKEN)
    return data


def _check_digest(card: bytes, weights: bytes, where: str) -> str:
    """The router's name, when its card was written for these weights."""
    try:
        text = card.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WeightsError(f"{where}: the card is not UTF-8", _BROKEN) from error
    parsed, digest = parse_card(text, f"the card in {where}")
    if f"sha256:{hashlib.sha256(weights).hexdigest()}" != digest:
        raise WeightsError(f"{where}: the weights are not those of the card", _BROKEN)
    try:
        return plain_name(parsed.name)
    except UsageError as error:
        raise WeightsError(f"{where}: {error}", _BROKEN) from error
