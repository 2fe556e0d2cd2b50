"""What the pictures add up to, drawn: cost and quality over time, shares, ways to choose."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.store.frontier import Frontier
from cems_tui.store.statistics import Group, Stats
from cems_tui.text import counted, one_line, visible
from cems_tui.views.curve_plot import drawn_ways
from cems_tui.views.figures import DOLLARS, Money
from cems_tui.views.plot import Line, plotted
from cems_tui.views.worth import worth_words
from screens.history.session_rows import share_bar, share_words

MOST_DAYS = 60
"""Of the newest days, those that are drawn."""

WIDE = 110
NAMED = 8
"""Functions whose share is drawn; the others are counted."""


@dataclass(frozen=True, slots=True)
class Charted:
    """What is drawn, read at once."""

    stats: Stats
    days: tuple[Group, ...]
    """The newest first."""

    ways: Frontier | None


class Charts(Widget, can_focus=True):
    """The charts, as many beside each other as there is room for."""

    HELP = (
        "Whether routing was worth it, in a sentence; the price and the quality of each day, what "
        "was foreseen beside what was measured; how often each function drew; and your own "
        "pictures beside always one function, a choice by lot, and always the best foreseen: "
        "further up is better, further left is cheaper."
    )
    found: reactive[Charted | None] = reactive(None, layout=True)

    def __init__(self, money: Money = DOLLARS) -> None:
        super().__init__(id="charts")
        self._money = money
        self.border_title = "Charts"

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render(self) -> Content:
        return Content("\n").join(self._lines(self.content_size.width))

    def _lines(self, width: int) -> list[Content]:
        found = self.found
        if found is None:
            return [Content.styled("adding up …", "$muted")]
        if not found.stats.pictures:
            return [
                Content.styled("no pictures yet: what they add up to stands here then", "$muted")
            ]
        sentence = f"was routing worth it? {worth_words(found.stats.worth)}"
        lines = [*Content.styled(sentence, "bold").wrap(max(1, width))]
        lines.append(Content(""))
        blocks = [self._cost, self._quality, self._shares, self._ways]
        if width < WIDE:
            for block in blocks:
                lines += [*block(found, width), Content("")]
            return lines
        half = (width - 2) // 2
        for left, right in ((blocks[0], blocks[1]), (blocks[2], blocks[3])):
            lines += _beside(left(found, half), right(found, half), half)
            lines.append(Content(""))
        return lines

    def _cost(self, found: Charted, width: int) -> list[Content]:
        days = found.days[:MOST_DAYS][::-1]
        values = []
        for day in days:
            priced = day.stats.pictures - day.stats.unpriced
            known = day.stats.cost_usd if priced else None
            values.append(self._money.thousand(None if known is None else known / priced))
        return _plot(
            "price a picture", self._money.unit, days, [Line("paid", values)], width, "$cost"
        )

    def _quality(self, found: Charted, width: int) -> list[Content]:
        days = found.days[:MOST_DAYS][::-1]
        scales = [(f.metric, f.scorer) for day in found.days for f in day.stats.foresight]
        if not scales:
            return [Content.styled("no picture was foreseen and measured yet", "$muted")]
        scale = scales[0]
        each = [
            next((f for f in day.stats.foresight if (f.metric, f.scorer) == scale), None)
            for day in days
        ]
        lines = [
            Line("measured", [None if f is None else f.measured for f in each]),
            Line("foreseen", [None if f is None else f.predicted for f in each]),
        ]
        made = _plot(f"mean {scale[0]}", scale[0], days, lines, width, "$quality")
        last = next((f for f in reversed(each) if f is not None and f.interval is not None), None)
        if last is not None and last.interval is not None:
            low, high = last.interval
            words = f"last day: measured {last.difference:+.3f} [{low:+.3f}, {high:+.3f}]"
            words = f"{words} from what was foreseen".replace("-", "−")
            made.append(Content.styled(words, "$muted").truncate(width, ellipsis=True))
        return made

    def _shares(self, found: Charted, width: int) -> list[Content]:
        functions = found.stats.functions
        whole = found.stats.pictures
        cells = max(len(one.function) for one in functions[:NAMED])
        cells = min(cells, 24)
        lines = [Content.styled("how often each function drew", "bold")]
        for one in functions[:NAMED]:
            share = one.pictures / whole
            bar = share_bar(share, max(8, width - cells - 28))
            price = self._money.per_thousand(one.mean_cost_usd)
            name = one_line(one.function, cells).ljust(cells)
            lines.append(
                Content.assemble(
                    name, " ", (bar, "$quality"), f" {share_words(share)} ", (price, "$cost")
                ).truncate(width, ellipsis=True)
            )
        if len(functions) > NAMED:
            rest = sum(one.pictures for one in functions[NAMED:])
            words = (
                f"{counted(len(functions) - NAMED, 'function')} more: {counted(rest, 'picture')}"
            )
            lines.append(Content.styled(words, "$muted"))
        return lines

    def _ways(self, found: Charted, width: int) -> list[Content]:
        ways = found.ways
        if ways is None:
            return [
                Content.styled("nothing was routed yet: no way to choose is compared", "$muted")
            ]
        each = self._money.thousand(1.0) or 1000.0
        points = {
            "you": ways.you,
            "by lot": ways.at_random,
            "best foreseen": ways.best_foreseen,
            "cheapest": ways.cheapest,
            **ways.singles,
        }
        scaled = {visible(name): (cost * each, quality) for name, (cost, quality) in points.items()}
        title = f"foreseen {visible(ways.metric)} over {self._money.unit}, newest {ways.pictures:,}"
        lines = [Content.styled(title, "bold")]
        lines += [Content(line) for line in drawn_ways(scaled, (width, 14))]
        return lines


def _plot(
    title: str, unit: str, days: tuple[Group, ...], lines: list[Line], width: int, style: str
) -> list[Content]:
    made = plotted(title, unit, [day.name for day in days], lines, width, joined=True)
    return [Content.styled(line, style) for line in made]


def _beside(left: list[Content], right: list[Content], half: int) -> list[Content]:
    made = []
    for number in range(max(len(left), len(right))):
        one = left[number] if number < len(left) else Content("")
        other = right[number] if number < len(right) else Content("")
        one = one.truncate(half, ellipsis=True)
        made.append(one.pad_right(half - one.cell_length + 2) + other)
    return made
