"""Windows of any size, and many in a moment."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from textual import events
from textual.geometry import Size

from screens.widgets.too_small import TooSmall
from tests.screens.fakes_screens import card, make_app


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))


SIZES = [(1, 1), (2, 60), (39, 9), (39, 60), (200, 1), (40, 10), (60, 12), (119, 29), (200, 60)]


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_it_starts_in_a_window_of_any_size(size: tuple[int, int]) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await card(pilot)
        small = app.screen.query_one(TooSmall)
        too_small = size[0] < 40 or size[1] < 10
        assert small.display == too_small
        if too_small:
            seen = [widget for widget in app.screen.children if widget.display]
            assert seen == [small]
            assert small.region.height == 1
        assert app._exception is None


async def test_a_storm_of_resizes_is_survived() -> None:
    app, chance = make_app(), random.Random(7)
    async with app.run_test(size=(80, 24)) as pilot:
        await card(pilot)
        driver = app._driver
        assert driver is not None
        for number in range(500):  # faster than they are drawn
            size = Size(chance.randint(1, 200), chance.randint(1, 60))
            driver._size = (size.width, size.height)
            app.post_message(events.Resize(size, size))
            if number % 25 == 0:
                await pilot.pause()
        await pilot.resize_terminal(80, 24)
        assert "-compact" in app.screen.classes
        assert app.focused is not None
