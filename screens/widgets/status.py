"""The line at the top: where one is, and what the session cost so far."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from screens.totals import SessionTotals


class StatusLine(Widget):
    """`cems  Studio` at the left, the session's totals at the right."""

    totals: reactive[SessionTotals] = reactive(SessionTotals())

    def __init__(self, place: str) -> None:
        super().__init__(id="status")
        self._place = place

    def render(self) -> Content:
        width = self.content_size.width
        left = Content.assemble((" cems ", "bold reverse $quality"), (f"  {self._place}", "bold"))
        parts = self.totals.parts()
        text = " · ".join(parts)
        versus = f" {self.totals.versus()}"
        room = width - left.cell_length - 2
        if self.totals.saved is not None and len(text) + len(versus) <= room and len(parts) == 3:
            text += versus
        while len(text) > room and len(parts) > 1:
            parts.pop()
            text = " · ".join(parts)
        right = Content.styled(text, "$cost" if self.totals.pictures else "$muted")
        return left.pad_right(max(2, width - left.cell_length - len(text))) + right
