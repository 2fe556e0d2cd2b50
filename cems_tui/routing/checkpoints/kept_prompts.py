"""The texts of training prompts that a router keeps to show the nearest ones, taken out again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.errors import WeightsError
from cems_tui.routing.checkpoints.card import DAMAGED

NAME = "prompts"
"""Of the tensor that holds them, as JSON; what a router was made of may stand before it."""


def written(texts: Sequence[str]) -> NDArray[np.uint8]:
    """The texts as a tensor."""
    return np.frombuffer(json.dumps(list(texts)).encode("ascii"), np.uint8)


def read(tensor: NDArray[Any]) -> tuple[str, ...]:
    """The texts in a tensor.

    Raises:
        ValueError: it holds anything but texts.
    """
    try:
        texts = json.loads(tensor.tobytes())
    except RecursionError:
        raise ValueError("prompts is nested too deep") from None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("prompts holds what is no text")
    return tuple(texts)


def without_prompts(
    card: str, weights: bytes, forgotten: Collection[str] | None = None
) -> tuple[str, bytes] | None:
    """The same router with no texts, or without some; None where it holds none of them.

    What it expects of any prompt stays as it is. A text that is taken out is shown to nobody.

    Args:
        card: its card, as it is written.
        forgotten: the texts that go; None is all.

    Raises:
        WeightsError: the texts cannot be read.
    """
    from safetensors.numpy import load, save

    tensors, changed = dict(load(weights)), False
    for name in [one for one in tensors if one == NAME or one.endswith(f".{NAME}")]:
        try:
            texts = read(tensors[name])
        except ValueError as error:
            raise WeightsError(f"the prompts of a router are damaged: {error}", DAMAGED) from error
        left = tuple("" if forgotten is None or text in forgotten else text for text in texts)
        changed = changed or left != texts
        if any(left):
            tensors[name] = written(left)
        else:
            del tensors[name]
    if not changed:
        return None
    data = save(tensors, metadata=_metadata(weights))
    row: dict[str, Any] = json.loads(card)
    row["sha256"] = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return json.dumps(row, ensure_ascii=False, indent=1) + "\n", data


def _metadata(weights: bytes) -> dict[str, str] | None:
    """What stands beside the numbers of a safetensors file."""
    size = int.from_bytes(weights[:8], "little")
    found: dict[str, str] | None = json.loads(weights[8 : 8 + size]).get("__metadata__")
    return found
