"""How sure a difference is between two functions' pictures of one prompt.

The pictures share the prompt's difficulty and its luck, which cancel: the interval of a difference
is learned from differences of held-out errors, and is narrower than the intervals of both scores
would make it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, isinf
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PairedSpread:
    """By two functions, how far the difference of their scores lies from the expected one."""

    functions: tuple[str, ...]
    low: Matrix
    """5 % quantile of the error of a row's function minus a column's, ≤ 0, shape (M, M), in the
    metric's unit; NaN where the two were never scored for the same prompts."""

    high: Matrix
    """95 % quantile, ≥ 0: minus the transpose of `low`."""

    unfamiliar: Matrix
    """Added on both sides out of distribution: the spread of the difference over prompts."""

    least: Matrix
    """The least expected gain of a row's function over a column's that counts as one, ≥ 0; inf
    where none does, NaN where it is unknown."""

    cells: str = ""
    """What the interval holds and of how many prompts it was learned, for people."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PairedSpread):
            return NotImplemented
        return self.functions == other.functions and self.to_json() == other.to_json()

    def widened(self) -> PairedSpread:
        """For a prompt out of distribution: what held-out prompts bore out says nothing of it."""
        low, high = self.low - self.unfamiliar, self.high + self.unfamiliar
        return replace(self, low=low, high=high, least=np.maximum(self.least, -low))

    def scaled(self, factor: float) -> PairedSpread:
        """In another unit."""
        return replace(
            self,
            low=self.low * factor,
            high=self.high * factor,
            unfamiliar=self.unfamiliar * factor,
            least=self.least * factor,
        )

    def interval(self, one: str, other: str, gap: float) -> tuple[float, float] | None:
        """The 90 % interval of one function's quality minus another's; None where unknown.

        Args:
            gap: the expected difference, which lies within.
        """
        place = self._place(one, other)
        if place is None or np.isnan(self.low[place]) or np.isnan(self.high[place]):
            return None
        return gap + float(self.low[place]), gap + float(self.high[place])

    def least_gain(self, one: str, other: str) -> float | None:
        """What one function has to be expected to be better by; None where unknown or never."""
        place = self._place(one, other)
        return (
            None if place is None or not isfinite(self.least[place]) else float(self.least[place])
        )

    def _place(self, one: str, other: str) -> tuple[int, int] | None:
        if one not in self.functions or other not in self.functions:
            return None
        return self.functions.index(one), self.functions.index(other)

    def to_json(self) -> dict[str, Any]:
        """Rows and columns as the functions stand; None is unknown, of `least` also never."""

        def listed(values: Matrix) -> list[list[float | None]]:
            return [[float(one) if isfinite(one) else None for one in row] for row in values]

        return {
            "low": listed(self.low),
            "high": listed(self.high),
            "unfamiliar": listed(self.unfamiliar),
            "least": listed(self.least),
            "cells": self.cells,
        }

    @classmethod
    def from_json(cls, functions: Sequence[str], row: Mapping[str, Any]) -> PairedSpread:
        """What `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is not that.
        """
        low, high, wide, least = (
            _square(row[name], name, len(functions))
            for name in ("low", "high", "unfamiliar", "least")
        )
        if (low > 0).any() or (high < 0).any() or (wide < 0).any() or (least < 0).any():
            raise ValueError("an interval of a difference does not hold what is expected")
        return cls(tuple(functions), low, high, wide, least, str(row["cells"]))


def _square(rows: Any, name: str, count: int) -> Matrix:
    """A table of numbers of the shape (M, M); None becomes NaN.

    Raises:
        TypeError, ValueError: it is not that.
    """
    values = [[np.nan if one is None else one for one in row] for row in rows]
    cells = [one for row in values for one in row]
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in cells):
        raise TypeError(f"{name} of the differences holds what is no number")
    if [len(row) for row in values] != [count] * count or any(map(isinf, cells)):
        raise ValueError(f"{name} of the differences has not the shape ({count}, {count})")
    return np.array(values, dtype=np.float64).reshape(count, count)
