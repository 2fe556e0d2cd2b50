"""A picture as lines of the list: when, by what, promise beside measure, price, marks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from textual.content import Content

from cems_tui.store.lists.picture_list import PictureRow
from cems_tui.text import one_line
from cems_tui.views.figures import DOLLARS, UNKNOWN, Money, digits
from screens.figures import interval_bar, shared_scale
from screens.widgets.paged_list import Look

WIDE = 84
"""Cells from which on a row has the seconds and the day beside the hour."""

LEAST_PROMPT = 12
"""Cells; where there are fewer, a row does without its prompt."""

THUMBNAIL = (8, 4)
"""Columns and lines of a thumbnail in the list."""

DAY_CELLS = 15
"""Of a moment with its day and its hour."""

FUNCTION_CELLS, BAR_CELLS, PRICE_CELLS, SECONDS_CELLS = 16, 11, 8, 6
LEGEND = "! outside the promise  ◆ marked  p pinned  ~ estimated"

Scale = tuple[float, float]


class PictureLines:
    """Draws rows; what it needs beside them is set by the screen."""

    def __init__(self, money: Money = DOLLARS) -> None:
        self._money = money
        self.scales: dict[str | None, Scale] = {}
        """What the bars of a metric reach from and to; beyond, they end at the edge."""

        self.thumbnails: dict[str, tuple[Content, ...]] = {}
        """By picture; empty of one that has none."""

        self.tall = False
        """Whether a row has a thumbnail and several lines."""

    @property
    def row_height(self) -> int:
        return THUMBNAIL[1] if self.tall else 1

    def header(self, width: int) -> Content:
        """The titles of the columns."""
        room = " " * (THUMBNAIL[0] + 1) if self.tall else ""
        when, rest = _room(width - len(room), tall=self.tall)
        words = f"{room}   {'time':<{when}}{'function':<{FUNCTION_CELLS}} "
        if rest:
            words += f"{'prompt':<{rest}} "
        words += f"{'q':>5}  {'±90 %':<{BAR_CELLS}}{self._money.unit:>{PRICE_CELLS}}"
        if _wide(width - len(room), tall=self.tall):
            words += f"{'s':>{SECONDS_CELLS}}"
        return Content.styled(words + "  ★", "$muted")

    def draw(self, row: PictureRow, look: Look[PictureRow]) -> Content:
        """One row: a line, or a thumbnail with lines beside it."""
        if not self.tall:
            return self._line(row, look, look.width)
        columns, lines = THUMBNAIL
        shown = self.thumbnails.get(row.id, ())
        beside = [
            self._line(row, look, look.width - columns - 1),
            Content(f"   {one_line(row.prompt, look.width - columns - 4)}"),
            Content.styled(f"   seed {one_line(row.seed, 22)}", "$muted"),
        ]
        made = []
        for line in range(lines):
            cells = shown[line] if line < len(shown) else Content(" " * columns)
            text = beside[line] if line < len(beside) else Content("")
            made.append(cells + Content(" ") + text)
        return Content("\n").join(made)

    def _line(self, row: PictureRow, look: Look[PictureRow], width: int) -> Content:
        sign = "›" if look.pointed else " "
        mark = Content.styled("◆", "$secondary") if look.marked else Content(" ")
        when_cells, rest = _room(width, tall=self.tall)
        above = None if look.above is None else look.above.created
        when = moment(row.created, above, when_cells - 1).ljust(when_cells)
        if row.damaged:
            words = f"its row in the database is damaged · {row.id}"
            return Content(sign) + mark + Content(f" {when}") + Content.styled(words, "$error")
        pinned = "p " if row.pinned else ""
        function = one_line(f"{pinned}{row.executed}", FUNCTION_CELLS).ljust(FUNCTION_CELLS)
        made = (
            Content(sign) + mark + Content.assemble(" ", (when, "$muted"), (function, "bold"), " ")
        )
        if rest:
            made += Content(one_line(row.prompt, rest).ljust(rest) + " ")
        made += self._quality(row)
        made += Content.styled(self._price(row).rjust(PRICE_CELLS), "$cost")
        if _wide(width, tall=self.tall):
            taken = UNKNOWN if row.seconds is None else f"{row.seconds:.2f}"
            made += Content(taken.rjust(SECONDS_CELLS))
        star = "★" if row.starred else " "
        rated = "·" if row.rating is None else str(row.rating)
        return made + Content.assemble(
            " ", (star, "$cost"), (rated, "" if row.rating else "$muted")
        )

    def _quality(self, row: PictureRow) -> Content:
        shown = UNKNOWN if row.measured is None else f"{row.measured:.2f}"
        out = "!" if row.outside else " "
        scale = self.scales.get(row.metric) or shared_scale(_ends(row))
        bar = interval_bar(row.promised, row.interval, scale, BAR_CELLS - 1)
        return Content.assemble(
            (shown.rjust(5), "$quality"), (out, "bold $warning"), " ", (bar, "$quality"), " "
        )

    def _price(self, row: PictureRow) -> str:
        value = self._money.thousand(row.cost_usd)
        if value is None:
            return UNKNOWN
        sign = "" if row.cost_source == "measured" else "~"
        return f"{sign}{value:.{digits(value, 3, 2, 4)}f}"


def moment(created: str, above: str | None, cells: int) -> str:
    """When, in the user's own time: the hour, and the day where that is another than above."""
    made = local(created)
    if made is None:
        return one_line(created, cells)
    before = None if above is None else local(above)
    if before is not None and before.date() == made.date():
        return f"{made:%H:%M}".rjust(cells)
    if cells < DAY_CELLS:
        return f"{made:%d %b}".rjust(cells)
    return f"{made:%d %b %y %H:%M}".rjust(cells)


def local(created: str) -> datetime | None:
    """The moment where the user is; None where it is none."""
    try:
        return datetime.fromisoformat(created).astimezone()
    except (ValueError, OverflowError):
        return None


def _room(width: int, *, tall: bool) -> tuple[int, int]:
    """Cells of the time and of the prompt; a row that has lines for its prompt has none for it."""
    wide = _wide(width, tall=tall)
    when = DAY_CELLS + 1 if wide else 7
    taken = 3 + when + FUNCTION_CELLS + 1 + 6 + 1 + BAR_CELLS + PRICE_CELLS + 3
    rest = 0 if tall else width - taken - 1 - (SECONDS_CELLS if wide else 0)
    return when, rest if rest >= LEAST_PROMPT else 0


def _wide(width: int, *, tall: bool) -> bool:
    return width > WIDE - (THUMBNAIL[0] + 1) * tall


def quality_scales(rows: Sequence[PictureRow]) -> dict[str | None, Scale]:
    """From the lowest to the highest end of what those rows promise and measured, by metric."""
    ends: dict[str | None, list[tuple[float, float]]] = {}
    for row in rows:
        if found := _ends(row):
            ends.setdefault(row.metric, []).extend(found)
    return {metric: shared_scale(found) for metric, found in ends.items()}


def _ends(row: PictureRow) -> list[tuple[float, float]]:
    measured = [] if row.measured is None else [(row.measured, row.measured)]
    return [*([] if row.interval is None else [row.interval]), *measured]
