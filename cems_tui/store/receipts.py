"""The receipt in a picture: written with the PNG in one rename, read without the database.

Two texts: `cems`, the object `cems generate --json` prints, and `parameters`, which other
tools read.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cems_tui.errors import StorageError, UsageError
from cems_tui.paths import ensure
from cems_tui.record import Generation
from cems_tui.store.png import text_chunks

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.PngImagePlugin import PngInfo

KEYWORD = "cems"
TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)\.cems-tmp")
GRACE_SECONDS = 60.0
"""In a folder that others write to, a younger temporary file is never taken for a leftover:
their writer may not be visible from here."""

LONGEST_WRITE_SECONDS = 3600.0
"""Older than this it is a leftover even if a process has its writer's number again."""


def write_png(image: Image, path: Path, generation_json: Mapping[str, Any]) -> None:
    """Write the picture with its receipt: wholly there under its name, or not at all.

    Raises:
        StorageError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    ensure(path.parent)
    texts = _texts(generation_json)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.cems-tmp")
    try:
        try:
            with open(temporary, "wb") as file:
                image.save(file, "PNG", pnginfo=texts)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise StorageError(
            f"cannot write the picture {path}: {error.strerror or error}",
            "Free some disk space, or choose another folder with --out.",
        ) from error


def read_receipt(path: Path) -> dict[str, Any]:
    """The `generate` object in a PNG, from the file alone.

    Raises:
        UsageError: not a readable PNG, cut off, damaged, or without a receipt.
    """
    texts = text_chunks(path)
    if KEYWORD not in texts:
        raise UsageError(
            f"{path} has no receipt of cems in it",
            "Another program made it, or the receipt was stripped when it was edited or sent.",
        )
    try:
        receipt = json.loads(texts[KEYWORD])
        Generation.from_json(receipt)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"the receipt in {path} is damaged, or of a newer cems-tui",
            "Upgrade cems-tui, or use the original file.",
        ) from error
    found: dict[str, Any] = receipt
    return found


def parameters_text(receipt: Mapping[str, Any]) -> str:
    """The settings in the form of the `parameters` text that other tools read."""
    lines = [str(receipt["prompt"])]
    if receipt["negative"]:
        lines.append(f"Negative prompt: {receipt['negative']}")
    settings = {
        "Steps": receipt["steps"],
        "Sampler": receipt["sampler"],
        "CFG scale": receipt["guidance"],
        "Seed": receipt["seed"],
        "Size": f"{receipt['width']}x{receipt['height']}",
        "Model": receipt["model"],
    }
    lines.append(", ".join(f"{name}: {value}" for name, value in settings.items()))
    return "\n".join(lines)


def clean_temporary(folder: Path, grace_seconds: float = GRACE_SECONDS) -> list[Path]:
    """Remove half-written pictures whose writer is gone; the ones removed.

    Args:
        folder: where the pictures are.
        grace_seconds: younger files are left alone, whoever wrote them.

    Raises:
        StorageError: the folder cannot be read or a file cannot be removed.
    """
    removed = []
    try:
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            found = TEMPORARY.fullmatch(entry.name)
            if found is None or not _is_leftover(entry, int(found["pid"]), grace_seconds):
                continue
            entry.unlink(missing_ok=True)
            removed.append(entry)
    except OSError as error:
        raise StorageError(
            f"cannot clean the folder {folder}: {error.strerror or error}"
        ) from error
    return removed


def _texts(receipt: Mapping[str, Any]) -> PngInfo:
    """The PNG's texts. The JSON is pure ASCII: control characters survive every reader."""
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("parameters", parameters_text(receipt))
    texts.add_text(KEYWORD, json.dumps(receipt, ensure_ascii=True, allow_nan=False))
    return texts


def _is_leftover(entry: Path, pid: int, grace_seconds: float) -> bool:
    try:
        age = time.time() - entry.stat().st_mtime
    except FileNotFoundError:  # its writer has just renamed it
        return False
    if age < grace_seconds:
        return False
    return age > LONGEST_WRITE_SECONDS or not _alive(pid)


def _alive(pid: int) -> bool:
    import psutil

    return pid != os.getpid() and psutil.pid_exists(pid)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut; Windows has no such call."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
