"""In a window too small for the app: one line that says so."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

LEAST = (40, 10)
"""Columns and lines that a screen needs."""


class TooSmall(Widget):
    """Shown in the place of everything else; the rest is kept as it is, the focus too."""

    def __init__(self) -> None:
        super().__init__()
        self._held: Widget | None = None
        """What had the focus last: Textual takes it from what is hidden."""

        self._owed = False
        """Whether the focus is still to be given back."""

    def render(self) -> Content:
        width, height = self.app.size
        words = f"{width}×{height} is too small: cems needs {LEAST[0]}×{LEAST[1]}"
        return Content(words).truncate(max(1, self.content_size.width), ellipsis=True)

    def on_mount(self) -> None:
        self.watch(self.screen, "focused", self._focus_moved)

    def on_show(self) -> None:
        self._owed = True

    def on_hide(self) -> None:
        self._give_back()

    def _focus_moved(self, focused: Widget | None) -> None:
        if focused is None:
            self._give_back()
            return
        self._held = focused
        if not self.display:
            self._owed = False

    def _give_back(self) -> None:
        """Where there is room again, what had the focus has it again."""
        held = self._held
        if not self._owed or self.display or held is None or self.screen.focused is not None:
            return
        if held.is_attached:
            self.screen.set_focus(held)
