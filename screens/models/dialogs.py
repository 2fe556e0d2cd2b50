"""What is asked before models are pulled or removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from cems_tui.errors import CemsError
from cems_tui.models.plan import PullPlan
from cems_tui.services.library import Library, ModelFacts
from cems_tui.text import visible
from screens.models import model_facts
from screens.widgets.facts import Fact, FactSheet

Answer = Literal["no", "yes", "agreed"]
"""`agreed` is yes, and to the licence."""

CLOSES = "esc closes"


class Question(ModalScreen[Answer]):
    """A sheet of facts and what can be answered; the frame names the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,n", "answer('no')", "No", show=False),
        Binding("y", "answer('agreed')", "Yes", show=False),
        Binding("enter", "answer('yes')", "Yes", show=False),
    ]

    def __init__(self, title: str, sheet: Sequence[Fact], keys: str, offered: Sequence[Answer]):
        """A question that is answered with one of the answers offered; no is always one."""
        super().__init__()
        self._title = title
        self._sheet = tuple(sheet)
        self._keys = keys
        self._offered = tuple(offered)

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = Content(self._keys)
            yield FactSheet(self._sheet)

    def ask(self, sheet: Sequence[Fact], keys: str, offered: Sequence[Answer]) -> None:
        """Another sheet and answers in the place of what is shown; too late once it is closed."""
        self._sheet, self._keys, self._offered = tuple(sheet), keys, tuple(offered)
        if self.is_attached:
            self.query_one(FactSheet).facts = self._sheet
            self.query_one(VerticalScroll).border_subtitle = Content(keys)

    def action_answer(self, answer: Answer) -> None:
        if answer == "no" or answer in self._offered:
            self.dismiss(answer)


class PullQuestion(Question):
    """Whether to pull a model; what that means is asked of the Hub meanwhile."""

    def __init__(self, model: str, about: ModelFacts | None) -> None:
        super().__init__(f"Pull {visible(model)}", model_facts.asking(model, about), CLOSES, ())
        self._model = model
        self._about = about

    def planned(self, plans: Sequence[PullPlan]) -> None:
        """The Hub has answered."""
        sheet = model_facts.planned(self._about, plans)
        room = min(plan.free_bytes for plan in plans) >= sum(plan.download_bytes for plan in plans)
        accepted = self._about is not None and self._about.accepted is not None
        if not room:
            self.ask(sheet, CLOSES, ())
        elif any(model_facts.asks(plan) for plan in plans) and not accepted:
            self.ask(sheet, "y agrees to the licence and pulls · esc closes", ("agreed",))
        else:
            self.ask(sheet, "enter pulls · esc closes", ("yes", "agreed"))

    def refused(self, error: CemsError) -> None:
        """The Hub cannot be asked, or refuses."""
        about = [] if self._about is None else model_facts.model(self._about, None, "")
        self.ask([*model_facts.refused(self._model, error), Fact("", ""), *about], CLOSES, ())


def recommended_question(library: Library) -> Question:
    """Whether to pull the recommended set: everything in it, or what asks for no agreement."""
    chosen = library.recommended
    sheet, title = model_facts.recommended(library), "Pull the recommended set"
    if not chosen:
        return Question(title, sheet, CLOSES, ())
    asking = [one for one in chosen if one.asks]
    if not asking:
        return Question(title, sheet, "enter pulls them · esc closes", ("yes",))
    if len(asking) == len(chosen):
        keys = "y agrees to the licences and pulls them · esc closes"
        return Question(title, sheet, keys, ("agreed",))
    keys = (
        f"y agrees and pulls all · enter pulls {len(chosen) - len(asking)} that ask nothing · esc"
    )
    return Question(title, sheet, keys, ("yes", "agreed"))
