"""The models screen as it is drawn at its two sizes; `--snapshot-update` accepts a changed one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cems_tui.services.engine.protocol import EngineReady
from cems_tui.services.library import Part, Resident
from screens.app import CemsApp
from screens.dialogs import Question
from screens.models.model_list import ModelShelf
from screens.services.defaults import Defaults
from tests.screens.fakes_screens import engine_of, make_app, studio, until
from tests.services.fakes_models import FakeKeeper, under_way

SIZES = [(80, 24), (120, 36), (160, 48)]
HELD = Resident(
    frozenset({"amused-512"}),
    (
        Part("amused-512 transformer", 1_600_000_000),
        Part("amused-512 vqvae", 700_000_000),
        Part("amused-512 text_encoder", 250_000_000),
    ),
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)


async def read(pilot: Pilot[None]) -> None:
    """The list with nothing under way."""
    app = pilot.app
    assert isinstance(app, CemsApp)
    await until(pilot, lambda: app.services.library and app.services.library.state.library)
    await pilot.press("f4")
    await until(pilot, lambda: app.screen.query(ModelShelf) and app.focused)


async def pulling(pilot: Pilot[None]) -> None:
    """One runs, one is paused, one waits, and the device holds something."""
    keeper = pilot.app.services.library.keeper  # type: ignore[attr-defined]
    keeper.held = HELD
    keeper.queue.tell(under_way())
    engine_of(pilot).say(EngineReady("", HELD.models))
    await read(pilot)
    await until(pilot, lambda: pilot.app.screen.resident)  # type: ignore[attr-defined]
    await pilot.press("j", "j", "j", "j")


async def asked(pilot: Pilot[None]) -> None:
    """What a pull would fetch."""
    await read(pilot)
    await pilot.press("j", "j", "j", "enter")
    await until(pilot, lambda: pilot.app.screen._offered)  # type: ignore[attr-defined]


async def recommended(pilot: Pilot[None]) -> None:
    await read(pilot)
    await pilot.press("P")


async def removing(pilot: Pilot[None]) -> None:
    await read(pilot)
    await pilot.press("j", "j", "d")
    await until(pilot, lambda: isinstance(pilot.app.screen, Question))


async def holding(pilot: Pilot[None]) -> None:
    """The studio of a machine that could hold more."""
    engine_of(pilot).say(EngineReady("", frozenset()))
    await until(pilot, lambda: studio(pilot.app).under_way.ready)  # type: ignore[arg-type]
    await until(pilot, lambda: studio(pilot.app).holds)  # type: ignore[arg-type]
    studio(pilot.app).query_one("#dial").focus()  # type: ignore[arg-type]


def _settled(reach: Callable[[Pilot[None]], Awaitable[None]]) -> Callable[[Pilot[None]], object]:
    async def settle(pilot: Pilot[None]) -> None:
        await reach(pilot)
        await pilot.pause()

    return settle


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("reach", [read, pulling, asked, recommended], ids=lambda f: f.__name__)
def test_the_models_look_as_they_did(
    snap_compare: Callable[..., bool],
    reach: Callable[[Pilot[None]], Awaitable[None]],
    size: tuple[int, int],
) -> None:
    app = make_app(keeper=FakeKeeper())
    assert snap_compare(app, run_before=_settled(reach), terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_models_look_as_they_did_in_the_light(
    snap_compare: Callable[..., bool], size: tuple[int, int]
) -> None:
    app = make_app(keeper=FakeKeeper(), defaults=Defaults(theme="light"))
    assert snap_compare(app, run_before=_settled(pulling), terminal_size=size)


@pytest.mark.parametrize("reach", [removing, holding], ids=lambda f: f.__name__)
def test_the_rest_looks_as_it_did_at_80_columns(
    snap_compare: Callable[..., bool], reach: Callable[[Pilot[None]], Awaitable[None]]
) -> None:
    app = make_app(keeper=FakeKeeper())
    assert snap_compare(app, run_before=_settled(reach), terminal_size=(80, 24))
