"""Columns of a list: cells under a title, and the signs that say where a model's weights are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from cems_tui.text import one_line, visible

NAME_CELLS = 24
"""Of a function's name, at most."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: equally wide cells under a title."""

    title: str
    cells: tuple[str, ...]
    style: str = ""
    left: bool = False
    """Whether text stands at the left, as words do; figures stand at the right."""

    @property
    def width(self) -> int:
        return max(len(self.title), *(len(cell) for cell in self.cells))

    def at(self, row: int | None) -> Content:
        """The padded cell of a row; None is the title."""
        text = self.title if row is None else self.cells[row]
        padded = text.ljust(self.width) if self.left else text.rjust(self.width)
        return Content.styled(padded, "$muted" if row is None else self.style)


def short_name(function: str, cells: int = NAME_CELLS) -> str:
    """The function's name, cut before its `@steps` if it is too long."""
    name = visible(function)
    if len(name) <= cells:
        return name
    model, at, steps = name.rpartition("@")
    kept = cells - len(at + steps)
    return one_line(model, kept) + at + steps if kept >= 4 else one_line(name, cells)


def family_of(names: Sequence[str]) -> str:
    """What all names begin with, up to a dash: `starter-`; empty where they share nothing."""
    if len(names) < 2:
        return ""
    first, last = min(names), max(names)
    pairs = zip(first, last, strict=False)
    same = next((at for at, (one, other) in enumerate(pairs) if one != other), 0)
    return first[: first.rfind("-", 0, same) + 1]
