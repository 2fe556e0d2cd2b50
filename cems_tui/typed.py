"""Whether what a stranger wrote is what our dataclasses declare: types, ranges, lengths.

Annotations promise nothing of what was parsed from a file. A value that fits can be computed
with, compared, stored and shown; one that does not is refused by whoever reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

LARGEST_INT = 2**64 - 1
LARGEST_FIGURE = 1e18
"""Of any figure: differences and ratios of what is smaller stay finite."""

LONGEST_TEXT = 100_000
MOST_ITEMS = 1_000
"""Of one tuple or mapping, where nobody says otherwise."""


def fits(value: Any, kind: Any, most_items: int = MOST_ITEMS) -> bool:
    """Whether a value, and all that it is made of, is of the kind that it is declared as.

    Args:
        kind: an annotation: a dataclass, str, int, float, bool, Path, tuple, Mapping, Literal,
            None, or a union of them.
        most_items: the most that a tuple or a mapping may hold.
    """
    origin, kinds = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(fits(value, one, most_items) for one in kinds)
    if origin is Literal:
        return isinstance(value, str) and value in kinds
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(value)
        return len(kinds) == len(value) <= most_items and all(
            fits(one, kind, most_items) for one, kind in zip(value, kinds, strict=True)
        )
    if origin in (dict, Mapping):
        return (
            isinstance(value, Mapping)
            and len(value) <= most_items
            and all(
                fits(key, kinds[0], most_items) and fits(one, kinds[1], most_items)
                for key, one in value.items()
            )
        )
    if isinstance(kind, type) and is_dataclass(kind):
        return isinstance(value, kind) and all(
            fits(getattr(value, name), hint, most_items) for name, hint in _hints(kind).items()
        )
    return _is_plain(value, kind)


def _is_plain(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if kind is float:
        return type(value) in (int, float) and abs(value) <= LARGEST_FIGURE
    if kind is int:
        return type(value) is int and abs(value) <= LARGEST_INT
    if kind is str:
        return type(value) is str and len(value) <= LONGEST_TEXT and is_utf8(value)
    if kind is Path:
        return _is_plain(str(value), str)
    return type(value) is kind


def is_utf8(text: str) -> bool:
    """Whether a text can be written: no half of a surrogate pair is in it."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)
