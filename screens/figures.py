"""Numbers as the screens write them: few digits, aligned on the point, unknown is `—`."""

from __future__ import annotations

from collections.abc import Sequence

from cems_tui.domain.pricing import GIGABYTE
from cems_tui.text import byte_count
from cems_tui.views.figures import UNKNOWN, digits
from cems_tui.views.figures import seconds as seconds


def gigabytes(count: int | None) -> str:
    """`0.031 GB`, `9.5 GB`; decimal gigabytes."""
    if count is None:
        return UNKNOWN
    size = count / GIGABYTE
    return f"{size:.{digits(size, 2, least=1, most=3)}f} GB"


def speed(bytes_per_second: float) -> str:
    """`31.2 MB/s`."""
    return f"{byte_count(int(bytes_per_second))}/s"


def clock(value: float) -> str:
    """Whole seconds as `0:07`."""
    minutes, rest = divmod(int(value), 60)
    return f"{minutes}:{rest:02d}"


def percent(share: float) -> str:
    if 0 < share < 0.005:
        return "<1 %"
    return f"{100 * share:.0f} %"


def interval_bar(
    quality: float | None,
    interval: tuple[float, float] | None,
    scale: tuple[float, float],
    width: int,
    mark: float | None = None,
) -> str:
    """A quality and its interval on a shared scale, `width` cells: `  ▕──●──▏ `.

    Args:
        mark: where a line stands in every row, as of no difference.
    """
    cells = [" "] * width
    if mark is not None and width >= 3:
        cells[_cell(mark, scale, width)] = "┊"
    if quality is None or width < 3:
        return "".join(cells)
    low, high = interval or (quality, quality)
    left, middle, right = (_cell(value, scale, width) for value in (low, quality, high))
    for index in range(left, right + 1):
        cells[index] = "─"
    if interval is not None:
        cells[left], cells[right] = "▕", "▏"
    cells[middle] = "●"
    return "".join(cells)


def shared_scale(intervals: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """From the lowest to the highest end, never of no length."""
    low = min((low for low, _ in intervals), default=0.0)
    high = max((high for _, high in intervals), default=1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _cell(value: float, scale: tuple[float, float], width: int) -> int:
    low, high = scale
    return max(0, min(width - 1, round((value - low) / (high - low) * (width - 1))))
