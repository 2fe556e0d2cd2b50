"""The application: it owns the engine, pumps its events, and opens what lies on top."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from rich.text import Text
from textual import on, work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen, Screen

from cems_tui.domain.request import Event, Failed, Request
from cems_tui.errors import CemsError
from cems_tui.models.queue import Pulls, QueueUpdate
from cems_tui.services.library import Library, Resident
from cems_tui.services.worker import EngineLost, EngineReady
from cems_tui.text import counted, visible
from screens import commands
from screens.dialogs import JumpDialog, TextDialog, help_facts
from screens.failing import log_traceback
from screens.keymap import problems
from screens.messages import (
    CancelAsked,
    EngineEvent,
    FreshEngineAsked,
    LibraryRead,
    ModelsChanged,
    PauseAsked,
    PlaceAsked,
    PullAsked,
    PullsTold,
    Submitted,
    UnqueueAsked,
)
from screens.models import facts as model_facts
from screens.models.keeper import ModelKeeper, Pulling
from screens.models.screen import ModelsScreen
from screens.studio.picture import ImageFactory
from screens.studio.pricer import PlannerFactory
from screens.studio.screen import StudioDefaults, StudioScreen
from screens.theme import COST, MUTED, QUALITY, THEME
from screens.widgets.status import StatusLine

if TYPE_CHECKING:
    from textual.command import Provider


class Engine(Protocol):
    """What the app asks of the engine process."""

    def open(self) -> None: ...
    def submit(self, request: Request) -> None: ...
    def cancel(self, request: str) -> None: ...
    def restart(self) -> None: ...
    def events(self) -> Iterator[Event]: ...


def _palette() -> type[Provider]:
    from screens.palette import CemsCommands

    return CemsCommands


class CemsApp(App[None], inherit_bindings=False):
    """Prompt-routed local image generation in the terminal."""

    TITLE = "cems"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012  as Textual declares it
        (0, "-compact"),
        (120, "-wide"),
    ]
    COMMANDS: ClassVar[set[Callable[[], type[Provider]] | type[Provider]]] = {_palette}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        *commands.bindings(commands.APP),
        Binding("ctrl+c", "help_quit", show=False, system=True),
    ]

    @dataclass
    class Restarted(Message):
        """A fresh engine is there, or could not be started."""

        problem: str = ""

    @dataclass
    class ResidentRead(Message):
        """What is on the device."""

        resident: Resident

    def __init__(
        self,
        engine: Engine,
        planner_factory: PlannerFactory,
        new_image: ImageFactory,
        defaults: StudioDefaults | None = None,
        clock: Callable[[], float] = time.monotonic,
        keeper: ModelKeeper | None = None,
    ) -> None:
        """The app on an engine; without a keeper of models it has no place for them."""
        super().__init__()
        self._keeper = keeper
        self._pulling: Pulling | None = None
        self._library: Library | None = None
        self._pulls = Pulls()
        self._engine_told = False
        self._models = ModelsScreen(keeper) if keeper is not None else None
        self.register_theme(THEME)
        self.theme = THEME.name
        self._engine = engine
        self._held: list[Request] | None = None  # what is asked while the engine is replaced
        chosen = defaults or StudioDefaults()
        self.custom_keys = chosen.keys
        self._studio = StudioScreen(planner_factory, new_image, clock, chosen)

    def get_default_screen(self) -> Screen[None]:
        return self._studio

    def on_mount(self) -> None:
        self._rebind()
        if self._models is not None:
            self.install_screen(self._models, "models")  # so that leaving it keeps it
        self._pump()
        # what the session imports takes seconds of the processor; the first paint comes first
        self.call_after_refresh(self._engine.open)
        self.call_after_refresh(self._open_models)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The accents and the quiet grey, whatever the theme."""
        return {"quality": QUALITY, "cost": COST, "muted": MUTED}

    def get_key_display(self, binding: Binding) -> str:
        return commands.key_name(binding.key)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """None of Textual's own: the palette lists what `commands` declares."""
        return ()

    def _fatal_error(self) -> None:
        """What an unforeseen error leaves in the terminal: two lines; the log has the rest."""
        error = self._exception
        text = " ".join(f"{type(error).__name__}: {error}".split())
        self.panic(Text(f"cems: the app failed: {visible(text)}\n{log_traceback(error)}"))

    def _rebind(self) -> None:
        """Follows the user's keys if they can be followed; else says why not."""
        wrong = problems(self.custom_keys)
        if wrong:
            self.custom_keys = {}
            text = "Run `cems config validate` for the rest; the usual keys hold."
            self.notify(text, title=visible(wrong[0]), severity="warning", markup=False)
        self.set_keymap(dict(self.custom_keys))

    # --- the engine --------------------------------------------------------------------------

    def _pump(self) -> None:
        """Forwards the engine's events. A daemon thread of ours: a worker would delay quitting."""

        def forward() -> None:
            for event in self._engine.events():
                self._studio.post_message(EngineEvent(event))
                self.post_message(EngineEvent(event))

        threading.Thread(target=forward, name="engine-events", daemon=True).start()

    @on(Submitted)
    def _submit(self, message: Submitted) -> None:
        if self._held is not None:
            self._held.append(message.request)
        else:
            self._give(message.request)

    @on(CancelAsked)
    def _cancel(self, message: CancelAsked) -> None:
        self._engine.cancel(message.request)

    @on(FreshEngineAsked)
    def _replace_engine(self, message: FreshEngineAsked) -> None:
        if self._held is None:
            self._held = list(message.requests)
            self._restart_engine()

    @work(thread=True, group="engine", exit_on_error=False)
    def _restart_engine(self) -> None:
        """In a thread: an engine that does not listen takes a second to end."""
        try:
            self._engine.restart()
        except (OSError, ValueError) as error:
            self.post_message(self.Restarted(str(error)))
        else:
            self.post_message(self.Restarted())

    @on(Restarted)
    def _resume(self, message: Restarted) -> None:
        held, self._held = self._held or [], None
        if message.problem:
            lost = EngineLost("", (), f"no engine could be started: {message.problem}")
            self._studio.post_message(EngineEvent(lost))
            return
        self._pump()
        for request in held:
            self._give(request)

    def _give(self, request: Request) -> None:
        try:
            self._engine.submit(request)
        except CemsError as error:
            failed = Failed(request.id, str(error), error.hint, error.exit_code)
            self._studio.post_message(EngineEvent(failed))

    # --- the models --------------------------------------------------------------------------

    @work(thread=True, group="library", exit_on_error=False)
    def _open_models(self) -> None:
        """The queue of pulls with what an earlier run left, and what there is."""
        if self._keeper is None:
            return
        self._pulling = self._keeper.pulling()
        self._pulling.listen(self._tell_pulls)
        self._read_models(self._keeper)

    def _tell_pulls(self, told: QueueUpdate) -> None:
        self.post_message(PullsTold(told))

    @work(thread=True, group="library", exit_on_error=False)
    def _reread_models(self) -> None:
        if self._keeper is not None:
            self._read_models(self._keeper)
            if self._engine_told:
                self.post_message(self.ResidentRead(self._keeper.resident()))

    def _read_models(self, keeper: ModelKeeper) -> None:
        try:
            read = LibraryRead(keeper.read())
        except CemsError as error:
            read = LibraryRead(None, (str(error), error.hint))
        except Exception as error:
            # the studio must go on whatever a disk or a driver does; its words stand in the list
            text = f"the models cannot be listed: {type(error).__name__}: {error}"
            read = LibraryRead(None, (text, log_traceback(error)))
        self.post_message(read)

    @on(LibraryRead)
    def _library_read(self, message: LibraryRead) -> None:
        if message.library is not None:
            self._library = message.library
            self._studio.holds = self._holds(message.library)
        if self._models is not None:
            self._models.problem = message.error
            self._models.library = self._library

    def _holds(self, library: Library) -> str:
        """The line that says what this machine can hold, where there is more than it has."""
        more = [facts for facts in library.drawing if not facts.model.installed]
        if not more:
            return ""
        key = commands.key_of(commands.TO_MODELS, self)
        count = f"{library.holdable} of {len(library.drawing)} models"
        return f"this machine can hold {count} · {key} Models"

    @on(PullsTold)
    def _follow_pulls(self, message: PullsTold) -> None:
        told, before = message.told, self._pulls
        self._pulls = told.pulls
        if self._models is not None:
            self._models.pulls = told.pulls
        for pull in told.pulls.failed:
            if (old := before.of(pull.model)) is not None and old.state != "failed":
                title = visible(pull.note)
                self.notify(pull.hint, title=title, severity="warning", markup=False)
        if told.installed is not None:
            functions = counted(len(told.installed.functions), "function")
            title = f"{visible(told.installed.model)} is installed"
            self.notify(f"{functions} to draw with", title=title, markup=False)
            self.post_message(ModelsChanged())
        elif len(told.pulls.pulls) < len(before.pulls):
            self._reread_models()  # one was cancelled: what it fetched is told in its row

    @on(ModelsChanged)
    def _restock(self) -> None:
        self._reread_models()
        self._studio.reconsider()

    @on(PullAsked)
    def _pull(self, message: PullAsked) -> None:
        for model in message.models:
            if self._pulling is not None:
                self._pulling.add(model, agreed=message.agreed)

    @on(PauseAsked)
    def _pause(self, message: PauseAsked) -> None:
        if self._pulling is not None:
            self._pulling.pause(message.model)

    @on(UnqueueAsked)
    def _unqueue(self, message: UnqueueAsked) -> None:
        if self._pulling is not None:
            self._pulling.cancel(message.model)

    @on(EngineEvent)
    def _tell_resident(self, message: EngineEvent) -> None:
        """The models screen shows what the engine holds."""
        if isinstance(message.event, EngineReady):
            self._engine_told = True
            self._read_resident()
        elif isinstance(message.event, EngineLost) and self._models is not None:
            self._models.resident = None

    @work(thread=True, group="resident", exit_on_error=False)
    def _read_resident(self) -> None:
        if self._keeper is not None:
            self.post_message(self.ResidentRead(self._keeper.resident()))

    @on(ResidentRead)
    def _show_resident(self, message: ResidentRead) -> None:
        if self._models is not None:
            self._models.resident = message.resident

    def on_unmount(self) -> None:
        """What is being pulled is paused: the next start goes on with it."""
        if self._pulling is not None:
            self._pulling.close()
            self._pulls = self._pulling.pulls

    def parting_words(self) -> list[str]:
        """What is left unfinished, for the terminal the app gives back."""
        where, how = (commands.key_of(c, self) for c in (commands.TO_MODELS, commands.PAUSE))
        return [
            f"{visible(pull.model)}: {model_facts.paused_words(pull)}; "
            f"`cems` ({where}, {how}) or `cems pull {visible(pull.model)}` goes on"
            for pull in self._pulls.paused
        ]

    # --- what lies on top --------------------------------------------------------------------

    @on(PlaceAsked)
    def _go(self, message: PlaceAsked) -> None:
        self.action_place(message.place)
        if message.place == "generate":
            self._studio.action_generate()

    def action_place(self, place: str) -> None:
        """Shows another screen; a dialog in front has to be answered first."""
        if isinstance(self.screen, ModalScreen):
            return
        wanted = self._models if place == "models" else self._studio
        if wanted is None:
            self.notify("This app was opened without models.", severity="warning")
        elif wanted is self._studio:
            while self.screen is not self._studio:
                self.pop_screen()
        elif self.screen is not wanted:
            self.push_screen(wanted)
            self._reread_models()  # pictures were measured meanwhile, others pulled or hold models

    def action_help(self) -> None:
        if not isinstance(self.screen, ModalScreen):
            listed = (*getattr(self.screen, "COMMAND_LIST", ()), *commands.APP)
            facts = help_facts(self.focused, listed, self)
            named = self.focused.border_title if self.focused else None
            title = Content.from_markup(named).plain if named else "Help"
            self.push_screen(TextDialog(title, facts))

    def action_jump(self) -> None:
        if isinstance(self.screen, ModalScreen):
            return
        targets = {}
        for letter, name in getattr(self.screen, "JUMPS", {}).items():
            region = self.screen.query_one(f"#{name}").region
            if region:
                targets[letter] = (name, region.x + 1, region.y)
        columns = self.screen.query_one(StatusLine).columns()
        for place, (start, _) in columns.items():
            targets[place[0]] = (f"place:{place}", start - 2, 0)
        self.push_screen(JumpDialog(targets), self._jumped)

    def _jumped(self, name: str | None) -> None:
        if name is None:
            return
        if name.startswith("place:"):
            self.action_place(name.removeprefix("place:"))
        else:
            self.screen.query_one(f"#{name}").focus()
