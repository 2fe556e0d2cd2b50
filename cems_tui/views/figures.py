"""Columns of figures as both windows write them: few digits, aligned, unknown is `—`."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10

UNKNOWN = "—"


def column(
    values: Sequence[float | None], estimated: Sequence[bool], least: int = 1, most: int = 4
) -> list[str]:
    """The values with their points under each other, all equally wide.

    As many decimals as the smallest value needs for two digits that count, within `least` and
    `most`. An estimated value carries `~`, an unknown one is `—` where the units would stand.
    """
    sizes = [abs(value) for value in values if value]
    decimals = digits(min(sizes), 2, least, most) if sizes else least
    texts = [
        UNKNOWN + " " * (decimals + 1)
        if value is None
        else f"{'~' if guess else ''}{value:.{decimals}f}"
        for value, guess in zip(values, estimated, strict=True)
    ]
    width = max((len(text) for text in texts), default=0)
    return [text.rjust(width) for text in texts]


def digits(value: float, figures: int, least: int, most: int) -> int:
    """The decimals that show `figures` digits that count of `value`, within bounds."""
    if value <= 0:
        return least
    return max(least, min(most, figures - 1 - floor(log10(value))))


def times(ratio: float) -> str:
    """`2.5×`, `37×`."""
    return f"{ratio:.1f}×" if ratio < 9.95 else f"{ceil(ratio - 0.5)}×"
