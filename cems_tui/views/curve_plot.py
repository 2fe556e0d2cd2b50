"""Quality over cost, drawn in letters: a router's curve, functions alone, mixes, an oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from cems_tui.text import visible

Point = tuple[float, float]
"""US dollars of a thousand pictures, or their currency; quality."""

LEAST = (24, 6)
"""Cells a plot needs."""

BELOW = 0.15
"""Of the height of what can be reached, what is shown below it."""

LEGEND = "⠤ router  ● a function always, ▾ far below  ◆ you  ○ oracle  · mixing at random"


def hull(singles: Sequence[Point]) -> list[Point]:
    """What mixing two functions at random reaches: the rising concave hull, cheapest first."""
    made: list[Point] = []
    for point in sorted(singles, key=lambda one: (one[0], -one[1])):
        if made and point[1] <= made[-1][1]:
            continue
        while len(made) > 1 and _slope(made[-2], made[-1]) <= _slope(made[-1], point):
            made.pop()
        made.append(point)
    return made


def drawn_curve(
    curve: Sequence[Point],
    singles: Mapping[str, Point],
    oracle: Point | None,
    place: Point | None,
    size: tuple[int, int],
) -> list[str]:
    """The plot as lines of text, cost on a logarithmic axis.

    Args:
        curve: what the router reaches, in any order; empty has only the functions.
        place: where one stands on it.
        size: columns and lines.
    """
    import plotext

    points = [*curve, *singles.values(), *([oracle] if oracle else [])]
    if size[0] < LEAST[0] or size[1] < LEAST[1] or not any(cost > 0 for cost, _ in points):
        return []
    plotext.clear_figure()
    plotext.limit_size(False, False)  # else the terminal that it started in is the limit
    plotext.theme("clear")
    plotext.plot_size(*size)
    plotext.xscale("log")
    mix = hull([*singles.values()])
    _series(plotext.scatter, _between(mix), "·")
    _series(plotext.plot, sorted(curve), "braille")
    floor = _floor([*curve, *mix])
    plotext.ylim(floor, max(quality for _, quality in points))
    _series(plotext.scatter, [one for one in singles.values() if one[1] >= floor], "●")
    _series(plotext.scatter, [(one[0], floor) for one in singles.values() if one[1] < floor], "▾")
    _series(plotext.scatter, [oracle] if oracle else [], "○")
    _series(plotext.scatter, [place] if place else [], "◆")
    for name, (cost, quality) in singles.items():
        if (cost, quality) in (*mix[:1], *mix[-1:]) and cost > 0:
            dear = mix[0][0] < cost
            label = f"{visible(name)} ●" if dear else f"● {visible(name)}"
            plotext.text(label, cost, quality, alignment="right" if dear else "left")
    text: str = plotext.uncolorize(plotext.build())
    return [line.rstrip() for line in text.splitlines()]


def _floor(points: Sequence[Point]) -> float:
    """Where the plot ends below what can be reached; functions that are worse stand at its edge."""
    qualities = [quality for _, quality in points]
    low, high = min(qualities), max(qualities)
    return low - BELOW * (high - low or 1.0)


def _series(draw: object, points: Sequence[Point], marker: str) -> None:
    known = [(cost, quality) for cost, quality in points if cost > 0]
    if known:
        costs, qualities = zip(*known, strict=True)
        draw(list(costs), list(qualities), marker=marker)  # type: ignore[operator]


def _between(points: Sequence[Point], steps: int = 12) -> list[Point]:
    """The points, and some on the lines between them."""
    made = []
    for (x0, y0), (x1, y1) in pairwise(points):
        made += [(x0 + (x1 - x0) * k / steps, y0 + (y1 - y0) * k / steps) for k in range(steps)]
    return made


def _slope(one: Point, other: Point) -> float:
    return (other[1] - one[1]) / (other[0] - one[0]) if other[0] > one[0] else float("inf")


MARKS = "◆○●◇■□▲△▼▽abcdefghijkl"


def drawn_ways(ways: Mapping[str, Point], size: tuple[int, int]) -> list[str]:
    """Named points, each with a mark of its own, and what the marks mean below.

    Args:
        ways: by name, the most important first; those beyond the marks there are left out.
        size: columns and lines of the plot itself.
    """
    import plotext

    shown = [(name, point) for name, point in ways.items() if point[0] > 0][: len(MARKS)]
    if not shown or size[0] < LEAST[0] or size[1] < LEAST[1]:
        return []
    plotext.clear_figure()
    plotext.limit_size(False, False)  # else the terminal that it started in is the limit
    plotext.theme("clear")
    plotext.plot_size(*size)
    plotext.xscale("log")
    for mark, (_, point) in reversed([*zip(MARKS, shown, strict=False)]):
        _series(plotext.scatter, [point], mark)
    text: str = plotext.uncolorize(plotext.build())
    told, line = [], ""
    for mark, (name, _) in zip(MARKS, shown, strict=False):
        word = f"{mark} {name}"
        if line and len(line) + len(word) + 2 > size[0]:
            told.append(line)
            line = ""
        line = f"{line}  {word}" if line else word
    return [*(row.rstrip() for row in text.splitlines()), *told, line]
