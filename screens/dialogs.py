"""What opens on top of a screen: help, the jump letters, receipts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from screens.commands import Command, key_of
from screens.widgets.facts import Fact, FactSheet

CLOSE: list[BindingType] = [Binding("escape,enter,q", "dismiss", "Close", show=False)]


class TextDialog(ModalScreen[None]):
    """Words to read; esc or enter closes it."""

    BINDINGS: ClassVar[list[BindingType]] = CLOSE

    def __init__(self, title: str, facts: Sequence[Fact]) -> None:
        super().__init__()
        self._title = title
        self._facts = facts

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "esc closes"
            yield FactSheet(self._facts)

    def tell(self, facts: Sequence[Fact]) -> None:
        """Other words in the place of those that are shown; too late once it is closed."""
        if self.is_attached:
            self.query_one(FactSheet).facts = tuple(facts)


class PictureDialog(ModalScreen[None]):
    """A picture as large as fits, and its receipt."""

    BINDINGS: ClassVar[list[BindingType]] = CLOSE

    def __init__(self, picture: Widget | None, title: str, facts: Sequence[Fact]) -> None:
        super().__init__()
        self._picture = picture
        self._title = title
        self._facts = facts

    def compose(self) -> ComposeResult:
        with Horizontal(classes="dialog picture-dialog") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "esc closes"
            if self._picture is not None:
                with Vertical(id="dialog-picture"):
                    yield self._picture
            with VerticalScroll(id="dialog-text"):
                yield FactSheet(self._facts)


class JumpDialog(ModalScreen[str | None]):
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
