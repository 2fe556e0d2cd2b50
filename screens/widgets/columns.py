"""Columns of a list: cells under a title, and the signs that say where a model's weights are."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content


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
