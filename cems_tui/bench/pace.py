"""How much the machine changed its pace in the course of a benchmark.

Functions are interleaved, so what is left of the hours is the same for all of them; it is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

LEAST_PICTURES = 12
"""Pictures before a drift is told: of fewer it would be chance."""


def drift(seconds: Sequence[tuple[str, float]]) -> float | None:
    """How many times longer the last third took than the first, function by function.

    Args:
        seconds: (function, seconds) in the order they were drawn.

    Returns:
        The ratio of the medians of what each picture took beside its function's median; None of
        too few pictures, or where no function is in both thirds.
    """
    if len(seconds) < LEAST_PICTURES:
        return None
    third = len(seconds) // 3
    first, last = seconds[:third], seconds[-third:]
    both = {name for name, _ in first} & {name for name, _ in last}
    middles = {name: median(taken for other, taken in seconds if other == name) for name in both}
    ends = [
        [taken / middles[name] for name, taken in part if name in both and middles[name] > 0]
        for part in (first, last)
    ]
    if not all(ends) or median(ends[0]) <= 0:
        return None
    return median(ends[1]) / median(ends[0])
