"""The row every benchmark prints, and how a ratio's spread is told."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from typing import Any

RESAMPLES = 2000


def row(
    name: str,
    peer: str,
    bar: float | None,
    value: float | None,
    *,
    ci95: tuple[float, float] | None = None,
    control: float | None = None,
    at_least: bool = False,
    **beside: Any,
) -> dict[str, Any]:
    """One result: `holds` when the value is within its bar, `short` when not.

    Args:
        bar: the most the value may be (the least, with `at_least`); None where there is none.
        control: the same ratio of the peer against itself in the same run.
    """
    within = bar is None or (value is not None and (value >= bar if at_least else value <= bar))
    return {
        "name": name,
        "peer": peer,
        "bar": bar,
        "value": value,
        "ci95": None if ci95 is None else list(ci95),
        "control": control,
        "status": "unmeasured" if value is None else "holds" if within else "short",
        **beside,
    }


def median_ratio(
    ours: Sequence[float], peers: Sequence[float]
) -> tuple[float, tuple[float, float]]:
    """The median of paired ratios and its 95 % bootstrap interval."""
    ratios = [mine / other for mine, other in zip(ours, peers, strict=True)]
    chance = random.Random(0)
    medians = sorted(
        statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES)
    )
    low, high = medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1]
    return statistics.median(ratios), (low, high)
