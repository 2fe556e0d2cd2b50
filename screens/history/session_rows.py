"""A session as a line of the list: when, what it drew, what routing was worth in it."""

from __future__ import annotations

from textual.content import Content

from cems_tui.domain.savings import Savings
from cems_tui.store.lists.session_list import SessionRow
from cems_tui.text import counted, one_line, visible
from cems_tui.views.figures import DOLLARS, UNKNOWN, Money
from cems_tui.views.savings import percent, savings_lines
from screens import figures
from screens.history.picture_rows import DAY_CELLS, local, moment
from screens.widgets.facts import Fact
from screens.widgets.paged_list import Look

WHEN_CELLS, PRICE_CELLS = DAY_CELLS + 1, 11
WIDE = 90
"""Cells from which on a name has more room."""


class SessionLines:
    """Draws rows; what a session saved is read after the row, and set by the screen."""

    def __init__(self, money: Money = DOLLARS) -> None:
        self._money = money
        self.savings: dict[str, Savings] = {}

    def header(self, width: int) -> Content:
        """The titles of the columns."""
        names = _name_cells(width)
        words = f"  {'begun':<{WHEN_CELLS}}{'session':<{names}} {'drew':>5}"
        words += f"{self._money.unit:>{PRICE_CELLS}}  against always one function"
        return Content.styled(words, "$muted")

    def draw(self, row: SessionRow, look: Look[SessionRow]) -> Content:
        above = None if look.above is None else look.above.started
        when = moment(row.started, above, WHEN_CELLS - 1).ljust(WHEN_CELLS)
        price = self._money.per_thousand(row.each_usd).removesuffix("/k")
        saved = self.savings.get(row.id)
        names = _name_cells(look.width)
        return Content.assemble(
            "› " if look.pointed else "  ",
            (when, "$muted"),
            (one_line(title(row), names).ljust(names), "bold"),
            f" {row.pictures:>5}",
            (price.rjust(PRICE_CELLS), "$cost"),
            f"  {'…' if saved is None else baseline_words(saved)}",
        )


def _name_cells(width: int) -> int:
    return 22 if width > WIDE else 12


def title(row: SessionRow) -> str:
    """Its name; else what it was."""
    return row.name or f"{row.kind} {row.id[-6:].lower()}"


def baseline_words(saved: Savings) -> str:
    """`−55 %, −0.02 ±0.03 mixed: always base@50`."""
    if not saved.routed:
        return "nothing was routed"
    best = next((one for one in saved.against if one.against == "best single"), None)
    if best is None or best.saved_share is None:
        return UNKNOWN
    name = "the best single" if best.function is None else f"always {visible(best.function)}"
    sign = "−" if best.saved_share > 0 else "+" if best.saved_share < 0 else "±"
    words = f"{sign}{percent(abs(best.saved_share))}"
    if len(best.quality) == 1:
        [change] = best.quality
        reach = ""
        if change.interval is not None:
            reach = f" ±{(change.interval[1] - change.interval[0]) / 2:.2f}"
        gained = f"{change.gained:+.2f}".replace("-", "−")
        words += f", {gained}{reach} {visible(change.metric or 'quality')}"
    return f"{words}: {name}"


def facts(row: SessionRow, saved: Savings | None, money: Money = DOLLARS) -> list[Fact]:
    """What is known of a session, for the sheet beside the list."""
    when = local(row.started)
    found = [
        Fact("session", visible(title(row)), "bold"),
        Fact("begun", visible(row.started) if when is None else f"{when:%d %b %Y %H:%M}"),
        Fact("drew", counted(row.pictures, "picture")),
        Fact("price", f"{money.per_thousand(row.each_usd)}, {money.total(row.cost_usd)} in all"),
    ]
    if row.priced < row.pictures:
        found.append(Fact("", f"{row.pictures - row.priced} without a price beside"))
    if saved is not None:
        lines = list(savings_lines(saved, money))
        found += [Fact("routing" if n == 0 else "", text) for n, text in enumerate(lines)]
    return found


def share_bar(share: float, cells: int) -> str:
    """`▇▇▇▇`: a share of a row of cells; what is there is never nothing."""
    return "▇" * max(1, round(share * cells)) if share > 0 else ""


def share_words(share: float) -> str:
    return figures.percent(share)
