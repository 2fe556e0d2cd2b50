"""The application: it owns the engine, pumps its events, and opens what lies on top."""

from __future__ import annotations

import threading
import time
import traceback
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
from textual.screen import Screen
from textual.theme import Theme

from cems_tui import paths
from cems_tui.errors import CemsError
from cems_tui.events import Event, Failed, Request
from cems_tui.text import visible
from cems_tui.worker import EngineLost
from screens import commands
from screens.dialogs import JumpDialog, TextDialog, help_facts
from screens.keymap import problems
from screens.messages import CancelAsked, EngineEvent, FreshEngineAsked, Submitted
from screens.planner import PlannerFactory
from screens.studio import StudioDefaults, StudioScreen
from screens.widgets.picture import ImageFactory

if TYPE_CHECKING:
    from textual.command import Provider

QUALITY, COST, ALARM, MUTED = "#3fc1b0", "#e0a83e", "#f2665c", "#93a1ad"

THEME = Theme(
    name="cems",
    primary=QUALITY,
    secondary="#7fa8c9",
    accent=COST,
    warning=COST,
    error=ALARM,
    success=QUALITY,
    background="#14171a",
    surface="#1a1e22",
    panel="#252b31",
    dark=True,
    variables={
        "border": QUALITY,
        "border-blurred": "#4a555e",
        "footer-key-foreground": QUALITY,
        "footer-background": "#14171a",
    },
)


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

    def __init__(
        self,
        engine: Engine,
        planner_factory: PlannerFactory,
        new_image: ImageFactory,
        defaults: StudioDefaults | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
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
        self._pump()
        # what the session imports takes seconds of the processor; the first paint comes first
        self.call_after_refresh(self._engine.open)

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
        self.panic(Text(f"cems: the app failed: {visible(text)}\n{_log(error)}"))

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

    # --- what lies on top --------------------------------------------------------------------

    def action_help(self) -> None:
        if len(self.screen_stack) == 1:
            listed = (*getattr(self.screen, "COMMAND_LIST", ()), *commands.APP)
            facts = help_facts(self.focused, listed, self)
            named = self.focused.border_title if self.focused else None
            title = Content.from_markup(named).plain if named else "Help"
            self.push_screen(TextDialog(title, facts))

    def action_jump(self) -> None:
        if len(self.screen_stack) > 1:
            return
        targets = {}
        for letter, name in getattr(self.screen, "JUMPS", {}).items():
            region = self.screen.query_one(f"#{name}").region
            if region:
                targets[letter] = (name, region.x + 1, region.y)
        self.push_screen(JumpDialog(targets), self._focus)

    def _focus(self, name: str | None) -> None:
        if name is not None:
            self.screen.query_one(f"#{name}").focus()


def _log(error: BaseException | None) -> str:
    """Appends the traceback to the log; returns the line that says where it is."""
    file = paths.current().log_file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)
    except OSError as problem:
        return f"The log cannot be written ({problem}); start `cems` again."
    return f"The details are in {file}; start `cems` again."
