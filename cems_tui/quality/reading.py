"""What every reading of an instrument has to be."""

from __future__ import annotations

from math import isfinite

from cems_tui.errors import GenerationError


def check_finite(value: float, scorer: str) -> float:
    """The value, if it is a number.

    Raises:
        GenerationError: it is NaN or infinite, which is not a score.
    """
    if not isfinite(value):
        raise GenerationError(f"the scorer {scorer} gave {value}, which is not a score")
    return value
