"""The Textual application: places, services, and what lies on top of every screen."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on
from textual._xterm_parser import XTermParser
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from cems_tui.text import visible
from screens import commands, places
from screens.dialogs import Answer, JumpDialog, QuitQuestion, TextDialog, help_facts
from screens.failures import log_traceback
from screens.keymap import problems
from screens.messages import (
    DialAsked,
    DialSet,
    EngineEvent,
    GenerateAsked,
    LibraryRead,
    PlaceAsked,
    PlaceEntered,
    PullsTold,
    QueueRefused,
    QueueTold,
    RemixAsked,
    Remixed,
    ResidentRead,
    RunTold,
)
from screens.palette import CemsCommands
from screens.places import HOME, PLACES, Place
from screens.services.defaults import (
    Defaults,
    Desks,
    ImageFactory,
    Services,
)
from screens.services.engine import Engine, EngineService
from screens.services.library import LibraryService, ModelKeeper
from screens.services.long_run import LongRun
from screens.services.planner import PlannerFactory
from screens.services.queue import Queueing, QueueService
from screens.theme import DARK, DEFAULTS, LIGHT, THEMES
from screens.widgets.obeyed import NothingObeyed
from screens.widgets.status import StatusLine
from screens.widgets.too_small import LEAST

if TYPE_CHECKING:
    from textual.command import Provider


def _palette() -> type[Provider]:
    return CemsCommands


class CemsApp(App[None], inherit_bindings=False):
    """Prompt-routed local image generation in the terminal."""

    TITLE = "cems"
    CSS_PATH: ClassVar[str | PurePath | list[str | PurePath] | None] = [
        Path(__file__).with_name("app.tcss"),
        HOME.styles,
    ]
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012  as Textual declares it
        (0, "-narrow"),
        (LEAST[0], "-slim"),
        (76, "-compact"),
        (120, "-wide"),
    ]
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012
        (0, "-low"),
        (LEAST[1], "-short"),
        (30, "-tall"),
    ]
    DEFAULT_MODE = HOME.id
    COMMANDS: ClassVar[set[Callable[[], type[Provider]] | type[Provider]]] = {_palette}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        *commands.bindings(places.APP),
        Binding("ctrl+c", "help_quit", show=False, system=True),
    ]

    def __init__(
        self,
        engine: Engine,
        planner_factory: PlannerFactory,
        new_image: ImageFactory,
        defaults: Defaults | None = None,
        clock: Callable[[], float] = time.monotonic,
        keeper: ModelKeeper | None = None,
        typed: str = "",
        queue: Queueing | None = None,
        desks: Desks | None = None,
    ) -> None:
        """The app on an engine; without a keeper of models it has no place for them.

        Args:
            typed: what came from the keyboard before the app did.
            queue: the rows that the engine's requests are.
        """
        super().__init__()
        self._filters.append(NothingObeyed())
        told = XTermParser().feed(typed)
        self._early: list[events.Event] | None = [e for e in told if isinstance(e, events.Event)]
        """Keys and pastes that wait for a widget; None once there is one."""
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = (defaults or Defaults()).theme
        desks = desks or Desks()
        self.services = Services(
            engine=EngineService(self, engine, clock),
            library=LibraryService(self, keeper) if keeper is not None else None,
            queue=QueueService(self, queue) if queue is not None else None,
            planner_factory=planner_factory,
            new_image=new_image,
            clock=clock,
            defaults=defaults or Defaults(),
            desks=desks,
            long_run=None if desks.benches is None else LongRun(self, desks.benches, clock),
        )
        self.custom_keys = self.services.defaults.keys
        for place in PLACES:
            self.add_mode(place.id, partial(self._open_place, place))

    def _open_place(self, place: Place) -> Screen[None]:
        """The screen of a place, with its styles, which are read when it is first shown."""
        screen = place.open(self.services)
        screen.css_path = [place.styles]
        return screen

    async def on_event(self, event: events.Event) -> None:
        """Keys and pastes that come before there is a widget for them wait for it."""
        waits = isinstance(event, events.Key | events.Paste) and not event.is_forwarded
        if self._early is not None and waits:
            self._early.append(event)
        else:
            await super().on_event(event)

    def on_ready(self) -> None:
        self.watch(self.screen, "focused", self._let_in)

    async def _let_in(self, focused: Widget | None) -> None:
        """There is a widget for keys now: those that came early come first."""
        if focused is None or self._early is None:
            return
        while self._early:
            await super().on_event(self._early.pop(0))
        self._early = None

    def on_mount(self) -> None:
        self._leave_when_asked_to_end()
        self._rebind()
        self._tell_problems()
        engine, library = self.services.engine, self.services.library
        engine.start()
        if self.services.queue is not None:
            self.call_after_refresh(self.services.queue.start)
        # what the session imports takes seconds of the processor; the first paint comes first
        self.call_after_refresh(engine.open)
        if (run := self.services.long_run) is not None:
            engine.changed.subscribe(self, run.follow_engine)
        if library is not None:
            engine.events.subscribe(self, library.follow_engine)
            self.call_after_refresh(library.read)

    def _leave_when_asked_to_end(self) -> None:
        """SIGTERM and SIGHUP quit as `ctrl+q` does: the terminal is given back as it was."""
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, None, 128 + number)

    def on_unmount(self) -> None:
        if self.services.long_run is not None:
            self.services.long_run.close()
        self.services.engine.close()
        if self.services.queue is not None:
            self.services.queue.close()
        if self.services.library is not None:
            self.services.library.close()

    def parting_words(self) -> list[str]:
        """What is left unfinished, for the terminal the app gives back."""
        return [line for place in PLACES for line in place.left(self.services, self)]

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The accents and the quiet grey of a theme that brings none."""
        return dict(DEFAULTS)

    def action_theme(self) -> None:
        """Dark becomes light, light dark, until the app ends."""
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name

    def get_key_display(self, binding: Binding) -> str:
        return commands.key_name(binding.key)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """None of Textual's own: the palette lists what the places declare."""
        return ()

    def _fatal_error(self) -> None:
        """What an unforeseen error leaves in the terminal: two lines; the log has the rest."""
        error = self._exception
        text = " ".join(f"{type(error).__name__}: {error}".split())
        self.panic(Text(f"cems: the app failed: {visible(text)}\n{log_traceback(error)}"))

    def _tell_problems(self) -> None:
        """What config.toml says that cannot be followed, at once."""
        wrong = self.services.defaults.problems
        if wrong:
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            key = commands.key_of(places.SETTINGS.command, self)
            text = f"The default holds meanwhile. {key} shows the settings and mends it."
            title = f"config.toml: {visible(wrong[0])}{more}"
            self.notify(text, title=title, severity="warning", markup=False, timeout=20)

    def _rebind(self) -> None:
        """Follows the user's keys if they can be followed; else says why not."""
        wrong = problems(self.custom_keys)
        if wrong:
            self.custom_keys = {}
            text = "Run `cems config validate` for the rest; the usual keys hold."
            self.notify(text, title=visible(wrong[0]), severity="warning", markup=False)
        self.set_keymap(dict(self.custom_keys))

    @on(EngineEvent)
    def _engine_told(self, message: EngineEvent) -> None:
        self.services.engine.follow(message.event)

    @on(QueueTold)
    def _queue_told(self, message: QueueTold) -> None:
        if self.services.queue is not None:
            self.services.queue.follow(message.told)

    @on(RunTold)
    def _run_told(self, message: RunTold) -> None:
        run = self.services.long_run
        if run is None:
            return
        run.follow(message)
        job = run.state
        if message.ended is not None and job is not None:
            self.bell()
            told, hint = message.problem or (f"the {job.called} is done", "")
            if job.stopping:
                told, hint = f"the {job.called} was stopped", "What is done is kept."
            self.notify(visible(hint), title=visible(told), markup=False, timeout=12)

    def action_stop_run(self) -> None:
        """Ends the long work that runs after what it does now."""
        if self.services.long_run is not None:
            self.services.long_run.stop()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is stopped where nothing runs."""
        if action == "stop_run":
            run = self.services.long_run
            return run is not None and run.running is not None and not run.running.stopping
        return super().check_action(action, parameters)

    @on(QueueRefused)
    def _queue_refused(self, message: QueueRefused) -> None:
        self.notify(message.hint, title=message.text, severity="warning", markup=False)

    @on(PullsTold)
    def _pulls_told(self, message: PullsTold) -> None:
        if self.services.library is not None:
            self.services.library.follow_pulls(message.told)

    @on(LibraryRead)
    def _library_read(self, message: LibraryRead) -> None:
        if self.services.library is not None:
            self.services.library.follow_read(message.library, message.problem)

    @on(ResidentRead)
    def _resident_read(self, message: ResidentRead) -> None:
        if self.services.library is not None:
            self.services.library.follow_resident(message.resident)

    @on(PlaceAsked)
    def _go(self, message: PlaceAsked) -> None:
        self.action_place(message.place)

    @on(GenerateAsked)
    async def _generate(self) -> None:
        self.action_place(HOME.id)
        await self.run_action(commands.GENERATE.action, default_namespace=self.screen)

    @on(RemixAsked)
    def _remix(self, message: RemixAsked) -> None:
        self.action_place(HOME.id)
        self.screen.post_message(Remixed(message.generation))

    @on(DialAsked)
    def _turn_dial(self, message: DialAsked) -> None:
        self.action_place(HOME.id)
        self.screen.post_message(DialSet(message.dial))

    def action_place(self, name: str) -> None:
        """Shows another screen; a dialog in front has to be answered first."""
        if self.screen.is_modal or name == self.current_mode:
            return
        if missing := places.place(name).missing(self.services):
            self.notify(missing, severity="warning")
            return
        self.switch_mode(name)
        self.screen.post_message(PlaceEntered())

    async def action_quit(self) -> None:
        """Quits; asks first where that would throw work away."""
        jobs = self.services.engine.state.work.jobs
        run = self.services.long_run
        running = None if run is None or run.running is None else run.running.called
        if (not jobs and running is None) or isinstance(self.screen, QuitQuestion):
            self.exit()
        else:
            kept = self.services.queue is not None
            question = QuitQuestion(jobs, kept=kept, running=running)
            self.push_screen(question, self._quit_if_agreed)

    def _quit_if_agreed(self, answer: Answer | None) -> None:
        if answer == "yes":
            self.exit()

    def action_help(self) -> None:
        if not self.screen.is_modal:
            facts = help_facts(self.focused, (*places.commands_on(self.screen), *places.APP), self)
            named = self.focused.border_title if self.focused else None
            title = Content.from_markup(named).plain if named else "Help"
            self.push_screen(TextDialog(title, facts))

    def action_jump(self) -> None:
        if self.screen.is_modal:
            return
        targets = {}
        for letter, name in getattr(self.screen, "JUMPS", {}).items():
            region = self.screen.query_one(f"#{name}").region
            if region:
                targets[letter] = (name, region.x + 1, region.y)
        for place, (start, _) in self.screen.query_one(StatusLine).columns():
            targets[place.letter] = (f"place:{place.id}", start - 2, 0)
        self.push_screen(JumpDialog(targets), self._jumped)

    def _jumped(self, name: str | None) -> None:
        if name is None:
            return
        if name.startswith("place:"):
            self.action_place(name.removeprefix("place:"))
        else:
            self.screen.query_one(f"#{name}").focus()
