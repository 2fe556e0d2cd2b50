"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from cems_tui.errors import StorageError


def write_whole(path: Path, data: bytes) -> None:
    """Writes beside the file first, then takes its place.

    Raises:
        StorageError: the folder or the disk does not allow it.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
