"""A list of any length: a page of rows is read where one looks, a screenful of them is drawn.

The rows come from a source that answers by keys, so that a million of them cost what fifty do.
What it knows of a row is its key; how it looks is the owner's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from cems_tui.errors import CemsError, StorageError
from cems_tui.text import visible
from screens.failures import log_traceback

PAGE = 64
"""Rows read at once."""

KEPT_PAGES = 24
KEPT_STRIPS = 1000


class KeyedRow(Protocol):
    """A row knows its key: what it is found by again, whatever else changes."""

    @property
    def key(self) -> Hashable: ...


R = TypeVar("R", bound=KeyedRow)
S = TypeVar("S", bound=KeyedRow, covariant=True)


class Rows(Protocol[S]):
    """Where a list gets its rows. A key may be that of a row that is gone: its place is meant.

    Every method may raise a CemsError; its words are then shown in the place of the rows.
    """

    def count(self) -> int:
        """How many there are."""
        ...

    def page(self, after: Any, count: int) -> Sequence[S]:
        """At most `count` rows after a key, in the list's order; None is from the first on."""
        ...

    def page_before(self, before: Any, count: int) -> Sequence[S]:
        """The last `count` rows before a key, in the list's order; None is up to the last."""
        ...

    def page_at(self, index: int, count: int) -> Sequence[S]:
        """Rows from a place on: where someone drags the scroll bar, or jumps far."""
        ...

    def rank(self, key: Any) -> int:
        """How many rows stand before that key."""
        ...


class MemoryRows(Generic[R]):
    """Rows that are all there, as a source; what replaces others knows where theirs were."""

    def __init__(self, rows: Sequence[R], replaces: MemoryRows[R] | None = None) -> None:
        self._rows = tuple(rows)
        self._places = {row.key: place for place, row in enumerate(self._rows)}
        self._gone: dict[Hashable, int] = {}
        if replaces is not None:
            place = 0
            for row in replaces._rows:
                if row.key in self._places:
                    place = self._places[row.key] + 1
                else:
                    self._gone[row.key] = place

    def count(self) -> int:
        return len(self._rows)

    def page(self, after: Any, count: int) -> Sequence[R]:
        start = 0 if after is None else self.rank(after) + (after in self._places)
        return self._rows[start : start + count]

    def page_before(self, before: Any, count: int) -> Sequence[R]:
        end = len(self._rows) if before is None else self.rank(before)
        return self._rows[max(0, end - count) : end]

    def page_at(self, index: int, count: int) -> Sequence[R]:
        return self._rows[index : index + count]

    def rank(self, key: Any) -> int:
        place = self._places.get(key)
        return self._gone.get(key, 0) if place is None else place


@dataclass(frozen=True, slots=True)
class Look(Generic[R]):
    """What the drawing of a row depends on beside the row."""

    width: int
    """Cells."""

    index: int
    above: R | None
    """The row before it, where that is read."""

    pointed: bool
    marked: bool
    focused: bool


@dataclass(frozen=True, slots=True)
class _Found(Generic[R]):
    """What the source answered: rows from a place on; how many there are, where it was asked."""

    start: int
    rows: tuple[R, ...]
    expected: int
    count: int | None = None
    index: int | None = None
    """Where the cursor's row is now, where that was asked."""


class PagedList(ScrollView, Generic[R], can_focus=True):
    """Rows under a cursor that stays on its row while others come and go.

    Args:
        draw: a row as text of `row_height` lines.
        header: the line that stays at the top, for a width; None has none.
        threaded: whether the source reads a disk: it is asked in threads then, one question at a
            time of each kind (rows; counts).
    """

    ALLOW_SELECT = False
    HELP = "Arrows, j and k move; g and G go to the ends; enter opens; space marks."
    DEFAULT_CSS = """
    PagedList { overflow-x: hidden; text-wrap: nowrap; text-overflow: ellipsis; }
    PagedList > .paged-list--pointed { text-style: none; }
    PagedList:focus > .paged-list--pointed { background: $panel; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"paged-list--pointed"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("g,home", "first", "First", show=False),
        Binding("G,end", "last", "Last", show=False),
        Binding("enter", "choose", "Open", show=False),
        Binding("space", "mark", "Mark", show=False),
    ]

    @dataclass
    class Pointed(Message):
        """Another row is under the cursor, or it has changed; None where there is none."""

        list: PagedList[Any]
        row: Any

        @property
        def control(self) -> PagedList[Any]:
            return self.list

    @dataclass
    class Chosen(Message):
        """The user opens a row, by enter or a double click."""

        list: PagedList[Any]
        row: Any

        @property
        def control(self) -> PagedList[Any]:
            return self.list

    @dataclass
    class Marked(Message):
        """Other rows are marked."""

        list: PagedList[Any]

        @property
        def control(self) -> PagedList[Any]:
            return self.list

    @dataclass
    class Read(Message):
        """To the list itself, from its threads."""

        list: PagedList[Any]
        kind: str
        edition: int
        found: _Found[Any] | CemsError

    @dataclass
    class Counted(Message):
        """It is known how many rows there are."""

        list: PagedList[Any]
        count: int

        @property
        def control(self) -> PagedList[Any]:
            return self.list

    def __init__(
        self,
        draw: Callable[[R, Look[R]], Content],
        *,
        header: Callable[[int], Content] | None = None,
        row_height: int = 1,
        empty: str = "nothing here",
        threaded: bool = False,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._draw = draw
        self._header = header
        self._row_height = row_height
        self._empty = empty
        self._threaded = threaded
        self._source: Rows[R] | None = None
        self._count: int | None = None
        self._pages: dict[int, tuple[R, ...]] = {}
        self._strips: dict[object, list[Strip]] = {}
        self._edition = 0
        """Of the source and of what is known of it; answers to an older one are dropped."""

        self._reading: set[str] = set()
        self._again: tuple[bool, Any] | None = None
        """A reload that was asked for while one went on."""

        self._doubted = False
        self._to_end = False
        self._told: R | None = None
        self._key: Hashable | None = None
        self.index = 0
        """Where the cursor is."""

        self.marked: dict[Hashable, R] = {}
        """The marked rows, in the order they were marked in."""

        self.problem: CemsError | None = None
        """Why the rows cannot be read."""

    # --- what there is -----------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many rows there are, as far as is known."""
        if self._count is not None:
            return self._count
        return max((page * PAGE + len(rows) for page, rows in self._pages.items()), default=0)

    @property
    def row(self) -> R | None:
        """The row under the cursor; None until it is read, or where there is none."""
        return self.at(self.index)

    def at(self, index: int) -> R | None:
        """The row of a place, if it is read."""
        page, place = divmod(index, PAGE)
        rows = self._pages.get(page, ())
        return rows[place] if index >= 0 and place < len(rows) else None

    def show(self, source: Rows[R], *, empty: str | None = None, keep: bool = False) -> None:
        """Rows of another source.

        Args:
            empty: what stands there when it has none.
            keep: whether the cursor stays on its row; else it goes to the first.
        """
        self._source = source
        self._edition += 1
        self._reading.clear()
        self._again = None
        self._to_end = self._doubted = False
        if empty is not None:
            self._empty = empty
        if not keep:
            self.index, self._key, self._count, self._pages = 0, None, None, {}
        self.reload()

    def show_rows(self, rows: Sequence[R], *, empty: str | None = None) -> None:
        """Rows that are all there; the cursor stays on its row, or where that was."""
        old = self._source if isinstance(self._source, MemoryRows) else None
        self.show(MemoryRows(rows, old), empty=empty, keep=old is not None)

    def reload(self, key: Hashable | None = None) -> None:
        """Reads again what is shown; the cursor stays on its row, or goes to that key's."""
        if "reload" in self._reading:
            self._again = (True, key)
            return
        source, height = self._source, self._rows_shown
        if source is None:
            return
        wanted = self._key if key is None else key
        if wanted is None:
            opened = self._count is None and self.index == 0
            self._ask("reload", lambda: _opened(source) if opened else _kept(source, self.index))
        else:
            self._ask("reload", lambda: _around(source, wanted, height))

    def redraw(self) -> None:
        """Draws the rows anew: something that they depend on has changed."""
        self._strips.clear()
        self.refresh()

    def set_row_height(self, lines: int) -> None:
        """Lines a row takes from now on."""
        if lines != self._row_height:
            self._row_height = lines
            self._strips.clear()
            self._measure()
            self._follow_cursor()

    def unmark(self) -> None:
        """No row is marked any more."""
        if self.marked:
            self.marked = {}
            self.refresh()
            self.post_message(self.Marked(self))

    # --- what the user does ------------------------------------------------------------------

    def action_move(self, rows: int) -> None:
        self.point(self.index + rows)

    def action_page(self, pages: int) -> None:
        self.point(self.index + pages * max(1, self._rows_shown - 1))

    def action_first(self) -> None:
        self.point(0)

    def action_last(self) -> None:
        """To the last row; while they are being counted, as soon as it is known which."""
        if self._count is None:
            self._to_end = True
        else:
            self.point(self._count - 1)

    def action_choose(self) -> None:
        if self.row is not None:
            self.post_message(self.Chosen(self, self.row))

    def action_mark(self) -> None:
        """Marks the row under the cursor, or unmarks it."""
        row = self.row
        if row is not None:
            if self.marked.pop(row.key, None) is None:
                self.marked[row.key] = row
            self.refresh()
            self.post_message(self.Marked(self))

    def point(self, index: int) -> None:
        """Moves the cursor to a place, not past the ends."""
        self._to_end = self._doubted = False
        self.index = max(0, min(self.count - 1, index))
        self._key = None
        self._follow_cursor()
        self._tell()

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or offset.y < self._header_lines:
            return
        index = (offset.y - self._header_lines + self.scroll_offset.y) // self._row_height
        if index >= self.count:
            return
        again = index == self.index
        self.point(index)
        if event.chain == 2 and again:
            self.action_choose()

    # --- where one looks ---------------------------------------------------------------------

    @property
    def _header_lines(self) -> int:
        return 0 if self._header is None else 1

    @property
    def _rows_shown(self) -> int:
        """How many rows there is room for."""
        lines = self.scrollable_content_region.height - self._header_lines
        return max(1, lines // self._row_height)

    def on_resize(self) -> None:
        self._strips.clear()
        self._measure()
        self._follow_cursor()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._need()

    def watch_has_focus(self, _has_focus: bool) -> None:
        self._strips.clear()
        super().watch_has_focus(_has_focus)

    def notify_style_update(self) -> None:
        """Another theme: what was drawn has the colours of the old one."""
        self._strips.clear()
        super().notify_style_update()

    def _measure(self) -> None:
        width = self.scrollable_content_region.width
        self.virtual_size = Size(width, self._header_lines + self.count * self._row_height)

    def _follow_cursor(self) -> None:
        """Scrolls as little as can be, so that the cursor's row is seen."""
        line, shown = self.index * self._row_height, self._rows_shown * self._row_height
        top = self.scroll_offset.y
        if line < top:
            top = line
        elif line + self._row_height > top + shown:
            top = line + self._row_height - shown
        self._scroll(top)
        self._need()
        self.refresh()

    def _scroll(self, top: int) -> None:
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True, immediate=True)

    # --- reading -----------------------------------------------------------------------------

    def _need(self) -> None:
        """Reads what is seen and not read yet, then what one sees next."""
        if self._source is None or {"rows", "reload"} & self._reading or not self.count:
            return
        first = self.scroll_offset.y // self._row_height
        last = min(self.count - 1, first + self._rows_shown)
        seen = range(first // PAGE, last // PAGE + 1)
        cursor = self.index // PAGE
        ends = (self.count - 1) // PAGE if self._count is not None else seen[-1]
        beyond = [page for page in (seen[-1] + 1, seen[0] - 1) if 0 <= page <= ends]
        for page in (*seen, cursor, *beyond):
            if page not in self._pages:
                self._read_page(page)
                return

    def _read_page(self, page: int) -> None:
        source, start = self._source, page * PAGE
        assert source is not None
        before, after = self._pages.get(page - 1, ()), self._pages.get(page + 1, ())
        expected = PAGE if self._count is None else min(PAGE, self._count - start)
        if page == 0:
            read: Callable[[], Sequence[R]] = lambda: source.page(None, expected)  # noqa: E731
        elif len(before) == PAGE:
            read = lambda: source.page(before[-1].key, expected)  # noqa: E731
        elif after:
            read = lambda: source.page_before(after[0].key, expected)  # noqa: E731
        elif self._count is not None and start + expected == self._count:
            read = lambda: source.page_before(None, expected)  # noqa: E731
        else:
            read = lambda: source.page_at(start, expected)  # noqa: E731
        self._ask("rows", lambda: _Found(start, tuple(read()), expected))

    def _ask(self, kind: str, question: Callable[[], _Found[R]]) -> None:
        """Has the source asked; the answer is followed when it comes."""
        self._reading.add(kind)
        edition = self._edition

        def answer() -> PagedList.Read:
            return self.Read(self, kind, edition, _answered(question))

        if not self._threaded:
            self._follow(answer())
            return
        self.run_worker(
            lambda: self.post_message(answer()), thread=True, group=kind, exit_on_error=False
        )

    def on_paged_list_read(self, message: Read) -> None:
        message.stop()
        self._follow(message)

    def _follow(self, message: Read) -> None:
        if message.edition != self._edition:
            return
        self._reading.discard(message.kind)
        found = message.found
        if isinstance(found, CemsError):
            self.problem = found
            self.refresh()
            self._tell()
            return
        self.problem = None
        if message.kind == "rows":
            self._take(found)
        elif message.kind == "count":
            known, self._doubted = self._count, True
            if known is None:
                self._set_count(found.expected)
            elif known != found.expected:
                self.reload()
        else:
            self._replace(found)
        if self._again is not None and not self._reading:
            (_, key), self._again = self._again, None
            self.reload(key)
        self._need()
        self._tell()

    def _take(self, found: _Found[R]) -> None:
        """A page more; one that is too short tells that rows have gone meanwhile."""
        self._pages[found.start // PAGE] = found.rows
        here = (self.scroll_offset.y // self._row_height) // PAGE
        for page in sorted(self._pages, key=lambda page: -abs(page - here))[:-KEPT_PAGES]:
            del self._pages[page]
        self.refresh()
        if self._doubted or "reload" in self._reading:
            return
        if len(found.rows) < found.expected:
            self._doubted = True
            self.reload()
        elif found.start + len(found.rows) == self._count:
            self._ask_count()  # the last rows are the last ones, wherever their place is now

    def _replace(self, found: _Found[R]) -> None:
        """What is seen was read again."""
        before, top = self.index, self.scroll_offset.y
        self._pages = {
            (found.start + place) // PAGE: found.rows[place : place + PAGE]
            for place in range(0, len(found.rows), PAGE)
        }
        self._strips.clear()
        if found.index is not None:
            self.index = found.index
        if found.count is not None:
            self._set_count(found.count)
            if found.index is not None:
                self._scroll(max(0, top + (self.index - before) * self._row_height))
                self._follow_cursor()
        elif len(found.rows) < PAGE:
            self._set_count(len(found.rows))
            self._scroll(0)
        else:
            self._measure()
            self._scroll(0)
            self._ask_count()
        self.refresh()

    def _ask_count(self) -> None:
        source = self._source
        assert source is not None
        self._ask("count", lambda: _Found(0, (), source.count()))

    def _set_count(self, count: int) -> None:
        self._count = count
        self.index = max(0, min(count - 1, self.index))
        self._measure()
        self.post_message(self.Counted(self, count))
        if self._to_end:
            self.point(count - 1)

    def _tell(self) -> None:
        """Tells who listens when another row is under the cursor."""
        row = self.row
        if row is not None:
            self._key = row.key
        elif self.count and self.problem is None:
            return  # it is being read
        if row != self._told:
            self._told = row
            self.post_message(self.Pointed(self, row))

    # --- drawing -----------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if width < 1:
            return Strip.blank(0)
        if self.problem is not None or not self.count:
            return self._words(width, y)
        if y < self._header_lines:
            assert self._header is not None
            return self._cached(("header", width), lambda: self._header(width), 1)[0]  # type: ignore[misc]
        index, part = divmod(y - self._header_lines + self.scroll_offset.y, self._row_height)
        row = self.at(index)
        if row is None:
            return Strip.blank(width, self.visual_style.rich_style)
        pointed = index == self.index
        look = Look(
            width, index, self.at(index - 1), pointed, row.key in self.marked, self.has_focus
        )
        above = None if look.above is None else look.above.key
        known = (row.key, index, above, width, pointed, look.marked)
        return self._cached(known, lambda: self._draw(row, look), self._row_height, pointed)[part]

    def _cached(
        self, known: object, draws: Callable[[], Content], lines: int, pointed: bool = False
    ) -> list[Strip]:
        found = self._strips.get(known)
        if found is None:
            width = self.scrollable_content_region.width
            style = self.visual_style
            if pointed:
                style += self.get_visual_style("paged-list--pointed")
            found = Visual.to_strips(self, draws(), width, lines, style, pad=True)
            found = [strip.adjust_cell_length(width, style.rich_style) for strip in found]
            blank = Strip.blank(width, style.rich_style)
            found = [*found, *[blank] * (lines - len(found))]
            if len(self._strips) > KEPT_STRIPS:
                self._strips.clear()
            self._strips[known] = found
        return found

    def _words(self, width: int, y: int) -> Strip:
        """What stands in the place of rows: why there are none."""
        if self.problem is not None:
            told = Content.assemble(("✗ ", "bold $error"), (visible(str(self.problem)), "bold"))
            lines = [*told.wrap(width), *Content(visible(self.problem.hint)).wrap(width)]
        elif self._reading:
            lines = [Content.styled("reading …", "$muted")]
        else:
            lines = [
                line
                for text in self._empty.split("\n")
                for line in Content.styled(text, "$muted").wrap(width)
            ]
        style = self.visual_style
        if y >= len(lines):
            return Strip.blank(width, style.rich_style)
        return Visual.to_strips(self, lines[y], width, 1, style, pad=True)[0].adjust_cell_length(
            width, style.rich_style
        )


def _answered(question: Callable[[], _Found[R]]) -> _Found[R] | CemsError:
    """The answer, or why there is none; what nobody foresaw goes to the log in full."""
    try:
        return question()
    except CemsError as error:
        return error
    except Exception as error:
        text = f"the rows cannot be read: {type(error).__name__}: {error}"
        return StorageError(text, log_traceback(error))


def _opened(source: Rows[R]) -> _Found[R]:
    """The first rows; how many there are is asked when they are seen."""
    return _Found(0, tuple(source.page(None, PAGE)), PAGE)


def _kept(source: Rows[R], index: int) -> _Found[R]:
    """What is at a place now."""
    count = source.count()
    index = max(0, min(count - 1, index))
    start = index // PAGE * PAGE
    return _Found(start, tuple(source.page_at(start, PAGE)), 0, count, index)


def _around(source: Rows[R], key: Hashable, height: int) -> _Found[R]:
    """What is around a key now, whole pages that hold a screenful on either side."""
    count, rank = source.count(), source.rank(key)
    start = max(0, rank - height) // PAGE * PAGE
    end = (rank + height) // PAGE * PAGE + PAGE
    before = tuple(source.page_before(key, max(1, rank - start)))
    after = source.page(before[-1].key if before else None, end - rank)
    kept = before[len(before) - (rank - start) :] if rank > start else ()
    return _Found(start, (*kept, *after), 0, count, max(0, min(count - 1, rank)))
