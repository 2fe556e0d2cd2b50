"""What a text encoder said of prompts, kept on disk by the digests of encoder and prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cems_tui.files import write_bytes
from cems_tui.paths import ensure
from cems_tui.routing.features.text_encoder import TextEncoder

Floats = NDArray[np.float32]

MOST_KEPT = 50_000
"""Prompts of one encoder whose embeddings are kept: some 120 MB, the newest first."""

_CHUNK = 1024  # prompts read between two times of writing: a stopped training goes on from there


@dataclass(frozen=True, slots=True)
class EmbeddingCache:
    """A folder of what was read; a damaged or missing file is read again from the encoder."""

    folder: Path | None
    """None keeps nothing."""

    def embeddings(self, encoder: TextEncoder, prompts: Sequence[str]) -> Floats:
        """The pooled states of every prompt, shape (N, L, d); kept in half precision.

        Every prompt is kept by itself: a table that has grown asks only for what is new.
        """
        if self.folder is None:
            return encoder.embeddings(prompts)
        path = self.folder / f"{_named(encoder)}-pooled.safetensors"
        keys = [_key(prompt) for prompt in prompts]
        known = _read_pooled(path, encoder)
        fresh = [row for row, key in enumerate(keys) if key not in known]
        fresh = list({keys[row]: row for row in fresh}.values())
        for low in range(0, len(fresh), _CHUNK):
            rows = fresh[low : low + _CHUNK]
            said = encoder.embeddings([prompts[row] for row in rows]).astype(np.float16)
            known |= {keys[row]: one for row, one in zip(rows, said, strict=True)}
            _write_pooled(path, known, keys)
        shape = (len(prompts), encoder.depth, encoder.width)
        return np.array([known[key] for key in keys], dtype=np.float32).reshape(shape)

    def states(self, tower: TextEncoder, prompts: Sequence[str]) -> list[Floats]:
        """The states of every prompt, shapes (T, d); kept in half precision."""
        path = self._path(tower, prompts)
        kept = _read(path, len(prompts), tower.width) if path else None
        if kept is not None:
            return kept
        states = [state.astype(np.float16) for state in tower.states(prompts)]
        if path:
            _write(path, states)
        return [state.astype(np.float32) for state in states]

    def _path(self, tower: TextEncoder, prompts: Sequence[str]) -> Path | None:
        if self.folder is None:
            return None
        digest = hashlib.sha256(tower.facts.sha256.encode())
        for prompt in prompts:
            digest.update(hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest())
        return self.folder / f"{digest.hexdigest()}.safetensors"


def _named(encoder: TextEncoder) -> str:
    return hashlib.sha256(encoder.facts.sha256.encode()).hexdigest()[:32]


def _key(prompt: str) -> bytes:
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()[:16]


def _read_pooled(path: Path, encoder: TextEncoder) -> dict[bytes, NDArray[np.float16]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        kept = load(path.read_bytes())
        keys, values = kept["keys"], kept["values"]
    except (OSError, SafetensorError, KeyError, ValueError):
        return {}
    shape = (len(keys), encoder.depth, encoder.width)
    if keys.shape != (len(keys), 16) or values.shape != shape or not np.isfinite(values).all():
        return {}
    return {key.tobytes(): value for key, value in zip(keys, values, strict=True)}


def _write_pooled(
    path: Path, known: dict[bytes, NDArray[np.float16]], wanted: Sequence[bytes]
) -> None:
    """All that is wanted now, and of the rest the newest."""
    from safetensors.numpy import save

    own = set(wanted)
    rest = [key for key in known if key not in own]
    spare = max(0, MOST_KEPT - len(known) + len(rest))
    kept = [*rest[len(rest) - min(spare, len(rest)) :], *(key for key in known if key in own)]
    keys = np.frombuffer(b"".join(kept), np.uint8).reshape(-1, 16)
    ensure(path.parent)
    write_bytes(path, save({"keys": keys, "values": np.stack([known[key] for key in kept])}))


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
