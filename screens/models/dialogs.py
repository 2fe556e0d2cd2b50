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
from screens.models import facts as model_facts
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

    def __init__(self, title: str, facts: Sequence[Fact], keys: str, offered: Sequence[Answer]):
        """A question that is answered with one of the answers offered; no is always one."""
        super().__init__()
        self._title = title
        self._facts = tuple(facts)
        self._keys = keys
        self._offered = tuple(offered)

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = Content(self._keys)
            yield FactSheet(self._facts)

    def ask(self, facts: Sequence[Fact], keys: str, offered: Sequence[Answer]) -> None:
        """Other facts and answers in the place of those shown; too late once it is closed."""
        self._facts, self._keys, self._offered = tuple(facts), keys, tuple(offered)
        if self.is_attached:
            self.query_one(FactSheet).facts = self._facts
            self.query_one(VerticalScroll).border_subtitle = Content(keys)

    def action_answer(self, answer: Answer) -> None:
        if answer == "no" or answer in self._offered:
            self.dismiss(answer)


class PullQuestion(Question):
    """Whether to pull a model; what that means is asked of the Hub meanwhile."""

    def __init__(self, model: str, facts: ModelFacts | None) -> None:
        super().__init__(f"Pull {visible(model)}", model_facts.asking(model, facts), CLOSES, ())
        self._model = model
        self._about = facts

    def planned(self, plans: Sequence[PullPlan]) -> None:
        """The Hub has answered."""
        facts = model_facts.planned(self._about, plans)
        room = min(plan.free_bytes for plan in plans) >= sum(plan.download_bytes for plan in plans)
        accepted = self._about is not None and self._about.accepted is not None
        if not room:
            self.ask(facts, CLOSES, ())
        elif any(model_facts.asks(plan) for plan in plans) and not accepted:
            self.ask(facts, "y agrees to the licence and pulls · esc closes", ("agreed",))
        else:
            self.ask(facts, "enter pulls · esc closes", ("yes", "agreed"))

    def refused(self, error: CemsError) -> None:
        """The Hub cannot be asked, or refuses."""
        about = [] if self._about is None else model_facts.model(self._about, None, "")
        self.ask([*model_facts.refused(self._model, error), Fact("", ""), *about], CLOSES, ())


def recommended_question(library: Library) -> Question:
    """Whether to pull the recommended set: everything in it, or what asks for no agreement."""
    chosen = library.recommended
    facts, title = model_facts.recommended(library), "Pull the recommended set"
    if not chosen:
        return Question(title, facts, CLOSES, ())
    asking = [one for one in chosen if one.asks]
    if not asking:
        return Question(title, facts, "enter pulls them · esc closes", ("yes",))
    if len(asking) == len(chosen):
        keys = "y agrees to the licences and pulls them · esc closes"
        return Question(title, facts, keys, ("agreed",))
    keys = (
        f"y agrees and pulls all · enter pulls {len(chosen) - len(asking)} that ask nothing · esc"
    )
    return Question(title, facts, keys, ("yes", "agreed"))
