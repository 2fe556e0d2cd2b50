"""The texts of training prompts that a router keeps to show the nearest ones, taken out again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import Any

import numpy as np

from cems_tui.errors import WeightsError
from cems_tui.routing.checkpoints.card import DAMAGED

NAME = "prompts"
"""Of the tensor that holds them, as JSON; what a router was made of may stand before it."""


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
            texts = json.loads(tensors[name].tobytes())
        except ValueError as error:
            raise WeightsError(f"the prompts of a router are damaged: {error}", DAMAGED) from error
        left = ["" if forgotten is None or text in forgotten else text for text in texts]
        changed = changed or left != texts
        if any(left):
            tensors[name] = np.frombuffer(json.dumps(left).encode("ascii"), np.uint8)
        else:
            del tensors[name]
    if not changed:
        return None
    written = save(tensors, metadata=_metadata(weights))
    row: dict[str, Any] = json.loads(card)
    row["sha256"] = f"sha256:{hashlib.sha256(written).hexdigest()}"
    return json.dumps(row, ensure_ascii=False, indent=1) + "\n", written


def _metadata(weights: bytes) -> dict[str, str] | None:
    """What stands beside the numbers of a safetensors file."""
    size = int.from_bytes(weights[:8], "little")
    found: dict[str, str] | None = json.loads(weights[8 : 8 + size]).get("__metadata__")
    return found
