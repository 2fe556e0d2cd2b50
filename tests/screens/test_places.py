"""Where one can go: one row a screen feeds everything, and no screen names another."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
from textual.widgets import Label

import screens
from screens import places
from screens.places import HOME, PLACES
from tests.screens.fakes_screens import make_app, screen_text, until

ROOT = Path(screens.__file__).parent
ROOMS = {place.id: f"screens.{place.id}" for place in PLACES}


def imports(file: Path) -> set[str]:
    """Every module that a file imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def rooms_named(file: Path) -> set[str]:
    """The places whose folders a file imports from."""
    return {
        name
        for name, room in ROOMS.items()
        if any(module == room or module.startswith(f"{room}.") for module in imports(file))
    }


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.id)
def test_no_screen_names_another(place: places.Place) -> None:
    files = list((ROOT / place.id).rglob("*.py"))
    assert files
    for file in files:
        assert rooms_named(file) <= {place.id}, file


def test_what_every_screen_uses_names_no_screen_but_through_the_places() -> None:
    shared = [*ROOT.glob("*.py"), *(ROOT / "widgets").glob("*.py")]
    named = {file.name for file in shared if rooms_named(file)}
    assert named == {"places.py"}


def test_every_folder_with_a_screen_is_a_place() -> None:
    assert {file.parent.name for file in ROOT.glob("*/screen.py")} == set(ROOMS)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.id)
def test_the_letter_of_a_place_is_that_of_no_part_of_a_screen(place: places.Place) -> None:
    module = importlib.import_module(f"screens.{place.id}.screen")
    [parts] = [one.JUMPS for one in vars(module).values() if hasattr(one, "JUMPS")]
    assert parts
    assert not {one.letter for one in PLACES} & set(parts)


def test_places_differ_in_everything_that_leads_to_them() -> None:
    for told in ("id", "title", "key", "letter"):
        assert len({getattr(place, told) for place in PLACES}) == len(PLACES)


def test_a_screen_is_imported_when_it_is_first_shown() -> None:
    import subprocess
    import sys

    code = (
        "import sys, screens.main;"
        "print(*(m for m in sys.modules if m.startswith('screens.') and m.endswith('.screen')))"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_the_styles_of_every_place_are_there() -> None:
    assert all(place.styles.is_file() for place in PLACES)


async def test_one_more_row_is_a_tab_a_key_a_letter_and_a_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What another screen takes: a row, and something that opens it."""
    from dataclasses import replace

    from textual.screen import Screen

    from screens import app, palette
    from screens.services.defaults import Services
    from screens.widgets import status
    from screens.widgets.status import StatusLine

    class Elsewhere(Screen[None]):
        def compose(self):  # type: ignore[no-untyped-def]
            yield StatusLine("elsewhere")
            yield Label("nothing to see yet")

    def opened(services: Services) -> Elsewhere:
        return Elsewhere()

    row = replace(
        HOME, id="elsewhere", title="Elsewhere", key="f12", letter="e", commands=(), open=opened
    )
    rows = (*PLACES, row)
    for module in (places, app, status):
        monkeypatch.setattr(module, "PLACES", rows)
    monkeypatch.setattr(places, "APP", (*places.APP, row.command))
    assert palette.places is places
    made = make_app()
    made.bind(row.key, row.command.action)
    async with made.run_test(size=(80, 24)) as pilot:
        assert "Elsewhere" in screen_text(pilot)
        await pilot.press("f12")
        await until(pilot, lambda: "nothing to see yet" in screen_text(pilot))
        await pilot.press("ctrl+o", "s")
        await until(pilot, lambda: made.current_mode == HOME.id)
        await pilot.press("ctrl+o", "e")
        await until(pilot, lambda: made.current_mode == "elsewhere")
        await pilot.press("ctrl+p", *"studio")
        await until(pilot, lambda: "Write a prompt" in screen_text(pilot))
        await pilot.pause(0.2)
        await pilot.press("enter")
        await until(pilot, lambda: made.current_mode == HOME.id)
