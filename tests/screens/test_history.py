"""The gallery: found, told, judged, taken back, drawn again."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cems_tui.services.app.picture_gallery import Gallery
from cems_tui.store.database import open_store
from screens.app import CemsApp
from screens.dialogs import PictureDialog
from screens.history.charts import Charts
from screens.history.dialogs import CompareDialog, FolderDialog, FunctionDialog
from screens.history.screen import HistoryScreen
from screens.history.search_line import completed
from screens.services.defaults import Desks
from screens.studio.prompt import PromptBox
from screens.studio.request_line import RequestLine
from screens.widgets.facts import FactSheet
from tests.long_history import fill
from tests.screens.fakes_app import picture
from tests.screens.fakes_screens import engine_of, make_app, until

COUNT = 60
SIZE = (120, 36)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


@pytest.fixture
def filled(home: Path) -> Path:
    """A history of sixty pictures, the files of the newest ten there."""
    fill(home, COUNT)
    for number in range(COUNT - 10, COUNT):
        picture(home / "pictures" / f"01J{number:023d}.png")
    return home


def gallery_app(home: Path) -> CemsApp:
    return make_app(desks=Desks(gallery=lambda: Gallery(home / "cems.db")))


async def opened(pilot: Pilot[None], words: str = "Pictures · ") -> HistoryScreen:
    """The gallery, read."""
    await pilot.press("f6")
    await until(pilot, lambda: isinstance(pilot.app.screen, HistoryScreen))
    screen = pilot.app.screen
    assert isinstance(screen, HistoryScreen)
    await until(
        pilot, lambda: screen.query("#pictures") and words in str(screen._list.border_title)
    )
    await until(pilot, lambda: not screen._list._reading and not screen._looking)
    return screen


def told(screen: HistoryScreen) -> str:
    """The sheet beside the list."""
    facts = screen.query_one("#details FactSheet", FactSheet).facts
    return "\n".join(f"{fact.name}: {fact.text}" for fact in facts)


def drawn(screen: HistoryScreen) -> list[str]:
    list = screen._list
    return [list.render_line(y).text.rstrip() for y in range(list.size.height)]


async def test_the_pictures_stand_newest_first_with_promise_and_measure(filled: Path) -> None:
    app = gallery_app(filled)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        assert f"{COUNT} newest first" in str(screen._list.border_title)
        await until(pilot, lambda: screen._picture)
        assert screen._picture is not None
        assert screen._picture.generation.id == f"01J{COUNT - 1:023d}"
        assert "promised" in told(screen)
        assert "±90 %" in drawn(screen)[0]
        await pilot.press("G")
        await until(pilot, lambda: screen._list.row and screen._list.row.id == f"01J{0:023d}")


async def test_a_missing_file_is_told_where_it_is_missed(filled: Path) -> None:
    app = gallery_app(filled)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("G")
        await until(pilot, lambda: "is missing" in told(screen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PictureDialog))
        assert "is missing" in app.screen.query_one(FactSheet).facts[0].text


async def test_a_corrupted_receipt_and_a_foreign_picture_are_told(filled: Path) -> None:
    newest = filled / "pictures" / f"01J{COUNT - 1:023d}.png"
    newest.write_bytes(newest.read_bytes()[:60])
    app = gallery_app(filled)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: newest.name in told(screen))
        await pilot.press("j")
        await until(pilot, lambda: "has no receipt" in told(screen))


async def test_a_damaged_row_is_told_and_can_be_passed(filled: Path) -> None:
    db = sqlite3.connect(filled / "cems.db")
    db.execute("UPDATE generations SET decision = '{' WHERE id = ?", [f"01J{COUNT - 1:023d}"])
    db.execute("UPDATE generations SET prompt = x'ff' WHERE id = ?", [f"01J{COUNT - 2:023d}"])
    db.commit()
    db.close()
    app = gallery_app(filled)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: "damaged" in told(screen))
        await pilot.press("j")
        await until(pilot, lambda: any("is damaged" in line for line in drawn(screen)))
        await pilot.press("1", "r", "y", "c", "enter", "f", "w")
        await pilot.press("j")
        await until(pilot, lambda: screen._picture)


async def test_a_search_narrows_and_esc_shows_all_again(filled: Path) -> None:
    app = gallery_app(filled)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("slash", *"harbour")
        await until(pilot, lambda: "1 found" in str(screen._list.border_title))
        await pilot.press("enter")
        assert screen._list.has_focus
        await pilot.press("escape")
        await until(pilot, lambda: f"{COUNT} newest" in str(screen._list.border_title))


async def test_a_search_that_cannot_be_one_says_so_in_place(filled: Path) -> None:
    app = gallery_app(filled)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("slash", *"score:red")
        place = screen.query_one("#found")
        await until(pilot, lambda: "score:red cannot be searched for" in str(place.render()))
        assert place.display
        assert screen._list.count == COUNT
        for _ in range(3):
            await pilot.press("backspace")
        await pilot.press(">", "1")
        await until(pilot, lambda: not place.display)


def test_keys_and_values_of_a_search_are_completed() -> None:
    values = {"function": ("starter-base@20", "starter-turbo@1")}
    assert completed("fu", values) == "nction:"
    assert completed("red car sco", values) == "re:"
    assert completed("s", values) is None
    assert completed("function:starter-t", values) == "urbo@1"
    assert completed("function:", values) is None
    assert completed("cat ", values) is None
    assert completed("function:starter-turbo@1", values) is None


async def test_ratings_and_stars_are_kept(filled: Path) -> None:
    app = gallery_app(filled)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("4")
        await until(pilot, lambda: screen._list.row and screen._list.row.rating == 4)
        starred = screen._list.row is not None and screen._list.row.starred
        await pilot.press("s")
        await until(pilot, lambda: screen._list.row and screen._list.row.starred is not starred)
        name = screen._list.row.id if screen._list.row else ""
        with open_store(filled / "cems.db", read_only=True) as store:
            assert store.marks([name])[name].rating == 4
            assert store.marks([name])[name].starred is not starred
        await pilot.press("0")
        await until(pilot, lambda: screen._list.row and screen._list.row.rating is None)


async def test_what_goes_to_the_trash_comes_back(filled: Path) -> None:
    app = gallery_app(filled)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("space", "j", "space", "d")
        await until(pilot, lambda: screen._list.count == COUNT - 2)
        assert screen._list.row is not None
        assert screen._list.row.id == f"01J{COUNT - 3:023d}"
        await pilot.press("u")
        await until(pilot, lambda: screen._list.count == COUNT)


async def test_a_remix_takes_the_prompt_into_the_studio(filled: Path) -> None:
    app = gallery_app(filled)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen._picture)
        assert screen._picture is not None
        prompt = screen._picture.generation.prompt
        await pilot.press("r")
        await until(pilot, lambda: app.current_mode == "studio")
        await until(pilot, lambda: app.screen.query_one(PromptBox).text == prompt)
        extras = app.screen.query_one(RequestLine).extras
        assert (extras.seed, extras.size) == (COUNT - 1, (64, 64))


async def test_another_function_draws_it_again_with_the_same_seed(filled: Path) -> None:
    app = gallery_app(filled)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen._picture)
        assert screen._picture is not None
        made = screen._picture.generation
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, FunctionDialog))
        await pilot.press("enter")
        await until(pilot, lambda: engine_of(pilot).submitted)
        [asked] = engine_of(pilot).submitted
        assert (asked.prompt, asked.seed, asked.width) == (made.prompt, made.seed, made.width)
        assert asked.policy.kind == "pinned"
        assert asked.policy.value != made.executed


async def test_marked_pictures_are_compared_side_by_side(filled: Path) -> None:
    app = gallery_app(filled)
    async with app.run_test(size=(160, 48)) as pilot:
        await opened(pilot)
        await pilot.press("space", "j", "space", "j", "space", "c")
        await until(pilot, lambda: isinstance(app.screen, CompareDialog))
        await until(pilot, lambda: len(app.screen.query(".compared")) == 3)
        await pilot.press("escape")


async def test_pictures_are_exported_into_a_folder(filled: Path, tmp_path: Path) -> None:
    app = gallery_app(filled)
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        await pilot.press("space", "j", "space", "e")
        await until(pilot, lambda: isinstance(app.screen, FolderDialog))
        app.screen.query_one("#folder").value = str(tmp_path / "out")  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, lambda: len(os.listdir(tmp_path / "out")) == 2)


async def test_the_command_that_draws_it_again_is_copied(filled: Path) -> None:
    app = gallery_app(filled)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen._picture)
        await pilot.press("y")
        await until(pilot, lambda: app.clipboard.startswith("cems generate --function "))
        assert f"--seed {COUNT - 1}" in app.clipboard


async def test_a_home_without_a_history_says_what_to_do(home: Path) -> None:
    app = gallery_app(home)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: "no pictures yet" in drawn(screen)[0])
        await pilot.press("j", "G", "enter", "d", "5", "c", "r", "y", "e", "u", "w", "f", "o")
        assert not (home / "cems.db").exists()
        fill(home, 3)
        screen._list.reload()
        await until(pilot, lambda: screen._list.count == 3)


async def test_a_history_that_another_process_writes_is_read_meanwhile(filled: Path) -> None:
    app = gallery_app(filled)
    other = sqlite3.connect(filled / "cems.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM generations WHERE id = ?", [f"01J{5:023d}"])
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        assert screen._list.count == COUNT
        other.execute("COMMIT")
        other.close()
        screen._list.reload()
        await until(pilot, lambda: screen._list.count == COUNT - 1)


async def test_what_is_no_database_is_told_in_the_list(home: Path) -> None:
    (home / "cems.db").write_bytes(b"not a database" * 100)
    app = gallery_app(home)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(app.screen, HistoryScreen))
        screen = app.screen
        assert isinstance(screen, HistoryScreen)
        await until(pilot, lambda: screen._list.problem)
        assert "is damaged or not a database" in " ".join(drawn(screen)[:4])


async def test_sessions_tell_what_they_were_worth_and_open_their_pictures(filled: Path) -> None:
    app = gallery_app(filled)
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await opened(pilot)
        await pilot.press("v")
        await until(pilot, lambda: screen._sessions.row and screen._session_lines.savings)
        await until(pilot, lambda: not screen._unsaved)
        rows = [screen._sessions.render_line(y).text for y in range(1, 3)]
        assert all("−" in row and "mixed: always starter" in row for row in rows), rows
        assert "always the cheapest" in told(screen)
        await pilot.press("j", "enter")
        await until(pilot, lambda: screen.view == "pictures" and screen._list.count == 40)
        await pilot.press("escape")
        await until(pilot, lambda: screen._list.count == COUNT)


async def test_charts_say_whether_routing_was_worth_it(filled: Path) -> None:
    app = gallery_app(filled)
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await opened(pilot)
        await pilot.click("#views", offset=(27, 0))
        await until(pilot, lambda: screen.query_one(Charts).found)
        text = screen.query_one(Charts).render().plain
        assert "was routing worth it?" in text
        assert "price a picture" in text
        assert "best foreseen" in text
        await pilot.press("d", "r", "1", "escape")
        assert screen.view == "pictures"


async def test_charts_of_nothing_say_so(home: Path) -> None:
    app = gallery_app(home)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("v", "v")
        await until(pilot, lambda: "no pictures yet" in screen.query_one(Charts).render().plain)
