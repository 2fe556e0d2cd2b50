"""Shares and means with their 95 % intervals, for the figures of the card."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Z95 = 1.959964
MANY = 400
"""From so many on, a third digit means something."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some were right."""

    right: int
    of: int

    @classmethod
    def over(cls, marks: Iterable[bool | None]) -> Share:
        """Over the marks that are not None."""
        known = [mark for mark in marks if mark is not None]
        return cls(sum(known), len(known))

    @property
    def value(self) -> float | None:
        """0..1, None over nothing."""
        return self.right / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval (Wilson 1927)."""
        if not self.of:
            return None
        share, square = self.right / self.of, Z95 * Z95
        scale = 1 + square / self.of
        middle = (share + square / (2 * self.of)) / scale
        spread = share * (1 - share) / self.of + square / (4 * self.of * self.of)
        half = Z95 * math.sqrt(spread) / scale
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        if self.value is None or self.interval is None:
            return "–"
        low, high = self.interval
        digits = 2 if self.of < MANY else 3
        return f"{self.value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"

    def as_json(self) -> dict[str, object]:
        """Value, interval and counts."""
        return {"share": self.value, "interval": self.interval, "right": self.right, "of": self.of}


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its normal 95 % interval."""

    value: float | None
    half: float = 0.0

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """Over `values`; None over none."""
        count = len(values)
        if not count:
            return cls(None)
        middle = sum(values) / count
        if count == 1:
            return cls(middle)
        variance = sum((value - middle) ** 2 for value in values) / (count - 1)
        return cls(middle, Z95 * math.sqrt(variance / count))

    def __str__(self) -> str:
        return "–" if self.value is None else f"{self.value:.2f} ± {self.half:.2f}"
