"""Windows of any size, and many in a moment."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from textual import events
from textual.geometry import Size
from textual.pilot import Pilot

from cems_tui.services.app.picture_gallery import Gallery
from screens.history.charts import Charts
from screens.history.screen import HistoryScreen
from screens.router.screen import RouterScreen
from screens.services.defaults import Desks
from screens.widgets.too_small import TooSmall
from tests.long_history import fill
from tests.screens.fakes_screens import card, make_app, until
from tests.screens.test_routers import FakeDesk


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


async def storm(pilot: Pilot[None], chance: random.Random) -> None:
    """Five hundred sizes, faster than they are drawn."""
    app = pilot.app
    driver = app._driver
    assert driver is not None
    for number in range(500):
        size = Size(chance.randint(1, 200), chance.randint(1, 60))
        driver._size = (size.width, size.height)
        app.post_message(events.Resize(size, size))
        if number % 25 == 0:
            await pilot.pause()


async def test_a_storm_of_resizes_is_survived() -> None:
    app, chance = make_app(), random.Random(7)
    async with app.run_test(size=(80, 24)) as pilot:
        await card(pilot)
        await storm(pilot, chance)
        await pilot.resize_terminal(80, 24)
        assert "-compact" in app.screen.classes
        assert app.focused is not None


@pytest.mark.parametrize("view", ["pictures", "sessions", "charts", "routers"])
async def test_the_gallery_and_the_routers_survive_it_too(tmp_path: Path, view: str) -> None:
    fill(tmp_path, 60)
    desk = FakeDesk()
    app = make_app(
        desks=Desks(
            gallery=lambda: Gallery(tmp_path / "cems.db"),
            routers=lambda: desk,  # type: ignore[arg-type,return-value]
        )
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f7" if view == "routers" else "f6")
        kind = RouterScreen if view == "routers" else HistoryScreen
        await until(pilot, lambda: isinstance(app.screen, kind))
        await until(pilot, lambda: app.screen._list.row)  # type: ignore[attr-defined]
        await pilot.press(*{"sessions": "v", "charts": "vv"}.get(view, ""))
        if view == "charts":
            await until(pilot, lambda: app.screen.query_one(Charts).found)
        await storm(pilot, random.Random(7))
        await pilot.resize_terminal(80, 24)
        assert "-compact" in app.screen.classes
        assert app.focused is not None
        assert app._exception is None
