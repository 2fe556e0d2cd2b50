"""The place of the settings: told, checked, written into the file as it is, followed."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from cems_tui.profile import Profile
from cems_tui.services.app.settings_desk import SettingsDesk
from cems_tui.settings import SETTINGS
from screens.app import CemsApp
from screens.dialogs import Question
from screens.services.defaults import Defaults, Desks
from screens.settings.screen import SettingsScreen
from screens.studio.dial import TradeoffDial
from screens.widgets.keys import KeyWords
from tests.screens.fakes_screens import FakeEngine, make_app, studio, submit, until, write
from tests.screens.test_routers import toasts

SIZE = (80, 24)
FILE = "# mine\n[routing]\ntradeoff = 0.4  # calm\n[app]\ntheme = 'dark'\n"


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    (tmp_path / "config.toml").write_text(FILE)
    return tmp_path / "config.toml"


def settings_app(engine: FakeEngine | None = None) -> CemsApp:
    return make_app(engine, desks=Desks(settings=Profile.current().settings_desk))


async def opened(pilot: Pilot[None], name: str) -> SettingsScreen:
    await pilot.press("f9")
    await until(pilot, lambda: isinstance(pilot.app.screen, SettingsScreen))
    screen = pilot.app.screen
    assert isinstance(screen, SettingsScreen)
    await until(pilot, lambda: screen.query("#settings") and screen._list.row)
    point_at(screen, name)
    await pilot.pause()
    return screen


def point_at(screen: SettingsScreen, name: str) -> None:
    rows = [screen._list.at(place) for place in range(screen._list.count)]
    screen._list.point([row.name for row in rows if row].index(name))


async def answer(pilot: Pilot[None], text: str) -> None:
    await until(pilot, lambda: pilot.app.screen.is_modal)
    await pilot.press("ctrl+a", "ctrl+k", *text, "enter")


async def test_every_setting_is_told_with_its_meaning(file: Path) -> None:
    app = settings_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "routing.tradeoff")
        assert screen._list.count == len(SETTINGS)
        facts = {one.name: one.text for one in screen.query_one("#meaning FactSheet").facts}  # type: ignore[attr-defined]
        assert facts["is"] == "0.4, as the file says"
        assert facts["can be"] == '0 to 1, or "balanced"'
        assert facts["default"] == '"balanced"'


async def test_a_value_is_checked_before_the_file_changes_and_its_comments_stay(
    file: Path,
) -> None:
    app = settings_app()
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot, "routing.tradeoff")
        await pilot.press("enter")
        await answer(pilot, "7")
        await pilot.pause()
        assert app.screen.is_modal
        assert file.read_text() == FILE
        await answer(pilot, "0.8")
        await until(pilot, lambda: "tradeoff = 0.8  # calm" in file.read_text())
        assert file.read_text().startswith("# mine\n")
        dial = studio(app).query_one(TradeoffDial)
        await until(pilot, lambda: dial.value == 0.8)
        await until(pilot, lambda: any("holds at once" in told for told in toasts(app)))


async def test_the_theme_changes_while_one_looks_and_undo_brings_it_back(file: Path) -> None:
    app = settings_app()
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot, "app.theme")
        await pilot.press("enter")
        await answer(pilot, "light")
        await until(pilot, lambda: app.theme == "light")
        await pilot.press("u")
        await until(pilot, lambda: app.theme == "dark")
        assert "dark" in file.read_text()


async def test_yes_becomes_no_and_the_engine_starts_afresh_with_it(file: Path) -> None:
    engine = FakeEngine()
    app = settings_app(engine)
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot, "generation.score")
        await pilot.press("enter")
        await until(pilot, lambda: "score = false" in file.read_text())
        await until(pilot, lambda: engine.restarts == 1)
        await pilot.press("d")
        await until(pilot, lambda: "score" not in file.read_text())


async def test_the_mouse_changes_a_setting(file: Path) -> None:
    app = settings_app()
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot, "routing.tradeoff")
        await pilot.click("#settings", offset=(5, 2), times=2)
        await answer_by_mouse(pilot, "0.2")
        await until(pilot, lambda: "tradeoff = 0.2" in file.read_text())


async def answer_by_mouse(pilot: Pilot[None], text: str) -> None:
    """Writes, and clicks `enter takes it`."""
    await until(pilot, lambda: pilot.app.screen.is_modal)
    await pilot.press("ctrl+a", "ctrl+k", *text)
    words = pilot.app.screen.query_one(KeyWords)
    await pilot.click(KeyWords, offset=(words.size.width - len(words.words), 0))


async def test_the_engine_is_left_alone_while_pictures_are_under_way(file: Path) -> None:
    engine = FakeEngine()
    app = settings_app(engine)
    async with app.run_test(size=SIZE) as pilot:
        await write(pilot)
        await submit(pilot)
        await opened(pilot, "generation.score")
        await pilot.press("enter")
        await until(pilot, lambda: any("pictures are under way" in told for told in toasts(app)))
        assert engine.restarts == 0


async def test_what_is_no_setting_comes_first_and_is_taken_out_once_one_agrees(file: Path) -> None:
    app = settings_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "app.theme")
        file.write_text(FILE + "colour = 'red'\n")
        await pilot.press("f3")
        await pilot.press("f9")
        await until(pilot, lambda: screen._list.count == len(SETTINGS) + 1)
        await pilot.press("g", "d")
        await until(pilot, lambda: app.screen.is_modal)
        await pilot.press("enter")
        await until(pilot, lambda: file.read_text() == FILE)


async def test_the_command_that_sets_it_is_copied(file: Path) -> None:
    app = settings_app()
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot, "routing.tradeoff")
        await pilot.press("y")
        assert app.clipboard == "cems config set routing.tradeoff 0.4"


def test_the_rows_are_what_the_command_shows(file: Path) -> None:
    rows = SettingsDesk(file).rows()
    settings = Profile.current().settings
    assert [(row.name, row.value, row.given) for row in rows] == [
        (one.name, one.value(settings), one.source(settings) == "file") for one in SETTINGS
    ]


def test_a_value_that_cannot_be_followed_comes_first_with_its_reason(file: Path) -> None:
    file.write_text("[routing]\ntradeoff = 7\n")
    first = SettingsDesk(file).rows()[0]
    assert (first.name, first.value) == ("routing.tradeoff", "balanced")
    assert "must be 0 to 1" in first.problem


def test_every_setting_says_what_it_can_be() -> None:
    assert all(setting.allowed for setting in SETTINGS)


async def test_what_cannot_be_followed_is_told_when_the_app_opens_and_mended_there(
    file: Path,
) -> None:
    file.write_text("[routing]\ntradeoff = 7\n")
    problems = Profile.forgiving().config_problems
    app = make_app(
        defaults=Defaults(problems=problems), desks=Desks(settings=lambda: SettingsDesk(file))
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app._notifications)
        told = next(iter(app._notifications))
        assert told.title == f"config.toml: {problems[0]}"
        assert "F9" in told.message
        await opened(pilot, "routing.tradeoff")
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("enter")
        await until(pilot, lambda: "tradeoff" not in file.read_text())
    assert Profile.forgiving().config_problems == ()
