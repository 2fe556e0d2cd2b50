"""The digest of one file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cems_tui.errors import WeightsError


def file_digest(path: Path) -> str:
    """`sha256:…` of one file.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
