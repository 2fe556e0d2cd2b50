"""In a window too small for the app: one line that says so."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

LEAST = (40, 10)
"""Columns and lines that a screen needs."""


class TooSmall(Widget):
    """Shown in the place of everything else; the rest is kept as it is."""

    def render(self) -> Content:
        width, height = self.app.size
        words = f"{width}×{height} is too small: cems needs {LEAST[0]}×{LEAST[1]}"
        return Content(words).truncate(max(1, self.content_size.width), ellipsis=True)
