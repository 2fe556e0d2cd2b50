"""Pictures as small as a terminal can use: for its own protocol, or as half cells of text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from cems_tui.files import picture_file
from screens.picture_widgets import PictureWidgets
from screens.services.defaults import ImageFactory

if TYPE_CHECKING:
    from PIL.Image import Image

THUMBNAIL_PIXELS = 512
"""The longest side handed to the terminal: drawing repeats on each refresh, in the UI's thread."""


def thumbnail(path: Path) -> Image:
    """The picture, no larger than a terminal can use.

    Raises:
        OSError: missing, unreadable or not a picture.
    """
    return _opened(path, (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))


def shown(widget: Widget, image: Image) -> Widget:
    """The widget with that picture in it."""
    widget.add_class("picture-image")
    widget.image = image  # type: ignore[attr-defined]
    return widget


def prepare_widgets(new_image: ImageFactory) -> None:
    """Imports what draws pictures, if that is still to be done; not in the UI's thread."""
    if isinstance(new_image, PictureWidgets):
        new_image.prepare()


def half_cells(path: Path, columns: int, lines: int) -> tuple[Content, ...]:
    """The picture as that many lines of upper half blocks, two pixels a cell.

    Raises:
        OSError: missing, unreadable or not a picture.
    """
    picture = _opened(path, (columns, 2 * lines))
    square = picture.resize((columns, 2 * lines))
    pixels = square.load()
    assert pixels is not None
    made = []
    for line in range(lines):
        cells = [
            ("▀", f"{_colour(pixels[x, 2 * line])} on {_colour(pixels[x, 2 * line + 1])}")
            for x in range(columns)
        ]
        made.append(Content.assemble(*cells))
    return tuple(made)


def _colour(pixel: object) -> str:
    assert isinstance(pixel, tuple)
    return "#{:02x}{:02x}{:02x}".format(*pixel)


def _opened(path: Path, most: tuple[int, int]) -> Image:
    with picture_file(path, ("PNG", "WEBP", "JPEG")) as picture:
        picture.thumbnail(most)
        return picture.convert("RGB")
