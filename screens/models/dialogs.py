"""What is asked before models are pulled or removed."""

from __future__ import annotations

from collections.abc import Sequence

from cems_tui.errors import CemsError
from cems_tui.models.plan import PullPlan
from cems_tui.services.library import Library, ModelFacts
from cems_tui.text import visible
from screens.dialogs import CLOSES, Question
from screens.models import model_facts
from screens.widgets.facts import Fact


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
