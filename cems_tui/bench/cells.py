"""The cells of a score table's row, checked one by one."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any


class BadRow(Exception):
    """Why one row cannot be taken; gathered with others, never shown alone."""


def needed_of(values: Mapping[Any, Any], name: str) -> str:
    text = text_of(values, name)
    if text is None or not text.strip():
        raise BadRow(f"{name} is empty")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadRow(f"{name} is not valid UTF-8")
    return text


def text_of(values: Mapping[Any, Any], name: str) -> str | None:
    """As given; a number that stands for a name loses the `.0` that Parquet may add."""
    value = values.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, float):
        if isnan(value):
            return None
        return str(int(value)) if value.is_integer() else str(value)
    return str(value)


def number_of(values: Mapping[Any, Any], name: str) -> float | None:
    """A finite number; None when the cell is empty or says NaN."""
    value = values.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        if isinstance(value, str) and not value.strip():
            return None
        raise BadRow(f"{name} is not a number: {value!r}") from None
    if number - number == 0.0 and not isinstance(value, bool):
        if isinstance(value, str) and "_" in value:  # 1_000 is Python, not data
            raise BadRow(f"{name} is not a number: {value!r}")
        return number
    if isnan(number):
        return None
    raise BadRow(f"{name} is not a finite number: {value!r}")


def amount_of(values: Mapping[Any, Any], name: str) -> float | None:
    number = number_of(values, name)
    if number is not None and number < 0:
        raise BadRow(f"{name} is negative: {number:g}")
    return number


def truth_of(value: Any) -> bool:
    if value is None or value == "":
        return True
    text = str(value).strip().lower()
    if text in ("true", "1", "yes", "1.0"):
        return True
    if text in ("false", "0", "no", "0.0"):
        return False
    raise BadRow(f"higher_is_better is neither true nor false: {value!r}")
