"""The blind comparison: two pictures of one prompt, nothing else told before the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from cems_tui.text import one_line, visible
from screens.blind import vote_facts
from screens.blind.commands import BLIND
from screens.commands import bindings
from screens.messages import PlaceEntered
from screens.services.defaults import Services
from screens.widgets.desk_screen import DeskScreen
from screens.widgets.facts import Fact, FactSheet
from screens.widgets.keys import KeyLine, KeyWords
from screens.widgets.status import StatusLine
from screens.widgets.thumbnails import prepare_widgets, shown
from screens.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from cems_tui.bench.desk.ballot_desk import BallotDesk, Pair, Told
    from cems_tui.evidence.preference import Answer

LONGEST_PROMPT = 400
ASKED = "← left is better · → right is better · ↓ the same · ↑ both are bad · space later"
ANSWERED = "space next pair · u undo"
EMPTY = (
    "no pair is left to vote on: a pair is two pictures of one prompt and size by two functions. "
    "In the gallery f draws a picture again with another function."
)


class Side(Container, can_focus=True):
    """One of the two pictures; a click on it is a vote for it."""

    HELP = "One of two pictures of the prompt. A click on it, or its arrow, says that it is better."


class BlindScreen(DeskScreen["BallotDesk"]):
    """Composes the prompt, the two pictures, and what they were once one has voted."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(BLIND)
    JUMPS: ClassVar[dict[str, str]] = {"l": "left-side", "r": "right-side"}
    AUTO_FOCUS = "#left-side"

    def __init__(self, services: Services) -> None:
        assert services.desks.ballots is not None
        super().__init__(services.desks.ballots)
        self._services = services
        self._asked = False
        self._voted = False
        self._busy = False

    def compose(self) -> ComposeResult:
        yield StatusLine("blind", self._services.defaults.money)
        yield Static("", id="blind-prompt", markup=False)
        with Container(id="sides"):
            yield Side(id="left-side")
            yield Side(id="right-side")
        yield FactSheet(())
        yield KeyWords(ASKED)
        yield KeyLine()
        yield TooSmall()

    def on_mount(self) -> None:
        self.query_one("#left-side").border_title = "left"
        self.query_one("#right-side").border_title = "right"
        self.query_one(StatusLine).told = "blind: nothing is told before the key"
        self._next()

    @on(PlaceEntered)
    def _entered(self) -> None:
        """Pictures may have been drawn meanwhile."""
        if not self._asked and not self._voted:
            self._next()

    def _next(self, *, later: bool = False) -> None:
        if self._busy:
            return
        self._busy = True

        def read(desk: BallotDesk) -> Pair | None:
            prepare_widgets(self._services.new_image)
            return desk.skip() if later else desk.next()

        def fail(error: Exception) -> None:
            self._busy = False
            self._tell([Fact("", visible(str(error)), "$error")])

        self.ask(read, self._show, fail)

    def _show(self, pair: Pair | None) -> None:
        self._busy, self._voted, self._asked = False, False, pair is not None
        prompt = EMPTY if pair is None else one_line(visible(pair.prompt), LONGEST_PROMPT)
        self.query_one("#blind-prompt", Static).update(Content(prompt))
        self._tell(())
        self.query_one(KeyWords).tell(ASKED if pair else "esc leaves")
        images = {} if pair is None else {"left": pair.left, "right": pair.right}
        for side in ("left", "right"):
            place = self.query_one(f"#{side}-side")
            place.remove_children()
            if side in images:
                place.mount(shown(self._services.new_image(), images[side]))
        self.refresh_bindings()

    def _tell(self, facts: list[Fact] | tuple[Fact, ...]) -> None:
        self.query_one(FactSheet).tell(facts)

    # --- what the user does ------------------------------------------------------------------

    def action_vote(self, answer: Answer) -> None:
        """Keeps the answer, then tells what the pictures were."""
        if not self._asked or self._busy:
            return
        self._busy, self._asked = True, False

        def follow(told: Told) -> None:
            self._busy, self._voted = False, True
            self._tell(vote_facts.facts(told, self._services.defaults.money))
            self.query_one(KeyWords).tell(ANSWERED)
            self.refresh_bindings()

        def fail(error: Exception) -> None:
            self._busy = False
            self._tell([Fact("", visible(str(error)), "$error")])

        self.ask(lambda desk: desk.vote(answer), follow, fail)

    def action_next(self) -> None:
        self._next(later=self._asked)

    def action_undo(self) -> None:
        def follow(taken: bool) -> None:
            self.notify("Its pair is asked again." if taken else "There is none to take back.")
            self._next()

        self.ask(lambda desk: desk.undo(), follow)

    def on_click(self, event: events.Click) -> None:
        """A picture that is clicked is the better one; what lies in it is it."""
        for side in ("left", "right"):
            place = self.query_one(f"#{side}-side")
            if event.widget is not None and place in event.widget.ancestors_with_self:
                self.action_vote("left" if side == "left" else "right")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer offers what has a meaning now."""
        return self._asked if action == "vote" else True
