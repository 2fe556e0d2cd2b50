"""The gallery: pictures of the past, found, compared, judged, drawn again."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static

from cems_tui.domain.decision import Policy
from cems_tui.domain.request import Event, Generated, Request, new_id
from cems_tui.domain.savings import Savings
from cems_tui.errors import CemsError, StorageError, UsageError
from cems_tui.services.app.picture_gallery import Gallery, Listed, Picture
from cems_tui.store.frontier import Frontier
from cems_tui.store.lists.picture_list import PictureRow
from cems_tui.store.lists.session_list import SessionRow
from cems_tui.store.statistics import Group, Stats
from cems_tui.text import counted, one_line, visible
from screens.commands import GENERATE, bindings, key_of
from screens.dialogs import PictureDialog, TextDialog
from screens.failures import log_traceback
from screens.history import detail
from screens.history.charts import Charted, Charts
from screens.history.commands import GALLERY, UNDO
from screens.history.dialogs import CompareDialog, FolderDialog, FunctionDialog
from screens.history.picture_rows import LEGEND, THUMBNAIL, PictureLines, quality_scales
from screens.history.search_line import SearchLine
from screens.history.session_rows import SessionLines
from screens.history.session_rows import facts as session_facts
from screens.messages import GenerateAsked, PlaceAsked, PlaceEntered, RemixAsked
from screens.places import HOME
from screens.services.defaults import Services
from screens.services.engine import EngineState
from screens.widgets import explanation_facts, receipt
from screens.widgets.facts import Fact, FactSheet
from screens.widgets.keys import KeyLine
from screens.widgets.paged_list import PagedList
from screens.widgets.status import StatusLine
from screens.widgets.thumbnails import half_cells, prepare_widgets, shown, thumbnail
from screens.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from PIL.Image import Image

    from screens.services.planner import Planner

TYPED_SECONDS = 0.15
"""Of rest after a key, before what was typed is searched for."""

TALL_LINES = 20
"""Lines of the list from which on rows have thumbnails unless the user says otherwise."""

View = Literal["pictures", "sessions", "charts"]
VIEWS: tuple[View, ...] = ("pictures", "sessions", "charts")
ANYWHERE = frozenset({"view", "find", "back", "generate", "place", "help", "jump"})
"""Actions that need no picture under the cursor."""

MOST_COMPARED = 4
MOST_THUMBNAILS = 400
SCALED = 200
"""The newest pictures, whose promises and scores the bars of all reach from and to."""

EMPTY = "no pictures yet: {key} in the studio draws the first one, and it stands here then"
NOTHING_FOUND = "no picture is like that · esc shows all again"


class PictureTable(PagedList[PictureRow]):
    """The pictures, newest first."""

    HELP = (
        "One row a picture: when, the function that drew it, what was measured beside the interval "
        "that was promised (! where it fell outside), the price of a thousand such pictures, the "
        "seconds, star and rating. enter opens the receipt, space marks."
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "receipt", show=True)]


class SessionTable(PagedList[SessionRow]):
    """The sessions that drew pictures, newest first."""

    HELP = (
        "One row a session: when it began, what it drew, the price of a thousand of its pictures, "
        "and what routing saved and gave up against always drawing with the best single function, "
        "as it was foreseen. enter shows its pictures."
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "pictures", show=True)]


class Views(Widget):
    """`Pictures │ Sessions │ Charts`, clickable."""

    here: reactive[View] = reactive("pictures")

    @dataclass
    class Asked(Message):
        """The user wants another view."""

        view: View

    def __init__(self) -> None:
        super().__init__(id="views")

    def render(self) -> Content:
        parts = [
            Content.styled(name.capitalize(), "bold underline" if name == self.here else "$muted")
            for name in VIEWS
        ]
        return Content("  ") + Content(" │ ").join(parts)

    def on_click(self, event: events.Click) -> None:
        column = 2
        for name in VIEWS:
            if column <= event.x < column + len(name):
                self.post_message(self.Asked(name))
            column += len(name) + 3


class HistoryScreen(Screen[None]):
    """Composes the list, the picture beside it and the search; disks are read in threads."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(GALLERY)
    JUMPS: ClassVar[dict[str, str]] = {"l": "pictures", "f": "find", "d": "details"}
    AUTO_FOCUS = "#pictures"

    view: View = "pictures"

    @dataclass
    class Answered(Message):
        """A thread has what it was asked for, or why not."""

        follow: Callable[[Any], None]
        answer: Any
        error: CemsError | None = None
        told: bool = False
        """Whether `follow` takes the error, too."""

    def __init__(self, services: Services) -> None:
        super().__init__()
        self._services = services
        self._money = services.defaults.money
        self._gallery: Gallery | None = None
        self._planner: Planner | None = None
        self._lines = PictureLines(self._money)
        self._session_lines = SessionLines(self._money)
        self._unsaved: set[str] = set()
        self._chose_thumbnails = False
        self._search = ""
        self._searched = 0
        self._wanted: PictureRow | None = None
        self._looking = False
        self._picture: Picture | None = None
        self._trashed: tuple[str, ...] = ()
        self._undecoded: dict[str, Path] = {}

    def compose(self) -> ComposeResult:
        yield StatusLine("history", self._money)
        yield Views()
        with Container(id="body"):
            with Container(id="left"):
                yield PictureTable(
                    self._lines.draw, header=self._lines.header, threaded=True, id="pictures"
                )
                yield SessionTable(
                    self._session_lines.draw,
                    header=self._session_lines.header,
                    threaded=True,
                    empty="no session drew a picture yet",
                    id="sessions",
                )
                with VerticalScroll(id="charted"):
                    yield Charts(self._money)
                yield SearchLine()
                yield Static("", id="found", markup=False)
            with Vertical(id="right"):
                yield Vertical(id="shown")
                with VerticalScroll(id="details"):
                    yield FactSheet(())
        yield KeyLine()
        yield TooSmall()

    def on_mount(self) -> None:
        self.query_one(SearchLine).cursor_blink = False
        self._list.border_title = "Pictures"
        self._list.border_subtitle = LEGEND
        self._services.engine.events.subscribe(self, self._engine_told)
        self._services.engine.changed.subscribe(self, self._tell_totals)
        self._tell_totals(self._services.engine.state)
        self._show_view("pictures")
        self._find("")
        self._read_scale()
        self._ask(lambda gallery: gallery.names(), self._offer)

    def on_resize(self) -> None:
        self.call_after_refresh(self._choose_rows)

    def _choose_rows(self) -> None:
        """Thumbnails where there is room, unless the user said otherwise."""
        if not self._chose_thumbnails:
            room = self._list.scrollable_content_region
            self._set_tall(room.height >= TALL_LINES and room.width > 90)

    @on(PlaceEntered)
    def _read_again(self) -> None:
        """Other processes may have drawn meanwhile."""
        self._read_scale()
        self._list.reload()

    def _tell_totals(self, state: EngineState) -> None:
        self.query_one(StatusLine).totals = state.totals

    def _engine_told(self, event: Event) -> None:
        if isinstance(event, Generated):
            self._read_scale()
            self._list.reload()

    # --- the three views -----------------------------------------------------------------------

    def action_view(self) -> None:
        """The next of the three."""
        at = VIEWS.index(self.view)
        self._show_view(VIEWS[(at + 1) % len(VIEWS)])

    @on(Views.Asked)
    def _view_asked(self, message: Views.Asked) -> None:
        self._show_view(message.view)

    def _show_view(self, view: View) -> None:
        self.view = self.query_one(Views).here = view
        for name in VIEWS:
            self.set_class(name == view, f"-{name}")
        if view == "sessions":
            sessions = self._sessions
            if sessions.count:
                sessions.reload()
            else:
                self._ask(lambda gallery: gallery.sessions(), sessions.show)
            sessions.focus()
        elif view == "charts":
            self.query_one(Charts).focus()
            self._ask(lambda gallery: gallery.charted(), self._chart)
        else:
            self._list.focus()
        self.refresh_bindings()

    def _chart(self, found: tuple[Stats, list[Group], Frontier | None]) -> None:
        stats, days, ways = found
        self.query_one(Charts).found = Charted(stats, tuple(days), ways)

    @on(PagedList.Pointed, "#sessions")
    def _session_pointed(self, message: PagedList.Pointed) -> None:
        if self.view == "sessions":
            self._tell_session(message.row)

    def _tell_session(self, row: SessionRow | None) -> None:
        saved = None if row is None else self._session_lines.savings.get(row.id)
        self._tell([] if row is None else session_facts(row, saved, self._money))
        self._show_image(None)

    @on(PagedList.Seen, "#sessions")
    def _sessions_seen(self) -> None:
        """What the sessions in sight saved is added up, those in sight first."""
        sessions = self._sessions
        rows = [sessions.at(index) for index in range(sessions.first, sessions.last + 1)]
        known = self._session_lines.savings
        wanted = [
            row.id for row in rows if row is not None and row.id not in {*known, *self._unsaved}
        ]
        if not wanted:
            return
        self._unsaved |= set(wanted)

        def saved(found: dict[str, Savings]) -> None:
            self._unsaved -= set(wanted)
            known.update(found)
            sessions.redraw()
            if self.view == "sessions":
                self._tell_session(sessions.row)

        self._ask(lambda gallery: gallery.savings(wanted), saved)

    @on(PagedList.Chosen, "#sessions")
    def _open_session(self, message: PagedList.Chosen) -> None:
        """The pictures of a session."""
        row: SessionRow = message.row
        name = row.name if row.name and '"' not in row.name else row.id
        self.query_one(SearchLine).value = f'session:"{name}"'
        self._show_view("pictures")

    # --- what is shown -----------------------------------------------------------------------

    @on(Input.Changed, "#find")
    def _typed(self) -> None:
        self._searched += 1
        number = self._searched

        def rested() -> None:
            if number == self._searched:
                self._find(self.query_one(SearchLine).value)

        self.set_timer(TYPED_SECONDS, rested)

    @on(Input.Submitted, "#find")
    def _to_list(self) -> None:
        self._list.focus()

    def _find(self, typed: str) -> None:
        """Has the pictures read that a search finds; a search that cannot be one says so."""
        self._search = typed.strip()

        def found(source: Listed[PictureRow] | CemsError) -> None:
            told = self.query_one("#found", Static)
            if isinstance(source, CemsError) and not isinstance(source, UsageError):
                self._list.fail(source)
                return
            if isinstance(source, CemsError):
                told.update(Content.styled(f"{visible(str(source))} · {source.hint}", "$warning"))
                told.display = True
                return
            told.display = False
            empty = NOTHING_FOUND if source.search else EMPTY.format(key=key_of(GENERATE, self.app))
            self._list.show(source, empty=empty)

        self._ask(lambda gallery: gallery.pictures(self._search or None), found, told=True)

    def _read_scale(self) -> None:
        """One scale for all rows, whichever of them are in sight or found."""

        def read(rows: Sequence[PictureRow]) -> None:
            self._lines.scales = quality_scales(rows)
            self._list.redraw()

        self._ask(lambda gallery: gallery.newest(SCALED), read)

    def _offer(self, names: dict[str, tuple[str, ...]]) -> None:
        self.query_one(SearchLine).words.values = names

    @on(PagedList.Counted, "#pictures")
    def _counted(self, message: PagedList.Counted) -> None:
        self._choose_rows()
        found = "found" if self._search else "newest first"
        self._list.border_title = f"Pictures · {message.count:,} {found}"

    @on(PagedList.Pointed, "#pictures")
    def _pointed(self, message: PagedList.Pointed) -> None:
        row: PictureRow | None = message.row
        if self.view == "sessions":
            return
        if self._picture is not None and (row is None or row.id != self._picture.generation.id):
            self._picture = None
        self._want_thumbnails()
        self._wanted = row
        facts = [] if row is None else detail.of_row(row, self._money)
        if self._picture is None:
            self._tell(facts)
            self.query_one("#shown").border_title = "" if row is None else Content(_title(row))
        if row is None:
            self._show_image(None)
        self._look()
        self.refresh_bindings()

    @on(PagedList.Marked, "#pictures")
    def _marked(self) -> None:
        count = len(self._list.marked)
        self._list.border_subtitle = f"◆ {count} marked: c compares, e exports" if count else LEGEND
        self.refresh_bindings()

    def _want_thumbnails(self) -> None:
        """The thumbnails of the rows that are seen."""
        list = self._list
        shown = [row for index in range(list.first, list.last + 1) if (row := list.at(index))]
        if self._lines.tall:
            for row in shown:
                if row.id not in self._lines.thumbnails and not row.damaged:
                    self._lines.thumbnails[row.id] = ()
                    self._undecoded[row.id] = row.image
            if self._undecoded:
                self._decode_thumbnails()

    @on(PagedList.Seen, "#pictures")
    def _seen(self) -> None:
        self._choose_rows()
        self._want_thumbnails()

    def _decode_thumbnails(self) -> None:
        wanted, self._undecoded = self._undecoded, {}

        def decode(_: Gallery) -> dict[str, tuple[Content, ...]]:
            found = {}
            for name, path in wanted.items():
                try:
                    found[name] = half_cells(path, *THUMBNAIL)
                except OSError:
                    mark = Content.styled("no file".ljust(THUMBNAIL[0]), "$error")
                    found[name] = (mark,)
            return found

        def decoded(found: dict[str, tuple[Content, ...]]) -> None:
            if len(self._lines.thumbnails) > MOST_THUMBNAILS:
                self._lines.thumbnails.clear()
            self._lines.thumbnails.update(found)
            self._list.redraw()

        self._ask(decode, decoded)

    def _look(self) -> None:
        """Reads the picture under the cursor; one at a time, the last that is wanted."""
        row = self._wanted
        if row is None or row.damaged or self._looking:
            return
        self._looking = True

        def read(gallery: Gallery) -> tuple[Picture, Image | None]:
            prepare_widgets(self._services.new_image)
            found = gallery.picture(row.id)
            try:
                return found, thumbnail(found.generation.image)
            except OSError:
                return found, None  # what is wrong with the file is told beside it

        def seen(answer: tuple[Picture, Image | None] | CemsError) -> None:
            self._looking = False
            if self._wanted is not row:
                self._look()
                return
            if isinstance(answer, CemsError):
                told = Fact("trouble", f"{visible(str(answer))} · {visible(answer.hint)}", "$error")
                self._tell([told, *detail.of_row(row, self._money)])
                self._show_image(None)
                return
            self._picture, image = answer
            self._show_image(image)
            self._tell(detail.of_picture(row, self._picture, self._money))
            self.refresh_bindings()

        self._ask(read, seen, told=True)

    def _tell(self, facts: list[Fact]) -> None:
        self.query_one("#details FactSheet", FactSheet).facts = tuple(facts)

    def _show_image(self, image: Image | None) -> None:
        """The picture beside the list; its widget is made with the first one."""
        frame = self.query_one("#shown")
        frame.set_class(image is not None, "shown")
        if image is None:
            return
        if frame.children:
            shown(frame.children[0], image)
        elif frame.is_attached:  # else the app is leaving
            frame.mount(shown(self._services.new_image(), image))

    # --- what the user does ------------------------------------------------------------------

    def action_find(self) -> None:
        if self.view != "pictures":
            self._show_view("pictures")
        self.query_one(SearchLine).focus()

    def action_back(self) -> None:
        line = self.query_one(SearchLine)
        if self.view != "pictures":
            self._show_view("pictures")
        elif line.has_focus or line.value:
            line.value = ""
            self._list.focus()
        elif self._list.marked:
            self._list.unmark()
        else:
            self.post_message(PlaceAsked(HOME.id))

    @on(PagedList.Chosen, "#pictures")
    def action_open(self) -> None:
        found = self._picture
        if found is None:
            return
        made = found.generation

        def opened(image: Image | None) -> None:
            facts = receipt.receipt(made, self._money)
            if found.trouble:
                facts.insert(0, Fact("trouble", visible(found.trouble), "$error"))
            self.app.push_screen(PictureDialog(self._imaged(image), receipt.title(made), facts))

        self._ask(lambda _: _decoded(made.image), opened)

    def action_compare(self) -> None:
        """Of the marked ones; of one marked, that and the one under the cursor."""
        rows = list(self._list.marked.values())
        current = self._list.row
        if len(rows) < 2 and current is not None and current not in rows:
            rows.append(current)
        if not 2 <= len(rows) <= MOST_COMPARED:
            self.notify("Space marks; two to four are compared.", title="Mark some pictures first")
            return

        def read(gallery: Gallery) -> list[tuple[PictureRow, Picture, Image | None]]:
            found = [(row, gallery.picture(row.id)) for row in rows]
            return [(row, one, _decoded(one.generation.image)) for row, one in found]

        def seen(found: list[tuple[PictureRow, Picture, Image | None]]) -> None:
            shown = [
                (_title(row), self._imaged(image), detail.of_picture(row, one, self._money))
                for row, one, image in found
            ]
            self.app.push_screen(CompareDialog(shown))

        self._ask(read, seen)

    def action_rate(self, rating: int) -> None:
        row = self._list.row
        if row is not None and not row.damaged:
            given = rating or None
            self._ask(lambda gallery: gallery.rate(row.id, given), self._changed)

    def action_star(self) -> None:
        row = self._list.row
        if row is not None and not row.damaged:
            self._ask(lambda gallery: gallery.star(row.id, not row.starred), self._changed)

    def _changed(self, _: None) -> None:
        self._list.reload()

    def action_remix(self) -> None:
        if self._picture is not None:
            self.post_message(RemixAsked(self._picture.generation))

    def action_redraw(self) -> None:
        if self._picture is None:
            return
        made = self._picture.generation

        def chosen(function: str | None) -> None:
            if function is not None:
                self._services.engine.submit(
                    Request(
                        id=new_id(),
                        prompt=made.prompt,
                        policy=Policy.pinned(function),
                        policy_is_explicit=True,
                        router=self._services.defaults.router,
                        load_cost=self._services.defaults.load_cost,
                        seed=made.seed,
                        width=made.width,
                        height=made.height,
                        negative=made.negative,
                    )
                )
                self.notify(f"by {visible(function)}, seed {made.seed}", title="Queued")

        self.app.push_screen(FunctionDialog(made, self._money), chosen)

    def action_why(self) -> None:
        if self._picture is None:
            return
        decision = self._picture.generation.decision
        dialog = TextDialog("Why", explanation_facts.asking(decision))
        self.app.push_screen(dialog)

        def explain(_: Gallery) -> list[Fact]:
            try:
                if self._planner is None:
                    self._planner = self._services.planner_factory()
                told = self._planner.explain(decision, None)
                return explanation_facts.facts(decision, told, self._money)
            except Exception as error:
                # a router can be of any kind; reading on must go on whatever it does
                log_traceback(error)
                return explanation_facts.failed(decision, error)

        self._ask(explain, dialog.tell)

    def action_copy_command(self) -> None:
        if self._picture is not None:
            text = receipt.as_command(self._picture.generation)
            self.app.copy_to_clipboard(text)
            self.notify(text, title="Copied", markup=False)

    def action_outside(self) -> None:
        if self._picture is None:
            return
        path = self._picture.generation.image
        opener = shutil.which("xdg-open") or shutil.which("open")
        if opener is None or self._picture.trouble:
            told = self._picture.trouble or "No program here opens pictures from a terminal."
            self.notify(visible(told), title=visible(str(path)), severity="warning", markup=False)
            return
        nowhere = subprocess.DEVNULL
        subprocess.Popen(
            [opener, str(path)],
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
            start_new_session=True,
        )

    def action_export(self) -> None:
        names = self._meant()
        if not names:
            return

        def chosen(folder: Path | None) -> None:
            if folder is not None:
                self._ask(lambda gallery: gallery.export(names, folder), copied)

        def copied(count: int) -> None:
            missing = len(names) - count
            told = f"{missing} had no file" if missing else "receipts and all"
            self.notify(told, title=f"{counted(count, 'picture')} copied")

        title = f"Copy {counted(len(names), 'picture')} into"
        self.app.push_screen(FolderDialog(title, Path.cwd() / "cems-pictures"), chosen)

    def action_trash(self) -> None:
        names = self._meant()
        if not names:
            return

        def gone(_: None) -> None:
            self._trashed = names
            self._list.unmark()
            self._list.reload()
            what = f"{counted(len(names), 'picture')} in the trash"
            self.notify(f"{key_of(UNDO, self.app)} takes them back", title=what)

        self._ask(lambda gallery: gallery.hide(names, True), gone)

    def action_undo(self) -> None:
        names, self._trashed = self._trashed, ()
        if names:
            self._ask(lambda gallery: gallery.hide(names, False), self._changed)

    def action_thumbnails(self) -> None:
        self._chose_thumbnails = True
        self._set_tall(not self._lines.tall)

    def action_generate(self) -> None:
        """Back to the prompt, and draw it."""
        self.post_message(GenerateAsked())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer offers what has a meaning now."""
        if self.view != "pictures" and action not in ANYWHERE:
            return False
        match action:
            case "remix" | "redraw" | "why" | "copy_command" | "outside" | "open":
                return self._picture is not None
            case "undo":
                return bool(self._trashed)
            case "rate" | "star" | "trash" | "export":
                return self._wanted is not None
            case "compare":
                return self._wanted is not None
        return True

    # --- helpers -----------------------------------------------------------------------------

    @property
    def _sessions(self) -> PagedList[SessionRow]:
        return self.query_one("#sessions", PagedList)

    @property
    def _list(self) -> PagedList[PictureRow]:
        return self.query_one("#pictures", PagedList)

    def _meant(self) -> tuple[str, ...]:
        """The marked pictures, else the one under the cursor."""
        rows = list(self._list.marked.values())
        if not rows and self._list.row is not None:
            rows = [self._list.row]
        return tuple(row.id for row in rows)

    def _set_tall(self, tall: bool) -> None:
        self._lines.tall = tall
        self._list.set_row_height(self._lines.row_height)
        self._want_thumbnails()

    def _imaged(self, image: Image | None) -> Any:
        if image is None:
            return None
        return shown(self._services.new_image(), image)

    @work(thread=True, group="gallery", exit_on_error=False)
    def _ask(
        self,
        question: Callable[[Gallery], Any],
        follow: Callable[[Any], None],
        *,
        told: bool = False,
    ) -> None:
        """Asks the gallery in a thread; the answer is followed in this one.

        Args:
            told: whether `follow` is also given what went wrong; else a toast tells it.
        """
        try:
            if self._gallery is None:
                assert self._services.desks.gallery is not None
                self._gallery = self._services.desks.gallery()
            answer = self.Answered(follow, question(self._gallery), told=told)
        except CemsError as error:
            answer = self.Answered(follow, None, error, told)
        except Exception as error:
            # reading goes on whatever a disk does
            text = f"it failed: {type(error).__name__}: {error}"
            answer = self.Answered(follow, None, StorageError(text, log_traceback(error)), told)
        self.post_message(answer)

    @on(Answered)
    def _answered(self, message: Answered) -> None:
        message.stop()
        if message.error is None:
            message.follow(message.answer)
        elif message.told:
            message.follow(message.error)
        else:
            title = visible(str(message.error))
            self.notify(message.error.hint, title=title, severity="warning", markup=False)


def _title(row: PictureRow) -> str:
    """What stands above the picture."""
    return f"{one_line(row.executed, 24)} · seed {one_line(row.seed, 20)}"


def _decoded(path: Path) -> Image | None:
    try:
        return thumbnail(path)
    except OSError:
        return None
