"""The models: what this machine can hold, what is here, what is being pulled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import var
from textual.screen import Screen
from textual.widgets import Input

from cems_tui.errors import CemsError, GenerationError
from cems_tui.models.plan import PullPlan
from cems_tui.models.queue import Pull, Pulls
from cems_tui.models.remove import Removal
from cems_tui.services.library import Library, ModelFacts, Resident
from cems_tui.text import byte_count, visible
from cems_tui.views.figures import DOLLARS, Money
from screens.commands import bindings, key_of
from screens.dialogs import Answer, Question, TextDialog
from screens.failures import log_traceback
from screens.messages import GenerateAsked, PlaceAsked, PlaceEntered
from screens.models import model_facts
from screens.models.commands import MODELS, PAUSE
from screens.models.device_pane import DeviceBar
from screens.models.dialogs import PullQuestion, recommended_question
from screens.models.model_list import ModelShelf, room
from screens.models.pulls import PullsLine
from screens.places import HOME
from screens.services.library import LibraryService, LibraryState
from screens.widgets.facts import Fact, FactSheet
from screens.widgets.keys import KeyLine
from screens.widgets.status import StatusLine
from screens.widgets.too_small import TooSmall

REMOVES, STAYS = "y removes it · esc keeps it", "esc closes"


class ModelDetails(VerticalScroll):
    """Everything about the model under the cursor."""

    HELP = (
        "The model under the cursor: why it fits or not, what it would add and who says so, its "
        "licence, functions with the seconds they took here, source and files."
    )

    def __init__(self) -> None:
        super().__init__(id="details")

    def compose(self) -> ComposeResult:
        yield FactSheet(())


class ModelsScreen(Screen[None]):
    """Composes the widgets, asks before it changes anything, and has the library do it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(MODELS)
    JUMPS: ClassVar[dict[str, str]] = {"l": "shelf", "d": "details"}
    AUTO_FOCUS = "#shelf"

    library: var[Library | None] = var(None)
    problem: var[tuple[str, str] | None] = var(None)
    pulls: var[Pulls] = var(Pulls())
    resident: var[Resident | None] = var(None)

    @dataclass
    class Asked(Message):
        """The Hub answered what pulling would fetch, or did not."""

        dialog: PullQuestion
        plans: Sequence[PullPlan] = ()
        error: CemsError | None = None

    @dataclass
    class RemovalFound(Message):
        """What removing a model would do, or why it cannot be."""

        model: str
        removal: Removal | None = None
        error: CemsError | None = None

    @dataclass
    class Removed(Message):
        """A model is gone, or is not."""

        model: str
        removal: Removal | None = None
        error: CemsError | None = None

    def __init__(self, library: LibraryService, money: Money = DOLLARS) -> None:
        """`money` is what prices are told in."""
        super().__init__()
        self._money = money
        self._service = library
        self._keeper = library.keeper

    def compose(self) -> ComposeResult:
        models = ModelsScreen
        yield StatusLine("models")
        yield DeviceBar().data_bind(library=models.library, resident=models.resident)
        with Container(id="body"):
            with Container(id="left"):
                yield ModelShelf().data_bind(
                    library=models.library, pulls=models.pulls, error=models.problem
                )
                yield Input(id="find", placeholder="search: name, family, licence, fits …")
                yield PullsLine().data_bind(library=models.library, pulls=models.pulls)
            yield ModelDetails()
        yield KeyLine()
        yield TooSmall()

    def on_mount(self) -> None:
        self.query_one("#find", Input).cursor_blink = False
        self._service.changed.subscribe(self, self._follow)
        self._follow(self._service.state)
        self._show()

    def on_screen_resume(self) -> None:
        self._show()

    @on(PlaceEntered)
    def _read_again(self) -> None:
        """Pictures were measured meanwhile, others pulled or hold models."""
        self._service.read()

    # --- what is shown -----------------------------------------------------------------------

    def _follow(self, state: LibraryState) -> None:
        self.problem, self.library = state.problem, state.library
        self.pulls, self.resident = state.pulls, state.resident

    def watch_library(self) -> None:
        self._show()

    def watch_pulls(self) -> None:
        self._show()

    def watch_resident(self) -> None:
        self._show()

    @on(ModelShelf.Pointed)
    def _show(self) -> None:
        """What is not bound: the words above, and the details of the model under the cursor."""
        if not self.query("#details FactSheet"):
            return  # what is set before the first time it is shown is shown then
        if self.library is not None:
            self.query_one(StatusLine).told = room(self.library)
        self._shelf.resident = self.resident.models if self.resident else frozenset()
        current, details = self._current, self.query_one(ModelDetails)
        details.border_title = Content(visible(current.name)) if current is not None else None
        told = model_facts.model(current, None, "", self._money) if current is not None else []
        details.query_one(FactSheet).facts = tuple(told)
        self.refresh_bindings()

    # --- what the user does ------------------------------------------------------------------

    def action_open(self) -> None:
        """A dialog before a pull; the sheet of what is installed."""
        current = self._current
        if current is None:
            return
        if current.model.installed or not current.pullable:
            self.app.push_screen(TextDialog(visible(current.name), self._sheet(current)))
            return
        dialog = PullQuestion(current.name, current)
        self.app.push_screen(dialog, self._answered(lambda agreed: (current.name,), "agreed"))
        self._ask_hub(dialog, current.name)

    def action_recommended(self) -> None:
        library = self.library
        if library is None:
            return

        def chosen(agreed: bool) -> tuple[str, ...]:
            return tuple(one.model for one in library.recommended if agreed or not one.asks)

        self.app.push_screen(recommended_question(library), self._answered(chosen, "agreed"))

    def action_pause(self) -> None:
        """Pauses what runs or waits, goes on with what is paused, failed or was left."""
        pull = self._pull
        if pull is None:
            current = self._current
            if current is not None and current.fetched_bytes:
                self._service.pull((current.name,), agreed=False)
        elif pull.state in ("paused", "failed"):
            self._service.pull((pull.model,), agreed=pull.agreed)
        else:
            self._service.pause(pull.model)

    def action_unqueue(self) -> None:
        if (pull := self._pull) is not None:
            self._service.unqueue(pull.model)
            kept = "" if not pull.done_bytes else f"{byte_count(pull.done_bytes)} stay until d"
            self.notify(kept, title=f"{visible(pull.model)}: cancelled", markup=False)

    def action_delete(self) -> None:
        if (current := self._current) is not None:
            self._find_removal(current.name)

    def action_find(self) -> None:
        find = self.query_one("#find", Input)
        find.display = True
        find.focus()

    @on(Input.Changed, "#find")
    def _search(self, message: Input.Changed) -> None:
        self._shelf.words = message.value

    @on(Input.Submitted, "#find")
    def _found(self) -> None:
        self._shelf.focus()
        self.query_one("#find").display = bool(self._shelf.words)

    def action_back(self) -> None:
        """First out of the search, then out of the details, then home."""
        find = self.query_one("#find", Input)
        if find.display:
            find.value = ""
            find.display = False
            self._shelf.focus()
        elif not self._shelf.has_focus:
            self._shelf.focus()
        else:
            self.post_message(PlaceAsked(HOME.id))

    def action_copy_command(self) -> None:
        if (current := self._current) is not None:
            verb = "show" if current.model.installed else "pull"
            text = f"cems {verb} {visible(current.name)}"
            self.app.copy_to_clipboard(text)
            self.notify(text, title="Copied", markup=False)

    def action_generate(self) -> None:
        """Back to the prompt, and draw it."""
        self.post_message(GenerateAsked())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer offers what has a meaning now."""
        current, pull = self._current, self._pull
        match action:
            case "pause":
                return pull is not None or (current is not None and bool(current.fetched_bytes))
            case "unqueue":
                return pull is not None
            case "delete":
                return current is not None and (current.removable or bool(current.fetched_bytes))
            case "open" | "copy_command":
                return current is not None
        return True

    # --- what the keeper answers -------------------------------------------------------------

    @work(thread=True, group="hub", exit_on_error=False)
    def _ask_hub(self, dialog: PullQuestion, model: str) -> None:
        try:
            answer = self.Asked(dialog, self._keeper.plans(model))
        except Exception as error:
            answer = self.Asked(dialog, error=self._told(error))
        self.post_message(answer)

    @on(Asked)
    def _asked(self, message: Asked) -> None:
        message.stop()
        if message.error is not None:
            message.dialog.refused(message.error)
        else:
            message.dialog.planned(message.plans)

    @work(thread=True, group="removal", exit_on_error=False)
    def _find_removal(self, model: str) -> None:
        try:
            found = self.RemovalFound(model, self._keeper.removal(model))
        except Exception as error:
            found = self.RemovalFound(model, error=self._told(error))
        self.post_message(found)

    @on(RemovalFound)
    def _ask_removal(self, message: RemovalFound) -> None:
        message.stop()
        name, removal = message.model, message.removal
        if removal is None:
            self._warn(message.error)
            return
        told = model_facts.removal(removal, self.pulls.of(name))
        keys, offered = (STAYS, ()) if removal.linked_by else (REMOVES, ("agreed",))

        def answered(answer: Answer | None) -> None:
            if answer == "agreed":
                self._service.unqueue(name)
                self._remove(name)

        dialog = Question(f"Remove {visible(name)}", told, keys, offered)  # type: ignore[arg-type]
        self.app.push_screen(dialog, answered)

    @work(thread=True, group="removal", exit_on_error=False)
    def _remove(self, model: str) -> None:
        try:
            found = self.Removed(model, self._keeper.remove(model))
        except Exception as error:
            found = self.Removed(model, error=self._told(error))
        self.post_message(found)

    @on(Removed)
    def _removed(self, message: Removed) -> None:
        message.stop()
        if message.removal is None:
            self._warn(message.error)
        else:
            freed = f"{byte_count(message.removal.freed_bytes)} freed"
            self.notify(freed, title=f"{visible(message.model)} is removed", markup=False)
        self._service.restock()

    # --- helpers -----------------------------------------------------------------------------

    def _answered(
        self, chosen: Callable[[bool], tuple[str, ...]], agreeing: Answer
    ) -> Callable[[Answer | None], None]:
        """Asks for the pulls once the dialog is answered with yes."""

        def answered(answer: Answer | None) -> None:
            if answer in ("yes", agreeing):
                agreed = answer == agreeing
                self._service.pull(chosen(agreed), agreed)

        return answered

    def _told(self, error: Exception) -> CemsError:
        """An error as the user reads it; what nobody foresaw goes to the log in full."""
        if isinstance(error, CemsError):
            return error
        return GenerationError(f"it failed: {type(error).__name__}: {error}", log_traceback(error))

    def _warn(self, error: CemsError | None) -> None:
        if error is not None:
            title = visible(str(error))
            self.notify(error.hint, title=title, severity="warning", markup=False)

    def _sheet(self, current: ModelFacts) -> list[Fact]:
        pull = self.pulls.of(current.name)
        return model_facts.model(current, pull, key_of(PAUSE, self.app), self._money)

    @property
    def _shelf(self) -> ModelShelf:
        return self.query_one(ModelShelf)

    @property
    def _current(self) -> ModelFacts | None:
        """Of the model under the cursor."""
        found = self.query(ModelShelf)
        name = found.first().model if found else None
        return self.library.of(name) if self.library is not None and name is not None else None

    @property
    def _pull(self) -> Pull | None:
        """Of the model under the cursor; else the one that runs."""
        current = self._current
        own = self.pulls.of(current.name) if current is not None else None
        return own or self.pulls.running
