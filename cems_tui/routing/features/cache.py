"""What a text tower said of prompts, kept on disk by the digest of tower and prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cems_tui.files import write_bytes
from cems_tui.paths import ensure
from cems_tui.routing.features.clip_text import TextTower

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EmbeddingCache:
    """A folder of token states; a damaged or missing file is read again from the tower."""

    folder: Path | None
    """None keeps nothing."""

    def states(self, tower: TextTower, prompts: Sequence[str]) -> list[Floats]:
        """The states of every prompt, shapes (T, d); kept in half precision."""
        path = self._path(tower, prompts)
        kept = _read(path, len(prompts), tower.width) if path else None
        if kept is not None:
            return kept
        states = [state.astype(np.float16) for state in tower.states(prompts)]
        if path:
            _write(path, states)
        return [state.astype(np.float32) for state in states]

    def _path(self, tower: TextTower, prompts: Sequence[str]) -> Path | None:
        if self.folder is None:
            return None
        digest = hashlib.sha256(tower.facts.sha256.encode())
        for prompt in prompts:
            digest.update(hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest())
        return self.folder / f"{digest.hexdigest()}.safetensors"


def _read(path: Path, prompts: int, width: int) -> list[Floats] | None:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        kept = load(path.read_bytes())
        states, ends = kept["states"], kept["ends"]
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    if ends.shape != (prompts,) or states.shape != (int(ends[-1]) if prompts else 0, width):
        return None
    return [part.astype(np.float32) for part in np.split(states, ends[:-1])]


def _write(path: Path, states: Sequence[NDArray[np.float16]]) -> None:
    from safetensors.numpy import save

    ends = np.cumsum([len(state) for state in states]).astype(np.int64)
    ensure(path.parent)
    write_bytes(path, save({"states": np.concatenate(states), "ends": ends}))
