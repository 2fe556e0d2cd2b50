"""A list of any length: the cursor keeps its row, pages are read where one looks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.content import Content
from textual.pilot import Pilot

from cems_tui.errors import StorageError
from screens.widgets.paged_list import PAGE, Look, MemoryRows, PagedList
from tests.screens.fakes_screens import until


@dataclass(frozen=True)
class Number:
    key: int
    word: str = "row"


class Numbers:
    """A source as a database is one: it knows order, keeps nothing, and others write to it."""

    def __init__(self, keys: Sequence[int]) -> None:
        self.keys = sorted(keys)
        self.calls: list[str] = []
        self.threads: set[str] = set()
        self.error: StorageError | None = None

    def _asked(self, call: str) -> None:
        self.calls.append(call)
        self.threads.add(threading.current_thread().name)
        if self.error is not None:
            raise self.error

    def count(self) -> int:
        self._asked("count")
        return len(self.keys)

    def page(self, after: Any, count: int) -> Sequence[Number]:
        self._asked("page")
        found = [key for key in self.keys if after is None or key > after]
        return [Number(key) for key in found[:count]]

    def page_before(self, before: Any, count: int) -> Sequence[Number]:
        self._asked("before")
        found = [key for key in self.keys if before is None or key < before]
        return [Number(key) for key in found[max(0, len(found) - count) :]]

    def page_at(self, index: int, count: int) -> Sequence[Number]:
        self._asked("at")
        return [Number(key) for key in self.keys[index : index + count]]

    def rank(self, key: Any) -> int:
        self._asked("rank")
        return sum(one < key for one in self.keys)


def drawn(row: Number, look: Look[Number]) -> Content:
    sign = "›" if look.pointed else "◆" if look.marked else " "
    return Content(f"{sign} {row.word} {row.key}")


class ListApp(App[None]):
    """The list alone, 20 rows high."""

    def __init__(self, threaded: bool, **options: Any) -> None:
        super().__init__()
        self.told: list[int | None] = []
        self.chosen: list[int] = []
        self.list: PagedList[Number] = PagedList(drawn, threaded=threaded, **options)

    def compose(self) -> ComposeResult:
        yield self.list

    def on_paged_list_pointed(self, message: PagedList.Pointed) -> None:
        self.told.append(None if message.row is None else message.row.key)

    def on_paged_list_chosen(self, message: PagedList.Chosen) -> None:
        self.chosen.append(message.row.key)

    @property
    def lines(self) -> list[str]:
        return [self.list.render_line(y).text.rstrip() for y in range(self.list.size.height)]


SIZE = (30, 20)


async def read(pilot: Pilot[None], app: ListApp) -> None:
    """Until nothing is asked any more, and it is drawn."""
    await until(pilot, lambda: not app.list._reading)
    await pilot.pause()


@pytest.fixture(params=[False, True], ids=["at once", "in threads"])
def threaded(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def test_the_ends_are_a_key_away_and_only_what_is_seen_is_read(threaded: bool) -> None:
    app, source = ListApp(threaded), Numbers(range(100_000))
    async with app.run_test(size=SIZE) as pilot:
        app.list.show(source)
        await read(pilot, app)
        assert app.lines[0] == "› row 0"
        assert app.lines[19] == "  row 19"
        assert app.list.count == 100_000
        await pilot.press("end")
        await read(pilot, app)
        assert app.lines[19] == "› row 99999"
        assert app.lines[0] == "  row 99980"
        await pilot.press("g")
        await read(pilot, app)
        assert app.lines[0] == "› row 0"
        await pilot.press("pagedown", "j", "down", "k")
        await read(pilot, app)
        assert app.list.row == Number(20)
        assert len(source.calls) < 12
        assert ("MainThread" in source.threads) is not threaded


async def test_walking_reads_page_after_page_by_key(threaded: bool) -> None:
    app, source = ListApp(threaded), Numbers(range(0, 2000, 2))
    async with app.run_test(size=SIZE) as pilot:
        app.list.show(source)
        for _ in range(3 * PAGE // 19 + 1):
            await pilot.press("pagedown")
            await read(pilot, app)
        assert app.list.row is not None
        assert app.list.row.key == 2 * app.list.index
        assert "at" not in source.calls
        await pilot.press("G")
        await read(pilot, app)
        for _ in range(3 * PAGE // 19 + 1):
            await pilot.press("pageup")
            await read(pilot, app)
        assert app.list.row is not None
        assert app.list.row.key == 2 * app.list.index
        assert "at" not in source.calls


async def test_the_cursor_stays_on_its_row_when_others_come_and_go(threaded: bool) -> None:
    app, source = ListApp(threaded), Numbers(range(1000, 3000))
    async with app.run_test(size=SIZE) as pilot:
        app.list.show(source)
        await read(pilot, app)
        app.list.point(500)
        await read(pilot, app)
        assert app.list.row == Number(1500)
        place = app.lines.index("› row 1500")
        source.keys = sorted({*source.keys, *range(70)} - {1400, 1499})
        app.list.reload()
        await read(pilot, app)
        assert app.list.row == Number(1500)
        assert app.list.index == 568
        assert app.lines.index("› row 1500") == place
        assert "  row 1498" in app.lines
        assert app.list.count == len(source.keys)


async def test_a_row_that_is_gone_leaves_the_cursor_on_the_next(threaded: bool) -> None:
    app, source = ListApp(threaded), Numbers(range(10))
    async with app.run_test(size=SIZE) as pilot:
        app.list.show(source)
        await read(pilot, app)
        app.list.point(4)
        source.keys.remove(4)
        app.list.reload()
        await read(pilot, app)
        assert app.list.row == Number(5)
        app.list.point(8)
        source.keys.remove(9)
        app.list.reload()
        await read(pilot, app)
        assert app.list.row == Number(8)
        source.keys = []
        app.list.reload()
        await read(pilot, app)
        assert app.list.row is None
        assert app.told[-1] is None
        assert app.lines[0] == "nothing here"


async def test_rows_that_vanish_while_one_walks_are_noticed(threaded: bool) -> None:
    app, source = ListApp(threaded), Numbers(range(1000))
    async with app.run_test(size=SIZE) as pilot:
        app.list.show(source)
        await read(pilot, app)
        source.keys = list(range(900))
        await pilot.press("end")
        await read(pilot, app)
        assert app.list.count == 900
        assert app.list.row == Number(899)
        assert app.lines[19] == "› row 899"


async def test_a_source_without_rows_says_so_and_takes_every_key(threaded: bool) -> None:
    app, source = ListApp(threaded, empty="no pictures yet\nctrl+g draws one"), Numbers([])
    async with app.run_test(size=SIZE) as pilot:
        app.list.show(source)
        await read(pilot, app)
        await pilot.press("end", "home", "pagedown", "j", "enter", "space", "k")
        assert app.lines[:2] == ["no pictures yet", "ctrl+g draws one"]
        assert app.list.row is None
        assert not app.chosen
        source.keys = [5]
        app.list.reload()
        await read(pilot, app)
        assert app.list.row == Number(5)


async def test_a_source_that_cannot_be_read_says_why_until_it_can(threaded: bool) -> None:
    app, source = ListApp(threaded), Numbers(range(50))
    source.error = StorageError("the database is locked", "Wait for the other cems.")
    async with app.run_test(size=SIZE) as pilot:
        app.list.show(source)
        await read(pilot, app)
        assert app.lines[:2] == ["✗ the database is locked", "Wait for the other cems."]
        await pilot.press("end", "j", "enter")
        source.error = None
        app.list.reload()
        await read(pilot, app)
        assert app.lines[0] == "› row 0"


async def test_the_mouse_points_opens_and_scrolls(threaded: bool) -> None:
    app, source = ListApp(threaded), Numbers(range(1000))
    async with app.run_test(size=SIZE) as pilot:
        app.list.show(source)
        await read(pilot, app)
        await pilot.click(app.list, offset=(3, 7))
        assert app.list.row == Number(7)
        await pilot.click(app.list, offset=(3, 9), times=2)
        assert app.chosen == [9]
        app.list.scroll_to(y=500, animate=False, immediate=True)
        await pilot.pause()
        await read(pilot, app)
        assert app.lines[3] == "  row 503"
        assert app.list.row == Number(9)
        await pilot.press("j")
        await read(pilot, app)
        assert "› row 10" in app.lines


async def test_marks_stay_with_their_rows(threaded: bool) -> None:
    app, source = ListApp(threaded), Numbers(range(30))
    async with app.run_test(size=SIZE) as pilot:
        app.list.show(source)
        await read(pilot, app)
        await pilot.press("space", "j", "j", "space", "j")
        source.keys = source.keys[1:]
        app.list.reload()
        await read(pilot, app)
        assert list(app.list.marked) == [0, 2]
        assert "◆ row 2" in app.lines
        await pilot.press("k", "space")
        assert list(app.list.marked) == [0]
        app.list.unmark()
        assert not app.list.marked


async def test_another_source_begins_at_its_first_row(threaded: bool) -> None:
    app, source = ListApp(threaded), Numbers(range(1000))
    async with app.run_test(size=SIZE) as pilot:
        app.list.show(source)
        await read(pilot, app)
        await pilot.press("end")
        app.list.show(Numbers(range(5000, 5003)))
        await read(pilot, app)
        assert app.list.row == Number(5000)
        assert app.list.count == 3
        assert app.lines[3] == ""


async def test_rows_may_be_several_lines_high_below_a_header(threaded: bool) -> None:
    def tall(row: Number, look: Look[Number]) -> Content:
        return Content(f"{row.key}\nsecond")

    app = ListApp(threaded, header=lambda width: Content("title"), row_height=3)
    app.list._draw = tall
    async with app.run_test(size=SIZE) as pilot:
        app.list.show(Numbers(range(500)))
        await read(pilot, app)
        assert app.lines[:5] == ["title", "0", "second", "", "1"]
        await pilot.press("end")
        await read(pilot, app)
        assert app.lines[0] == "title"
        assert app.lines[17:20] == ["499", "second", ""]
        await pilot.click(app.list, offset=(3, 15))
        assert app.list.row == Number(498)
        app.list.set_row_height(1)
        await read(pilot, app)
        assert "498" in app.lines


async def test_rows_in_memory_are_replaced_under_the_cursor() -> None:
    app = ListApp(False)
    async with app.run_test(size=SIZE) as pilot:
        app.list.show_rows([Number(key) for key in (5, 3, 8)])
        await pilot.press("j")
        app.list.show_rows([Number(key) for key in (9, 1, 3, 8)])
        await pilot.pause()
        assert app.list.row == Number(3)
        app.list.show_rows([Number(key) for key in (9, 1, 8)])
        await pilot.pause()
        assert app.list.row == Number(8)
        app.list.show_rows([Number(key, "changed") for key in (9, 8)])
        await pilot.pause()
        assert app.list.row == Number(8, "changed")
        assert app.told[-1] == 8
        app.list.show_rows([])
        await pilot.pause()
        assert app.list.row is None


@given(
    old=st.lists(st.integers(0, 20), unique=True, max_size=12),
    new=st.lists(st.integers(0, 20), unique=True, max_size=12),
    count=st.integers(1, 5),
)
@settings(max_examples=200, deadline=None)
def test_rows_in_memory_answer_for_keys_that_are_gone(
    old: list[int], new: list[int], count: int
) -> None:
    rows = MemoryRows([Number(key) for key in new], MemoryRows([Number(key) for key in old]))
    for key in old:
        rank = rows.rank(key)
        before = [row.key for row in rows.page_before(key, count)]
        after = [row.key for row in rows.page(key, count)]
        assert before == new[max(0, rank - count) : rank]
        assert after == new[rank + (key in new) :][:count]
        if key not in new:
            survivors = [one for one in old[: old.index(key)] if one in new]
            assert rank == (new.index(survivors[-1]) + 1 if survivors else 0)


async def test_ten_thousand_keys_at_once_end_where_they_lead(threaded: bool) -> None:
    app, source = ListApp(threaded), Numbers(range(100_000))
    async with app.run_test(size=SIZE) as pilot:
        app.list.show(source)
        await read(pilot, app)
        for _ in range(10_000):
            app.list.action_move(1)
        await read(pilot, app)
        assert app.list.row == Number(10_000)
        assert app.lines[19] == "› row 10000"
