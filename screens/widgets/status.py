"""The line at the top: where one is, where one can go, and what should be known there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.text import visible
from cems_tui.views.figures import DOLLARS, Money
from screens.messages import PlaceAsked
from screens.places import PLACES, Place
from screens.totals import SessionTotals
from screens.widgets.job_line import JobLine

if TYPE_CHECKING:
    from screens.services.defaults import Services
    from screens.services.long_run import LongJob

_BRAND = " cems "
WIDE = 110
"""Columns from which on every place has a tab."""


class StatusLine(Widget):
    """`cems  Studio  Models` at the left, the session's totals or the screen's words at the right.

    The places can be clicked.
    """

    totals: reactive[SessionTotals] = reactive(SessionTotals())
    told: reactive[str | None] = reactive(None)
    """What stands at the right in the place of the totals."""

    job: reactive[str] = reactive("")
    """The long job that runs: it stands before all else, where no line of its own tells it."""

    def __init__(self, here: str, money: Money = DOLLARS) -> None:
        """`here` is the id of the place it stands in; `money` is what prices are told in."""
        super().__init__(id="status")
        self._here = here
        self._money = money

    def on_mount(self) -> None:
        services: Services | None = getattr(self.app, "services", None)
        run = None if services is None else services.long_run
        if run is not None:
            run.changed.subscribe(self, self._run_told)
            self._run_told(run.state)

    def _run_told(self, job: LongJob | None) -> None:
        self.job = "" if job is None else visible(job.words())

    def columns(self) -> list[tuple[Place, tuple[int, int]]]:
        """Where each place stands: its first column, and the one after its last."""
        found, column = [], len(_BRAND) + 2
        for place in self._tabs():
            found.append((place, (column, column + len(place.title))))
            column += len(place.title) + 2
        return found

    def _tabs(self) -> list[Place]:
        """The places that there is room for; the one where one is always."""
        wide = self.size.width >= WIDE
        return [
            place
            for place in PLACES
            if place.id == self._here or not (place.hidden or (place.aside and not wide))
        ]

    def render(self) -> Content:
        width = self.content_size.width
        left = Content.styled(_BRAND, "bold reverse $quality")
        for place in self._tabs():
            style = "bold underline" if place.id == self._here else "$muted"
            left += Content("  ") + Content.styled(place.title, style)
        room = width - left.cell_length - 2
        right = self._right(room)
        return left.pad_right(max(2, width - left.cell_length - right.cell_length)) + right

    def _right(self, room: int) -> Content:
        if self.job and not self.screen.query(JobLine):
            parts = self.job.split(" · ")
            while len(" · ".join(parts)) > room and len(parts) > 1:
                parts.pop()
            return Content.styled(" · ".join(parts), "$quality")
        if self.told is not None:
            parts = self.told.split(" · ")
            while len(" · ".join(parts)) > room and len(parts) > 1:
                parts.pop()
            return Content.styled(" · ".join(parts), "$muted")
        parts = self.totals.parts(self._money)
        text = " · ".join(parts)
        versus = f" {self.totals.versus()}"
        if self.totals.saved is not None and len(text) + len(versus) <= room and len(parts) == 3:
            text += versus
        while len(text) > room and len(parts) > 1:
            parts.pop()
            text = " · ".join(parts)
        return Content.styled(text, "$cost" if self.totals.pictures else "$muted")

    def on_click(self, event: events.Click) -> None:
        for place, (start, end) in self.columns():
            if start <= event.x < end:
                self.post_message(PlaceAsked(place.id))
