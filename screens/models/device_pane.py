"""What is on the device: a bar against what weights may hold, and its parts by component."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.domain.pricing import GIGABYTE
from cems_tui.services.library import Library, Resident
from cems_tui.text import byte_count, one_line, visible

BAR_CELLS = (12, 40)
"""The narrowest and the widest bar."""

STYLES = ("$quality", "$cost", "$secondary")
"""Taken in turn by the components."""


class DeviceBar(Widget):
    """`CPU ▐██▉▁▁▁▏ 0.4 of 6.2 GB`, and below what it is made of, as the engine tells."""

    library: reactive[Library | None] = reactive(None)
    resident: reactive[Resident | None] = reactive(None, layout=True)
    """None until an engine has told anything."""

    def __init__(self) -> None:
        super().__init__(id="device")

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render(self) -> Content:
        width, height = self.content_size
        return Content("\n").join(self._lines(width)[:height])

    def _lines(self, width: int) -> list[Content]:
        name = visible(self.library.device) if self.library is not None else "device"
        budget = self.library.budget_bytes if self.library is not None else None
        resident = self.resident
        if resident is None:
            words = "the engine has not told yet what it holds"
            return [self._head(name, words, width)]
        if not resident.models:
            room = "" if budget is None else f"; weights may hold {byte_count(budget)}"
            return [self._head(name, f"nothing is on the device{room}", width)]
        if not resident.parts:
            names = ", ".join(sorted(map(visible, resident.models)))
            return [self._head(name, f"{names}: how much they hold is not told", width)]
        return [self._bar(name, resident, budget, width), self._parts(resident, width)]

    def _head(self, name: str, words: str, width: int) -> Content:
        made = Content.assemble((one_line(name, 24), "bold"), (f"  {words}", "$muted"))
        return made.truncate(width, ellipsis=True)

    def _bar(self, name: str, resident: Resident, budget: int | None, width: int) -> Content:
        held = resident.bytes
        of = held if budget is None else max(held, budget)
        told = (
            byte_count(held) if budget is None else f"{held / GIGABYTE:.2g} of {byte_count(budget)}"
        )
        name = one_line(name, 24)
        least, most = BAR_CELLS
        cells = max(least, min(most, width - len(name) - len(told) - 8))
        bar = Content("")
        filled = 0
        for number, part in enumerate(resident.parts):
            until = round(cells * sum(p.bytes for p in resident.parts[: number + 1]) / of)
            until = min(cells, max(until, filled + (part.bytes > 0)))
            bar += Content.styled("█" * (until - filled), STYLES[number % len(STYLES)])
            filled = until
        bar += Content.styled("▁" * (cells - filled), "$muted")
        return Content.assemble((f"{name}  ", "bold"), "▐") + bar + Content(f"▏ {told}")

    def _parts(self, resident: Resident, width: int) -> Content:
        """Each component with its bytes; those without room are counted."""
        made = Content("")
        for number, part in enumerate(resident.parts):
            text = f"{visible(part.name)} {byte_count(part.bytes)}"
            piece = Content.styled("■ ", STYLES[number % len(STYLES)]) + Content(text)
            more = len(resident.parts) - number
            tail = f"  +{more} more"
            if made.cell_length + piece.cell_length + 2 + (len(tail) if more > 1 else 0) > width:
                return made + Content.styled(tail, "$muted")
            made = made + Content("  " if number else "") + piece
        return made
