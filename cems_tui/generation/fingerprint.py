"""The digest that says whether two folders hold the same weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cems_tui.digest import file_digest
from cems_tui.errors import WeightsError


def weights_digest(folder: Path) -> str:
    """`sha256:…` over the lines `<relative path> sha256:<hex>` of every *.safetensors, sorted.

    Configuration files are left out: they change with library versions, weights do not.

    Raises:
        WeightsError: there is no weight file, or one cannot be read.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.safetensors")}
    if not paths:
        raise WeightsError(f"there are no weights in {folder}")
    lines = "".join(f"{name} {file_digest(paths[name])}\n" for name in sorted(paths))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
