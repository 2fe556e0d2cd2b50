"""What opens on top of a screen: help, the jump letters, receipts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Literal, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Label, Static

from cems_tui.text import counted, one_line, visible
from screens.commands import Command, key_of
from screens.widgets.facts import Fact, FactSheet
from screens.widgets.keys import KeyWords
from screens.work import Job

CLOSE: list[BindingType] = [Binding("escape,enter,q", "dismiss", "Close", show=False)]
CLOSES = "esc closes"

MOST_JOBS = 8
"""Of what would be lost, the number that is listed."""

Answer = Literal["no", "yes", "agreed"]
"""`agreed` is yes, and to what is shown (a licence)."""


T = TypeVar("T")


class Dialog(ModalScreen[T]):
    """On top of a screen; a click beside it is `esc`."""

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.app.simulate_key("escape")


class FormDialog(Dialog[T]):
    """Fields to fill in, walked by ↑ and ↓; enter anywhere is its action `take`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "No", show=False),
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
        Binding("enter", "take", "Take", show=False),
    ]

    def fields(self, prefix: str, rows: Iterable[tuple[str, str, str]]) -> ComposeResult:
        """A labelled field a row: its name (after the prefix, its id), its label, its text."""
        for name, label, text in rows:
            yield Label(label, classes="form-label")
            yield Input(text, id=f"{prefix}-{name}", compact=True)

    def written(self, prefix: str, names: Iterable[str]) -> list[str]:
        """What stands in those fields, without blanks around it."""
        return [self.query_one(f"#{prefix}-{name}", Input).value.strip() for name in names]

    @on(Input.Submitted)
    async def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        await self.run_action("take")


class TextDialog(Dialog[None]):
    """Words to read; esc or enter closes it."""

    BINDINGS: ClassVar[list[BindingType]] = CLOSE

    def __init__(self, title: str, facts: Sequence[Fact]) -> None:
        super().__init__()
        self._title = title
        self._sheet = FactSheet(facts)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            with VerticalScroll():
                yield self._sheet
            yield KeyWords(CLOSES)

    def tell(self, facts: Sequence[Fact]) -> None:
        """Other words in the place of those that are shown; too late once it is closed."""
        self._sheet.tell(facts)


class Question(Dialog[Answer]):
    """A sheet of facts and what can be answered, by key or by click."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,n", "answer('no')", "No", show=False),
        Binding("y", "answer('agreed')", "Yes", show=False),
        Binding("enter", "answer('yes')", "Yes", show=False),
    ]

    def __init__(self, title: str, sheet: Sequence[Fact], keys: str, offered: Sequence[Answer]):
        """A question that is answered with one of the answers offered; no is always one.

        Args:
            keys: a key and what it does, with ` · ` between them: `enter pulls · esc closes`.
        """
        super().__init__()
        self._title = title
        self._sheet = FactSheet(sheet)
        self._keys = KeyWords(keys)
        self._offered = tuple(offered)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            with VerticalScroll():
                yield self._sheet
            yield self._keys

    def ask(self, sheet: Sequence[Fact], keys: str, offered: Sequence[Answer]) -> None:
        """Another sheet and answers in the place of what is shown; too late once it is closed."""
        self._offered = tuple(offered)
        self._sheet.tell(sheet)
        self._keys.tell(keys)

    def action_answer(self, answer: Answer) -> None:
        if answer == "no" or answer in self._offered:
            self.dismiss(answer)


class QuitQuestion(Question):
    """Whether to leave while pictures are drawn or wait, or long work runs; `ctrl+q` again is
    yes."""

    def __init__(self, jobs: Sequence[Job], *, kept: bool, running: str | None = None) -> None:
        """
        Args:
            kept: whether the pictures come back when the app is opened again.
            running: what long work runs: `benchmark mine`.
        """
        work = [counted(len(jobs), "picture")] if jobs else []
        facts, after = _jobs(jobs), []
        if jobs and kept:
            after.append("They are kept, and wait for you when cems is opened again.")
        if running is not None:
            work.append(f"the {visible(running)}")
            after.append(f"The {visible(running)} stops; what is done of it is kept.")
        count = " and ".join(work)
        lost = jobs and not kept
        title = f"Quit? {count} would not be drawn" if lost else f"Quit with {count} under way?"
        facts += [Fact("", text) for text in ("", *after) if after]
        super().__init__(title, facts, "enter quits · esc stays", ("yes",))


class StopQuestion(Question):
    """Whether to stop everything."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        title = f"Stop {counted(len(jobs), 'picture')}?"
        super().__init__(title, _jobs(jobs), "enter stops them · esc lets them be", ("yes",))


class TextQuestion(Dialog[str | None]):
    """A line to write, with a word on what it means; answers with it, or None for esc."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "No", show=False)]

    def __init__(self, title: str, hint: str, text: str, check: Callable[[str], object]) -> None:
        """`check` raises ValueError with what is wrong with a text."""
        super().__init__()
        self._title = title
        self._hint = hint
        self._text = text
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield Input(self._text, compact=True)
            yield Static(self._hint, classes="hint", markup=False)
            yield KeyWords("enter takes it · esc closes")

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            self._check(event.value)
        except ValueError as error:
            self.query_one(".hint", Static).update(Content.styled(f"! {error}", "$warning"))
            return
        self.dismiss(event.value)


def _jobs(jobs: Sequence[Job]) -> list[Fact]:
    facts = [
        Fact("waiting" if job.phase == "waiting" else "drawing", _prompt(job))
        for job in jobs[:MOST_JOBS]
    ]
    more = len(jobs) - MOST_JOBS
    return [*facts, Fact("", f"and {more} more")] if more > 0 else facts


def _prompt(job: Job) -> str:
    return one_line(job.request.prompt, 200)


class PictureDialog(Dialog[None]):
    """A picture as large as fits, and its receipt."""

    BINDINGS: ClassVar[list[BindingType]] = CLOSE

    def __init__(self, picture: Widget | None, title: str, facts: Sequence[Fact]) -> None:
        super().__init__()
        self._picture = picture
        self._title = title
        self._facts = facts

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog picture-dialog") as box:
            box.border_title = Content(self._title)
            with Horizontal():
                if self._picture is not None:
                    with Vertical(id="dialog-picture"):
                        yield self._picture
                with VerticalScroll(id="dialog-text"):
                    yield FactSheet(self._facts)
            yield KeyWords(CLOSES)


class JumpDialog(Dialog[str | None]):
    """A letter on each target; answers with the id of the one chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+o", "dismiss(None)", "Back", show=False)
    ]

    def __init__(self, targets: dict[str, tuple[str, int, int]]) -> None:
        """`targets`: letter → widget id, column, row."""
        super().__init__()
        self._targets = targets

    def compose(self) -> ComposeResult:
        for letter, (_, column, row) in self._targets.items():
            mark = Static(f" {letter} ", classes="jump-mark", markup=False)
            mark.styles.offset = (column, row)
            yield mark

    def on_click(self, event: events.Click) -> None:
        """The mark that is clicked, or the part of the screen under it."""
        chosen = [
            name
            for name, column, row in self._targets.values()
            if row == event.screen_y and column <= event.screen_x < column + 3
        ]
        self.dismiss(chosen[0] if chosen else None)

    def on_key(self, event: events.Key) -> None:
        if event.character in self._targets:
            event.stop()
            self.dismiss(self._targets[event.character][0])


def help_facts(focused: Widget | None, commands: Iterable[Command], app: object) -> list[Fact]:
    """What the focused widget is and does, and every command with its key."""
    about = getattr(focused, "HELP", None)
    facts = [Fact("about", about), Fact("", "")] if about else []
    facts += [
        Fact(key_of(command, app), f"{command.title}: {command.help}", "", "bold $quality")
        for command in commands
    ]
    return facts
