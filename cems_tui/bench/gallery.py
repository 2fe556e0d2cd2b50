"""The kept pictures of a benchmark: a folder of files, each named by its cell, within a quota.

A name says which cell it is, so a picture whose row was lost to a kill is written over, not left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from cems_tui.domain.bench import CellKey, KeptPicture
from cems_tui.errors import GenerationError, StorageError
from cems_tui.files import SHARED, picture_file, whole_file
from cems_tui.locks import FileLock
from cems_tui.paths import Paths, ensure

if TYPE_CHECKING:
    from PIL.Image import Image

Kind = Literal["webp", "png"]

_MAKE_ROOM = "Free some disk space (`cems bench rm B --pictures`), or add --no-pictures."


class Gallery:
    """Where a benchmark keeps its pictures, without loss: what is read off them stays the same."""

    def __init__(self, home: Path, folder: Path, kind: Kind, left_bytes: int) -> None:
        """Nothing is written yet.

        Args:
            home: what rows name files from.
            folder: of this benchmark, inside the home.
            left_bytes: of the quota.
        """
        self._home = home
        self._folder = folder
        self.kind = kind
        self._left_bytes = left_bytes
        self.refused = 0
        """Pictures that were not kept, as the quota is used up."""

    def keep(self, key: CellKey, image: Image) -> KeptPicture | None:
        """Write a picture to its place; None where the quota has no room for it.

        Raises:
            StorageError: the disk refuses.
        """

        def write(file: BinaryIO) -> None:
            if self.kind == "webp":
                image.save(file, "WEBP", lossless=True, quality=50, method=2)
            else:
                image.save(file, "PNG")

        return self._kept(key, write)

    def take(self, key: CellKey, data: bytes) -> KeptPicture | None:
        """Write a picture that another process made into its file's bytes; else as `keep`."""
        return self._kept(key, lambda file: file.write(data))

    def _kept(self, key: CellKey, write: Callable[[BinaryIO], object]) -> KeptPicture | None:
        if self._left_bytes <= 0:
            self.refused += 1
            return None
        ensure(self._folder)
        place = self._folder / file_name(key, self.kind)
        # not durable by itself: a picture that a power cut takes is found missing when it is read
        with whole_file(place, mode=SHARED, durable=False, hint=_MAKE_ROOM) as file:
            write(file)
        size = place.stat().st_size
        self._left_bytes -= size
        return KeptPicture(str(place.relative_to(self._home)), size)


def file_name(key: CellKey, kind: Kind) -> str:
    """`<prompt>-<function>-<seed>.webp`, whatever the function is called."""
    plain = re.sub(r"[^A-Za-z0-9@._-]", "_", key.function)[:60]
    if plain != key.function:
        plain += f"-{sha256(key.function.encode()).hexdigest()[:8]}"
    return f"{key.prompt_id}-{plain}-{key.seed}.{kind}"


def folder_name(bench: str) -> str:
    """A folder's name for a benchmark of any name."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", bench)[:40]
    return f"{plain}-{sha256(bench.encode()).hexdigest()[:8]}"


def lock_of(name: str, paths: Paths) -> FileLock:
    """Held by whoever runs a benchmark: one at a time."""
    return FileLock(paths.bench_locks / f"{folder_name(name)}.lock", f"the benchmark {name}")


def opened(path: Path) -> Image:
    """A kept picture in memory.

    Raises:
        GenerationError: it is gone, or is no picture any more.
    """
    try:
        with picture_file(path, ("WEBP", "PNG")) as file:
            return file.convert("RGB")
    except OSError as error:
        raise GenerationError(
            f"the picture {path} cannot be read: {error}",
            "It has to be drawn again: `cems bench run --retry-failed`.",
        ) from error


def delete(files: Iterable[Path]) -> int:
    """Take files away that no row names any more, and their folders if empty; the bytes freed.

    Raises:
        StorageError: one cannot be removed.
    """
    freed = 0
    folders = set()
    for path in files:
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StorageError(f"cannot remove {path}: {error.strerror or error}") from error
        freed += size
        folders.add(path.parent)
    for folder in folders:
        with suppress(OSError):  # it holds what a kill left, or another benchmark's
            folder.rmdir()
    return freed
