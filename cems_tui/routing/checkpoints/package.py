"""A router as one file: a zip of exactly its card and its weights, read without trusting it."""

from __future__ import annotations

import hashlib
import json
import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.errors import UsageError, WeightsError
from cems_tui.files import SHARED, regular_file, whole_file
from cems_tui.routing.checkpoints.card import parse_card
from cems_tui.routing.checkpoints.checkpoint import (
    LARGEST_CARD_BYTES,
    LARGEST_WEIGHTS_BYTES,
    load_checkpoint,
    plain_name,
    put_files,
    read_files,
)
from cems_tui.routing.checkpoints.kept_prompts import without_prompts
from cems_tui.routing.features.text_encoder import Towers

CARD, WEIGHTS = "card.json", "weights.safetensors"
MOST_BYTES = {CARD: LARGEST_CARD_BYTES, WEIGHTS: LARGEST_WEIGHTS_BYTES}
MOST_UNPACKED, SMALL_BYTES = 8, 32 * 1024 * 1024
"""Weights hardly get smaller when packed: what is over the second and unpacks to more than the
first times its packed bytes was made to fill memory."""

_UNREADABLE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,
    struct.error,
)
"""What Python's reader raises of a file that is no zip, or a damaged one."""

IMPORTED = "imported, figures as its author tells them"
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

    def from_outside(self) -> Package:
        """The same router, its card saying that nobody here has checked the figures."""
        row: dict[str, Any] = json.loads(self.card)
        about = str(row.get("about") or "")
        if IMPORTED in about:
            return self
        told = f"{about}; {IMPORTED}" if about else IMPORTED
        text = json.dumps({**row, "about": told}, ensure_ascii=False, indent=1) + "\n"
        return Package(self.name, text.encode("utf-8"), self.weights)


def export_router(folder: Path, name: str, path: Path, *, with_prompts: bool = False) -> None:
    """Write the router of that name in the folder as one file, whole or not at all.

    Args:
        with_prompts: whether the texts of its training prompts go with it, where it keeps them.

    Raises:
        WeightsError: it is missing or damaged.
        StorageError: the file cannot be written.
    """
    _, card, weights = read_files(folder, name)
    if not with_prompts:
        card, weights = without_prompts(card, weights) or (card, weights)
    members = {CARD: card.encode("utf-8"), WEIGHTS: weights}
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
        with regular_file(path) as file, zipfile.ZipFile(file) as package:
            members = _members(package, path.name)
    except _UNREADABLE as error:
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
    card = package.card.decode("utf-8")
    put_files(check, package.name, card, package.weights)
    load_checkpoint(check, package.name, towers)
    put_files(folder, package.name, card, package.weights)


def _members(package: zipfile.ZipFile, where: str) -> dict[str, bytes]:
    names = sorted(info.filename for info in package.infolist())
    if names != [CARD, WEIGHTS]:
        raise WeightsError(
            f"{where} is not a router's file: it holds {', '.join(names[:5]) or 'nothing'}", _BROKEN
        )
    return {info.filename: _read(package, info, where) for info in package.infolist()}


def _read(package: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> bytes:
    most = min(MOST_BYTES[info.filename], max(SMALL_BYTES, MOST_UNPACKED * info.compress_size))
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
