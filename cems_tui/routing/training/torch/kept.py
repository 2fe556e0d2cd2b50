"""Unfinished trainings on disk, as safetensors: whole files only, so ctrl-C tears nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.files import write_bytes
from cems_tui.paths import ensure

_NOTES = "notes"


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder of named sets of tensors."""

    folder: Path | None
    """None keeps nothing."""

    def write(
        self, name: str, tensors: Mapping[str, NDArray[Any]], notes: Mapping[str, Any] | None = None
    ) -> None:
        """Keep the tensors, and notes as JSON beside them.

        Raises:
            StorageError: the folder cannot be written.
        """
        from safetensors.numpy import save

        if self.folder is None:
            return
        text = np.frombuffer(json.dumps(dict(notes or {})).encode(), np.uint8)
        whole = {key: np.ascontiguousarray(value) for key, value in tensors.items()}
        ensure(self.folder)
        write_bytes(self.folder / f"{name}.safetensors", save({**whole, _NOTES: text}))

    def read(self, name: str) -> dict[str, NDArray[Any]] | None:
        """The tensors of that name; None where there are none, or they are damaged."""
        found = self.read_with_notes(name)
        return None if found is None else found[0]

    def read_with_notes(self, name: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """The tensors and notes of that name; None where there are none, or they are damaged."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        if self.folder is None:
            return None
        try:
            tensors = dict(load((self.folder / f"{name}.safetensors").read_bytes()))
            return tensors, json.loads(tensors.pop(_NOTES).tobytes())
        except (OSError, SafetensorError, KeyError, ValueError):
            return None

    def forget(self) -> None:
        """Remove what was kept: the training has ended."""
        for path in self.folder.glob("*.safetensors") if self.folder else ():
            path.unlink(missing_ok=True)
        if self.folder and self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()
