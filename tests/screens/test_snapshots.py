"""The layout at the three sizes it is drawn for; `--snapshot-update` accepts a changed one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import TextArea

from cems_tui.app_engine import AppPlanner
from cems_tui.profile import Profile
from screens.app import CemsApp
from screens.services.defaults import Defaults
from screens.theme import THEMES
from tests.screens import fakes_screens as states
from tests.screens.fakes_screens import app_for, make_app

SIZES = [(80, 24), (120, 36), (160, 48)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(TextArea, "_draw_cursor", False)  # whether it is seen blinks by the clock


def _in_state(name: str) -> Callable[[Pilot[None]], object]:
    async def reach(pilot: Pilot[None]) -> None:
        boxes = list(pilot.app.screen.query(TextArea))
        for box in boxes:
            await states.until(pilot, lambda box=box: box.has_focus)
        await states.STATES[name](pilot)  # type: ignore[misc]
        await pilot.pause()

    return reach


def real_app(theme: str) -> CemsApp:
    """The app with the router and the models that come with it, on a machine that drew nothing."""
    planner = AppPlanner(Profile.current())
    return make_app(planner_factory=lambda: planner, defaults=Defaults(theme=theme))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("state", ["idle", "card", "generating", "drawn"])
def test_the_studio_looks_as_it_did(
    snap_compare: Callable[..., bool], state: str, size: tuple[int, int], theme: str
) -> None:
    assert snap_compare(real_app(theme), run_before=_in_state(state), terminal_size=size)


@pytest.mark.parametrize("state", ["lost", "failed", "table", "nothing", "help", "jump"])
def test_the_rest_looks_as_it_did_at_80_columns(
    snap_compare: Callable[..., bool], state: str
) -> None:
    assert snap_compare(app_for(state), run_before=_in_state(state), terminal_size=(80, 24))


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("state", ["why", "strange"])
def test_the_reasons_look_as_they_did(
    snap_compare: Callable[..., bool], state: str, size: tuple[int, int]
) -> None:
    assert snap_compare(app_for(state), run_before=_in_state(state), terminal_size=size)
