"""The engine as the app knows it: what is asked of it, what it reports, what came of that."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from textual.signal import Signal

from cems_tui.domain.generation import Generation
from cems_tui.domain.request import Event, Failed, Generated, Request
from cems_tui.errors import CemsError
from cems_tui.services.engine.protocol import EngineLost
from screens.failures import log_traceback
from screens.messages import EngineEvent
from screens.totals import SessionTotals
from screens.work import Work

if TYPE_CHECKING:
    from textual.app import App

NOTHING_ASKED, NOTHING_MADE = Work(), SessionTotals()
REMEMBERED = 50
"""Pictures of this session that are listed."""

CLOSE_SECONDS = 2.0
"""How long closing waits for an order that is being given."""


class Engine(Protocol):
    """What the app asks of the engine process."""

    def open(self) -> None: ...
    def submit(self, request: Request) -> None: ...
    def cancel(self, request: str) -> None: ...
    def restart(self) -> None: ...
    def events(self) -> Iterator[Event]: ...


@dataclass(frozen=True, slots=True)
class EngineState:
    """What this run of the app asked for, and what it got."""

    work: Work = NOTHING_ASKED
    made: tuple[Generation, ...] = ()
    """The pictures, newest first."""

    totals: SessionTotals = NOTHING_MADE

    def after(self, event: Event, now: float) -> EngineState:
        """How things stand once the engine has reported the event."""
        state = replace(self, work=self.work.after(event, now))
        if not isinstance(event, Generated):
            return state
        made = (event.generation, *self.made)[:REMEMBERED]
        return replace(state, made=made, totals=self.totals.adding(event.generation))


class EngineService:
    """Holds the state; screens subscribe to `changed`, whoever needs each event to `events`.

    Only the UI's thread calls it. What goes down the engine's pipe is sent by a thread of its own,
    in the order it was asked for: a full pipe, or an engine that takes a second to end, holds up
    nobody who types. Its threads are daemons of ours: workers would delay quitting.
    """

    def __init__(
        self, app: App[None], process: Engine, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.process = process
        self.state = EngineState()
        self.changed: Signal[EngineState] = Signal(app, "engine")
        self.events: Signal[Event] = Signal(app, "engine events")
        self._app = app
        self._clock = clock
        self._orders: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._giving = threading.Thread(target=self._give, name="engine-orders", daemon=True)
        self._restarting = threading.Event()
        self._gone = False
        """Whether the last attempt to start an engine failed; the orders' thread alone uses it."""

    def start(self) -> None:
        """Begins to listen and to give orders."""
        self._listen()
        self._giving.start()

    def open(self) -> None:
        """Has the engine open its session, if it was started to wait."""
        self._orders.put(self.process.open)

    def submit(self, request: Request) -> None:
        """Queues the request; without an engine it waits for the fresh one."""
        lost = self.state.work.lost is not None
        self._set(work=self.state.work.submitting(request))
        if not lost:
            self._orders.put(partial(self._submit, request))

    def cancel(self, request: str) -> None:
        """Asks politely: a running request ends at its next step, a waiting one never begins."""
        running = self.state.work.running
        if running is not None and running.request.id == request:
            self._set(work=self.state.work.stopping(request))
        self._orders.put(partial(self.process.cancel, request))

    def restart(self) -> None:
        """A fresh engine in the place of a lost or stuck one; it gets what waits."""
        if self._restarting.is_set():
            return
        self._restarting.set()
        self._set(work=self.state.work.restarted())
        waiting = tuple(job.request for job in self.state.work.jobs)
        self._orders.put(partial(self._restart, waiting))

    def follow(self, event: Event) -> None:
        """The engine reported something."""
        self.state = self.state.after(event, self._clock())
        self.changed.publish(self.state)
        self.events.publish(event)

    def close(self) -> None:
        """No more orders; one that is being given is waited for."""
        self._orders.put(None)
        if self._giving.is_alive():
            self._giving.join(CLOSE_SECONDS)

    def _set(self, work: Work) -> None:
        self.state = replace(self.state, work=work)
        self.changed.publish(self.state)

    def _report(self, event: Event) -> None:
        """From any thread; a newer step may take the place of one that still waits."""
        self._app.post_message(EngineEvent(event))

    def _listen(self) -> None:
        def forward() -> None:
            for event in self.process.events():
                self._report(event)

        threading.Thread(target=forward, name="engine-events", daemon=True).start()

    def _give(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                order()
            except Exception as error:
                # the app goes on whatever an engine does; a fresh one is one key away
                text = f"the engine cannot be asked: {type(error).__name__}: {error}"
                self._report(EngineLost("", (), text, log_traceback(error)))

    def _submit(self, request: Request) -> None:
        if self._gone:
            return  # it is among what waits, and a fresh engine gets that
        try:
            self.process.submit(request)
        except CemsError as error:
            self._report(Failed(request.id, str(error), error.hint, error.exit_code))

    def _restart(self, waiting: tuple[Request, ...]) -> None:
        self._gone = True
        try:
            self.process.restart()
        except (OSError, ValueError) as error:
            text = f"no engine could be started: {error}"
            self._report(EngineLost("", (), text))
            return
        finally:
            self._restarting.clear()
        self._gone = False
        self._listen()
        for request in waiting:
            self._submit(request)
