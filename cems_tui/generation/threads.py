"""How many CPU threads torch uses while a model draws."""

from __future__ import annotations

import os
from functools import cache

SMALL_MODEL_BYTES = 200_000_000
"""Below this a step is too short to share: two threads took 1.0 s for a picture of a 4 M
parameter model that one thread drew in 0.25 s (two cores, one of them busy)."""


def threads_for(weight_bytes: int, setting: int | None, physical_cores: int) -> int:
    """The threads to use: the setting, else one for a small model and every core for a large."""
    if setting is not None:
        return max(1, setting)
    return 1 if weight_bytes < SMALL_MODEL_BYTES else max(1, physical_cores)


def use_threads(device_type: str, weight_bytes: int, setting: int | None) -> None:
    """Tell torch, unless OMP_NUM_THREADS already did or the work is not on the CPU."""
    if device_type != "cpu" or (setting is None and os.environ.get("OMP_NUM_THREADS")):
        return
    import torch

    threads = threads_for(weight_bytes, setting, _physical_cores())
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@cache
def _physical_cores() -> int:
    import psutil

    return psutil.cpu_count(logical=False) or os.cpu_count() or 1
