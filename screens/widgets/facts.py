"""A sheet of facts: names at the left, words wrapped beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a sheet; without a name it continues the one above."""

    name: str
    text: str
    style: str = ""
    name_style: str = "$muted"


class FactSheet(Widget):
    """Facts one below the other, none cut off; text is never interpreted."""

    facts: reactive[tuple[Fact, ...]] = reactive((), layout=True)

    def __init__(self, facts: Sequence[Fact]) -> None:
        super().__init__(classes="facts")
        self.set_reactive(FactSheet.facts, tuple(facts))

    def tell(self, facts: Sequence[Fact]) -> None:
        """Other facts; also while it is not on the screen yet."""
        if self.is_attached:
            self.facts = tuple(facts)
        else:
            self.set_reactive(FactSheet.facts, tuple(facts))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render(self) -> Content:
        return Content("\n").join(self._lines(self.content_size.width))

    def _lines(self, width: int) -> list[Content]:
        lines = []
        name_cells = max((len(fact.name) for fact in self.facts), default=0) + 2
        for fact in self.facts:
            text = Content.styled(fact.text, fact.style)
            wrapped = text.wrap(max(8, width - name_cells)) or [Content("")]
            names = [fact.name] + [""] * (len(wrapped) - 1)
            lines += [
                Content.styled(name.ljust(name_cells), fact.name_style) + part
                for name, part in zip(names, wrapped, strict=True)
            ]
        return lines
