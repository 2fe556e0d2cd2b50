"""`cems history stats` in words: what is known, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cems_tui.settings import Settings
    from cems_tui.store.statistics import Stats


def stats_lines(stats: Stats, settings: Settings) -> Iterator[str]:
    """The lines that are printed, whole ones first, then a line a function."""
    yield f"{stats.pictures} pictures in {stats.sessions} sessions, {stats.failures} failures"
