"""What opens on top of the gallery: pictures side by side, another function, a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from cems_tui.domain.decision import Candidate
from cems_tui.domain.generation import Generation
from cems_tui.text import one_line, visible
from cems_tui.views.figures import DOLLARS, Money, times
from screens.dialogs import CLOSE, Dialog
from screens.widgets.facts import Fact, FactSheet


class CompareDialog(Dialog[None]):
    """Two to four pictures side by side, each with its promise, measure and price."""

    BINDINGS: ClassVar[list[BindingType]] = CLOSE

    def __init__(self, shown: Sequence[tuple[str, Widget | None, Sequence[Fact]]]) -> None:
        """`shown`: a title, the picture and the facts of each."""
        super().__init__()
        self._shown = shown

    def compose(self) -> ComposeResult:
        with Horizontal(classes="dialog compare") as box:
            box.border_title = f"{len(self._shown)} side by side"
            box.border_subtitle = "esc closes"
            for title, picture, facts in self._shown:
                with Vertical(classes="compared"):
                    yield Static(Content.styled(title, "bold"), classes="compared-title")
                    with Vertical(classes="compared-picture"):
                        yield picture if picture is not None else Static("no picture to show")
                    with VerticalScroll(classes="compared-facts"):
                        yield FactSheet(facts)


class FunctionDialog(Dialog[str | None]):
    """Which other function is to draw a picture again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", show=False)
    ]

    def __init__(self, made: Generation, money: Money = DOLLARS) -> None:
        super().__init__()
        self._made = made
        self._money = money

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog function-dialog") as box:
            box.border_title = Content(f"Draw “{one_line(self._made.prompt, 40)}” again with")
            box.border_subtitle = "enter draws it with the same seed · esc closes"
            others = [
                one for one in self._made.decision.candidates
                if one.installed and one.allowed and one.function != self._made.executed
            ]  # fmt: skip
            if others:
                width = max(len(one.function) for one in others)
                options = [Option(self._words(one, width), one.function) for one in others]
                yield OptionList(*options, markup=False)
            else:
                yield Static("no other function of its decision is installed")

    def _words(self, one: Candidate, width: int) -> Content:
        ran = next(
            (c for c in self._made.decision.candidates if c.function == self._made.executed), None
        )
        words = []
        if ran is not None and ran.quality is not None and one.quality is not None:
            words.append(f"{one.quality - ran.quality:+.2f} promised".replace("-", "−"))
        if ran is not None and ran.cost_usd and one.cost_usd:
            words.append(f"{times(one.cost_usd / ran.cost_usd)} the price")
        name = visible(one.function).ljust(width)
        return Content.assemble((name, "bold"), f"  {' · '.join(words)}")

    @on(OptionList.OptionSelected)
    def _chosen(self, message: OptionList.OptionSelected) -> None:
        self.dismiss(message.option.id)


class FolderDialog(Dialog[Path | None]):
    """Into which folder pictures are copied."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", show=False)
    ]

    def __init__(self, title: str, folder: Path) -> None:
        super().__init__()
        self._title = title
        self._folder = folder

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            box.border_subtitle = "enter copies them there · esc closes"
            yield Input(str(self._folder), id="folder")

    @on(Input.Submitted)
    def _submitted(self, message: Input.Submitted) -> None:
        typed = message.value.strip()
        self.dismiss(Path(typed).expanduser() if typed else None)
