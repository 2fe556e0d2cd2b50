"""Which widget draws pictures; imported when there is a picture, not before the first frame."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from screens.terminal import Answers

if TYPE_CHECKING:
    from textual.widget import Widget

WAYS = {
    "kitty": "TGPImage",
    "sixel": "SixelImage",
    "halfcell": "HalfcellImage",
    "unicode": "UnicodeImage",
}
"""How pictures are drawn → textual-image's widget for it."""


class PictureWidgets:
    """Makes widgets that show pictures as the terminal can."""

    def __init__(self, way: str, answers: Answers) -> None:
        """`way` is a key of WAYS, or `auto`: the best that the terminal said it can."""
        best = "sixel" if answers.sixel else "kitty" if answers.kitty else "halfcell"
        self.way = best if way == "auto" else way
        self.chosen = way != "auto"
        self.answers = answers
        self._cell = answers.cell_pixels

    def prepare(self) -> None:
        """Imports the library, which takes 0.2 s; from any thread."""
        self._library()

    def __call__(self) -> Widget:
        """An empty one."""
        made: Widget = getattr(self._library(), WAYS[self.way])()
        return made

    def _library(self) -> Any:
        if (known := sys.modules.get("textual_image.widget")) is not None:
            return known
        with _no_terminal(), _told_cell(self._cell):
            from textual_image import widget
        return widget


@contextmanager
def _no_terminal() -> Iterator[None]:
    """While it lasts, a library that looks for a terminal to ask finds none."""
    stdout = sys.__stdout__
    with open(os.devnull, "w") as nowhere:
        sys.__stdout__ = nowhere  # type: ignore[misc]
        try:
            yield
        finally:
            sys.__stdout__ = stdout  # type: ignore[misc]


@contextmanager
def _told_cell(pixels: tuple[int, int] | None) -> Iterator[None]:
    """While it lasts, the size of a cell stands where the library reads it."""
    names = ("TEXTUAL_CELL_WIDTH", "TEXTUAL_CELL_HEIGHT")
    given = {name: os.environ.get(name) for name in names}
    if pixels is not None:
        os.environ.update(zip(names, map(str, pixels), strict=True))
    try:
        yield
    finally:
        for name, value in given.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
