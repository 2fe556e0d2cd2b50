"""What opens on top of the benchmarks: a new one with its bill, the pictures of a cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input

from cems_tui.text import one_line, visible
from screens.dialogs import CLOSES, Dialog, FormDialog
from screens.services.long_run import Promise
from screens.widgets.facts import Fact, FactSheet
from screens.widgets.keys import KeyWords
from screens.widgets.paged_list import Look, PagedList

if TYPE_CHECKING:
    from cems_tui.bench.desk.bench_desk import CellPicture

THUMB_COLUMNS, THUMB_LINES = 12, 6
ASK = "enter tells the bill · esc closes"
START = "enter starts it · esc closes"
FIELDS = (
    ("name", "Its name"),
    ("prompts", "Prompts: a set or a file"),
    ("functions", "Functions, with commas"),
    ("seeds", "Pictures of each (seeds)"),
)
SETS = (
    "starter: 300 prompts its models can draw; spectrum: 311 from easy to hard; history: your own; "
    "bench:NAME; or a file, one prompt a line"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A benchmark as the user wants it."""

    name: str
    prompts: str
    functions: str
    """Names with commas; empty is all that are installed."""

    seeds: str
    promise: Promise | None = field(default=None, compare=False)
    """What it is expected to take, once that is told."""

    def words(self) -> list[str]:
        """For `cems bench run`, beyond the name."""
        functions = ["--functions", self.functions] if self.functions.strip() else []
        return ["--prompts", self.prompts, *functions, "--seeds", self.seeds]


class NewBench(FormDialog[Asked | None]):
    """A form; the first enter tells the bill of what stands there, the second starts it."""

    def __init__(self, first: Asked, ask: Callable[[Asked, NewBench], None]) -> None:
        """`ask` has the bill reckoned and told to `tell_bill`."""
        super().__init__()
        self._first = first
        self._ask = ask
        self._billed: Asked | None = None
        self._keys = KeyWords(ASK)
        self._sheet = FactSheet([Fact("sets", SETS)])

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = "A new benchmark"
            rows = ((name, label, getattr(self._first, name)) for name, label in FIELDS)
            yield from self.fields("new", rows)
            with VerticalScroll():
                yield self._sheet
            yield self._keys

    def asked(self) -> Asked:
        """What stands in the form."""
        name, prompts, functions, seeds = self.written("new", (field for field, _ in FIELDS))
        return Asked(name, prompts, functions, seeds)

    def tell_bill(self, asked: Asked, facts: Sequence[Fact], promise: Promise | None) -> None:
        """What that would take, or why it cannot be; too late once the form says another thing.

        Args:
            promise: None where it cannot be.
        """
        if self.is_attached and asked == self.asked():
            self._sheet.tell(facts)
            self._billed = None if promise is None else replace(asked, promise=promise)
            self._keys.tell(ASK if promise is None else START)

    @on(Input.Changed)
    def _changed(self) -> None:
        if self._billed is not None and self._billed != self.asked():
            self._billed = None
            self._keys.tell(ASK)

    def action_take(self) -> None:
        """The bill first; what has its bill is started."""
        asked = self.asked()
        if asked == self._billed:
            self.dismiss(self._billed)
            return
        self._sheet.tell([Fact("bill", "reckoning …")])
        self._ask(asked, self)


class ShownPicture:
    """A picture of a cell with its thumbnail."""

    def __init__(self, picture: CellPicture, thumb: Sequence[Content]) -> None:
        self.picture = picture
        self.thumb = tuple(thumb)
        self.key = picture.key


class CellDialog(Dialog[None]):
    """The pictures of one function and group, the worst first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", show=False)
    ]

    def __init__(self, title: str, metric: str, pictures: Sequence[ShownPicture]) -> None:
        super().__init__()
        self._title = title
        self._metric = metric
        self._pictures = pictures

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog cell-dialog") as box:
            box.border_title = Content(visible(self._title))
            yield PagedList(
                self._line,
                row_height=THUMB_LINES,
                empty="no picture of it has a score yet",
                id="cell-pictures",
            )
            yield KeyWords(CLOSES)

    def on_mount(self) -> None:
        shown: PagedList[ShownPicture] = self.query_one("#cell-pictures", PagedList)
        shown.show_rows(self._pictures)
        shown.focus()

    def _line(self, row: ShownPicture, look: Look[ShownPicture]) -> Content:
        picture = row.picture
        room = max(10, look.width - THUMB_COLUMNS - 4)
        told = [
            Content.assemble(
                (f"{picture.score:.3f}", "bold $quality"),
                (f" {self._metric}", "$muted"),
                (f"  seed {picture.seed}" if picture.seed else "", "$muted"),
            ),
            *Content(one_line(visible(picture.prompt), 3 * room)).wrap(room)[: THUMB_LINES - 2],
        ]
        lines = []
        for number in range(THUMB_LINES - 1):
            thumb = row.thumb[number] if number < len(row.thumb) else Content(" " * THUMB_COLUMNS)
            if number == 0 and not row.thumb:
                thumb = Content.styled("not kept".ljust(THUMB_COLUMNS), "$muted")
            text = told[number] if number < len(told) else Content("")
            mark = Content("› " if look.pointed and number == 0 else "  ")
            lines.append(mark + thumb + Content("  ") + text)
        return Content("\n").join(lines)
