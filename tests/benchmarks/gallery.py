"""The gallery over a million pictures beside one over a thousand: what keys cost the screen.

The gap is the longest the event loop was not free while a key was followed until its rows were
drawn; the wait is until then. Both homes are asked in turns in one run.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from screens.services.defaults import Desks
from tests.benchmarks.history import fill
from tests.benchmarks.row import median_ratio, row

FEW, MANY = 1_000, int(os.environ.get("CEMS_BENCHMARK_PICTURES", "1000000"))
ROUNDS = 7
BAR = 2.0
MOST_MILLISECONDS = 50.0
TICK_SECONDS = 0.002
WORD = "word7"
KEYS = ("end", "home", "pagedown", "word")


def run() -> list[dict[str, Any]]:
    """One row a key: the ratio of the gaps; the waits stand beside."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("CEMS_BENCHMARK_DIR")) as folder:
        homes = Path(folder) / "few", Path(folder) / "many"
        for home, count in zip(homes, (FEW, MANY), strict=True):
            home.mkdir()
            fill(home / "cems.db", count)
        return measured(*homes)


def measured(few: Path, many: Path) -> list[dict[str, Any]]:
    """The rows over two homes that are there."""
    found = asyncio.run(_measured(few, many))
    return [_told(key, found[key]) for key in KEYS]


def _told(key: str, times: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    gaps = {name: [gap for gap, _ in found] for name, found in times.items()}
    waits = {name: [wait for _, wait in found] for name, found in times.items()}
    value, spread = median_ratio(gaps["many"], gaps["few"])
    control, _ = median_ratio(gaps["again"], gaps["few"])
    return row(
        f"gap of {key} in the gallery of {MANY:,} pictures",
        f"of {FEW:,}",
        BAR,
        value,
        ci95=spread,
        control=control,
        gap_ms=round(1000 * statistics.median(gaps["many"]), 1),
        most_gap_ms=round(1000 * max(gaps["many"]), 1),
        wait_ms=round(1000 * statistics.median(waits["many"]), 1),
        wait_ratio=round(median_ratio(waits["many"], waits["few"])[0], 2),
        bar_ms=MOST_MILLISECONDS,
    )


async def _measured(few: Path, many: Path) -> dict[str, dict[str, list[tuple[float, float]]]]:
    found: dict[str, dict[str, list[tuple[float, float]]]] = {
        key: {"few": [], "many": [], "again": []} for key in KEYS
    }
    for number in range(ROUNDS + 1):  # the first round warms what is imported and cached
        for name, home in (("few", few), ("many", many), ("again", few)):
            for key, times in (await _one(home)).items():
                if number:
                    found[key][name].append(times)
    return found


async def _one(home: Path) -> dict[str, tuple[float, float]]:
    """The gap and the wait of each key, in seconds, in an app of its own."""
    from cems_tui.services.app.picture_gallery import Gallery
    from screens.history.screen import HistoryScreen
    from screens.history.search_line import SearchLine
    from tests.screens.fakes_screens import make_app, until

    os.environ["CEMS_HOME"] = str(home)
    app = make_app(desks=Desks(gallery=lambda: Gallery(home / "cems.db")))
    times = {}
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(app.screen, HistoryScreen))
        screen = app.screen
        assert isinstance(screen, HistoryScreen)
        list = screen._list
        await until(pilot, lambda: list._count and not list._reading and not screen._looking)
        for key, act in (
            ("end", list.action_last),
            ("home", list.action_first),
            ("pagedown", lambda: list.action_page(1)),
            ("word", lambda: setattr(screen.query_one(SearchLine), "value", WORD)),
        ):
            before = list._edition

            def settled(key: str = key, before: int = before) -> bool:
                searched = key != "word" or list._edition != before
                drawn = list.row is not None and not {"rows", "reload"} & list._reading
                return searched and drawn

            times[key] = await _followed(act, settled)
            await until(pilot, lambda: not list._reading and not screen._looking)
    return times


async def _followed(act: Any, settled: Any) -> tuple[float, float]:
    """Does it, and looks every tick how long the loop was not free, until it is done."""
    begun = last = time.perf_counter()
    longest = 0.0
    act()
    while True:
        await asyncio.sleep(TICK_SECONDS)
        now = time.perf_counter()
        longest = max(longest, now - last - TICK_SECONDS)
        last = now
        if settled():
            return longest, now - begun
