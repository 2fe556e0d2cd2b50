"""A score table fit to be shared: prompts, functions, figures; no paths, no names of people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PureWindowsPath
from typing import Any

Columns = Mapping[str, list[Any]]


def public_stretches(stretches: Iterable[Columns]) -> Iterator[dict[str, list[Any]]]:
    """The table with raters and prompts' ids numbered; of a group or function that is a path its
    last part.

    Repeats stay repeats, so that a table that is imported elsewhere says the same.
    """
    raters, prompts = _Numbered("rater"), _Numbered("prompt")
    for columns in stretches:
        yield {
            **columns,
            "prompt_id": [prompts.of(one) for one in columns["prompt_id"]],
            "rater": [raters.of(one) for one in columns["rater"]],
            "group": [None if one is None else _last(one) for one in columns["group"]],
            "function": [_bare(one) for one in columns["function"]],
        }


class _Numbered:
    """Names in order of appearance: `rater 1`, `rater 2`."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._places: dict[str, int] = {}

    def of(self, name: str | None) -> str | None:
        """The number of a name; None of none."""
        if name is None:
            return None
        place = self._places.setdefault(name, len(self._places) + 1)
        return f"{self._noun} {place}"


def _bare(function: str) -> str:
    """A function's name without the folders of a path."""
    model, at, steps = function.rpartition("@")
    return f"{_last(model)}{at}{steps}" if model else _last(function)


def _last(text: str) -> str:
    """What stands behind the last slash of a path; other text as it is."""
    return PureWindowsPath(text).name or text
