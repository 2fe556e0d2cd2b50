"""Lines over named groups, drawn in letters for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cems_tui.text import one_line, visible
from cems_tui.views.figures import UNKNOWN

ROWS = 14
LEAST_LINE = (24, 4)
"""Cells that a single line needs."""

NAMED = 6
"""Groups whose names stand below a plot, at most: the first, the last, some between."""


@dataclass(frozen=True, slots=True)
class Line:
    """A value for each group; None is not known and not drawn."""

    name: str
    values: Sequence[float | None]


def plotted(
    title: str,
    unit: str,
    groups: Sequence[str],
    lines: Sequence[Line],
    width: int,
    *,
    joined: bool,
) -> list[str]:
    """The plot as lines of text, `width` cells wide.

    Args:
        title: what is drawn.
        unit: of the values.
        groups: what the values are of, from left to right.
        joined: whether lines join the points: of groups that follow each other in time.
    """
    import plotext

    drawn = [line for line in lines if any(value is not None for value in line.values)]
    if not drawn:
        return [f"{visible(title)}: {UNKNOWN}"]
    plotext.clear_figure()
    plotext.limit_size(False, False)  # else the terminal that it started in is the limit
    plotext.theme("clear")
    plotext.plot_size(width, ROWS)
    plotext.title(visible(f"{title} ({unit})"))
    for line in drawn:
        known = [(place, value) for place, value in enumerate(line.values) if value is not None]
        places, values = [place for place, _ in known], [value for _, value in known]
        if joined:
            plotext.plot(places, values, marker="braille")
        plotext.scatter(places, values, label=line.name, marker="•" if line is drawn[0] else "x")
    step = max(1, -(-len(groups) // NAMED))
    named = range(0, len(groups), step)
    room = max(10, width // len(named) - 2)
    plotext.xticks(list(named), [one_line(groups[place], room) for place in named])
    text: str = plotext.uncolorize(plotext.build())
    return text.splitlines()


def drawn_line(values: Sequence[float], size: tuple[int, int]) -> list[str]:
    """Values one after the other as a line with its axis; empty where there is too little room.

    Args:
        size: columns and lines.
    """
    import plotext

    if size[0] < LEAST_LINE[0] or size[1] < LEAST_LINE[1] or not values:
        return []
    plotext.clear_figure()
    plotext.limit_size(False, False)  # else the terminal that it started in is the limit
    plotext.theme("clear")
    plotext.plot_size(*size)
    places = list(range(1, len(values) + 1))
    plotext.plot(places, list(values), marker="braille")
    step = max(1, -(-len(values) // NAMED))
    plotext.xticks(places[::step], [str(place) for place in places[::step]])
    text: str = plotext.uncolorize(plotext.build())
    return [line.rstrip() for line in text.splitlines()]
