"""What a terminal would obey of the texts in the app: nothing, whoever wrote them."""

from __future__ import annotations

import re

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

OBEYED = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
"""Escapes and other controls, and what turns or hides text. None of them fills a cell."""


class NothingObeyed(LineFilter):
    """The last place before the terminal: what a widget did not make visible is left out.

    Pictures are drawn by controls of their own, which are no texts.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments, their texts without what would be obeyed."""
        return [
            Segment(OBEYED.sub("", text), style) if not control and OBEYED.search(text) else segment
            for segment in segments
            for text, style, control in (segment,)
        ]
