"""The gallery as it is drawn; `--snapshot-update` accepts a changed one."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cems_tui.services.app.picture_gallery import Gallery
from screens.history.charts import Charts
from screens.history.screen import HistoryScreen
from screens.services.defaults import Desks
from tests.long_history import fill
from tests.screens.fakes_app import picture
from tests.screens.fakes_screens import make_app, until

SIZES = [(80, 24), (160, 48)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    fill(tmp_path, 400)
    for number in range(380, 400):
        picture(tmp_path / "pictures" / f"01J{number:023d}.png")
    with monkeypatch.context() as there:
        there.setenv("TZ", "UTC")
        time.tzset()
        yield tmp_path
    time.tzset()


def still(screen: HistoryScreen) -> bool:
    """Whether all that was asked of the disk is answered, and the picture pointed at is told."""
    asking = any(w.group == "gallery" and not w.is_finished for w in screen.app.workers)
    if asking or screen._looking or screen._undecoded or screen._unsaved or screen._list._reading:
        return False
    row, seen = screen._list.row, screen._picture
    return row is not None and seen is not None and seen.generation.id == row.id


async def gallery(pilot: Pilot[None]) -> HistoryScreen:
    await pilot.press("f6")
    await until(pilot, lambda: isinstance(pilot.app.screen, HistoryScreen))
    screen = pilot.app.screen
    assert isinstance(screen, HistoryScreen)
    await until(pilot, lambda: screen._list.count == 400 and still(screen))
    return screen


async def pictures(pilot: Pilot[None]) -> None:
    screen = await gallery(pilot)
    await pilot.press("j", "space", "j")
    await until(pilot, lambda: screen._list.index == 2 and still(screen))


async def sessions(pilot: Pilot[None]) -> None:
    screen = await gallery(pilot)
    await pilot.press("v")
    await until(pilot, lambda: len(screen._session_lines.savings) >= 5 and still(screen))


async def charts(pilot: Pilot[None]) -> None:
    screen = await gallery(pilot)
    await pilot.press("v", "v")
    await until(pilot, lambda: screen.query_one(Charts).found and still(screen))


def _settled(reach: Callable[[Pilot[None]], Awaitable[object]]) -> Callable[[Pilot[None]], object]:
    async def settle(pilot: Pilot[None]) -> None:
        await reach(pilot)
        await pilot.pause()
        await pilot.pause()

    return settle


LOOKS = [
    *((one, size) for one in (pictures, sessions, charts) for size in SIZES),
    (pictures, (120, 36)),
]


@pytest.mark.parametrize(
    ("reach", "size"),
    LOOKS,
    ids=lambda one: f"{one[0]}x{one[1]}" if isinstance(one, tuple) else one.__name__,
)
def test_it_looks_as_it_did(
    snap_compare: Callable[..., bool],
    reach: Callable[[Pilot[None]], Awaitable[object]],
    size: tuple[int, int],
    home: Path,
) -> None:
    app = make_app(desks=Desks(gallery=lambda: Gallery(home / "cems.db")))
    assert snap_compare(app, run_before=_settled(reach), terminal_size=size)
