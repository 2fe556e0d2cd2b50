"""The session in a child process, so that importing torch never stalls the terminal.

Requests go down one pipe, events come back up it. The child ends when the pipe does, whoever
broke it, and its own output goes to the log file.
"""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from cems_tui.domain.request import Event, Failed, Generated, Request
from cems_tui.errors import GenerationError
from cems_tui.services.engine.child import LateSession, serve_and_leave
from cems_tui.services.engine.protocol import (
    Cancel,
    Close,
    EngineLost,
    Open,
    OpenFailed,
    PreparedSession,
    Started,
)

CLOSE_SECONDS = 0.25
"""How long a child that was asked to end may take before it is killed: nothing of it is lost by
that, and the user waits for the terminal."""


class EngineProcess:
    """Requests in, events out; closing it ends the child and frees the device.

    Start it before the terminal is taken over. `submit`, `cancel` and `kill` may be called from
    any thread; one thread at a time iterates over `events`.
    """

    def __init__(self, open_session: Callable[[], PreparedSession]) -> None:
        """`open_session` is called in the child, so it must be picklable."""
        self._open_session = open_session
        self._lock = threading.Lock()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._unfinished: dict[str, bool] = {}  # id → begun, in the order of submission
        self._closing = False

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self, open_now: bool = True) -> None:
        """Starts the child; returns at once, long before the session is open.

        With `open_now` false the child waits for `open` or a request before it imports what the
        session needs, so that it takes no time from what the caller does first.
        """
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(
            target=serve_and_leave,
            args=(there, LateSession(pickle.dumps(self._open_session))),
            name="cems-engine",
            daemon=True,
        )
        process.start()
        if open_now:
            here.send(Open())
        there.close()  # the child's copy is now the only one, so its death is our end of file
        with self._lock:
            self._process, self._connection = process, here
            self._unfinished.clear()
            self._closing = False

    def open(self) -> None:
        """Has the child open its session, if it was started to wait."""
        with self._lock:
            self._send(Open())

    def submit(self, request: Request) -> None:
        """Queues the request behind those already submitted.

        Raises:
            GenerationError: there is no child to give it to.
        """
        with self._lock:
            self._unfinished[request.id] = False
            if not self._send(request):
                del self._unfinished[request.id]
                raise GenerationError("the engine is not running", "Start a fresh engine.")

    def cancel(self, request: str) -> None:
        """Asks politely: a running request ends at its next step, a waiting one never begins."""
        with self._lock:
            self._send(Cancel(request))

    def kill(self) -> None:
        """Ends the child at once, as when a step never ends; `events` reports the loss."""
        if self._process is not None:
            self._process.kill()

    def restart(self) -> None:
        """Replaces the child by a fresh one; what the old one had not finished is forgotten."""
        self.close()
        self.start()

    def events(self) -> Iterator[Event]:
        """Every event of this child, waiting for each; ends with it. Call it from a thread."""
        process, connection = self._process, self._connection
        if process is None or connection is None:
            return
        refused: OpenFailed | None = None
        while True:
            try:
                event = connection.recv()
            except (EOFError, OSError):
                break
            if isinstance(event, OpenFailed):
                refused = event
                continue
            self._follow(event)
            yield event
        process.join(CLOSE_SECONDS)
        with self._lock:
            wanted = self._closing or process is not self._process
        if not wanted:
            yield self._loss(process, refused)

    def close(self) -> None:
        """Ends the child within half a second: asked first, then killed."""
        with self._lock:
            self._closing = True
            self._send(Close())
        process = self._process
        if process is None:
            return
        process.join(CLOSE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join(CLOSE_SECONDS / 2)

    def _send(self, message: Request | Cancel | Open | Close) -> bool:
        """Whether the child's end of the pipe took it."""
        if self._connection is None:
            return False
        try:
            self._connection.send(message)
        except OSError:
            return False
        return True

    def _follow(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Started):
                self._unfinished[event.request] = True
            elif isinstance(event, Generated | Failed):
                self._unfinished.pop(event.request, None)

    def _loss(self, process: BaseProcess, refused: OpenFailed | None) -> EngineLost:
        with self._lock:
            running = next((name for name, begun in self._unfinished.items() if begun), "")
            waiting = tuple(name for name, begun in self._unfinished.items() if not begun)
            self._unfinished.clear()
            self._connection = None  # said once
        if refused is not None:
            return EngineLost(running, waiting, refused.message, refused.hint)
        return EngineLost(running, waiting, f"the engine {_ending(process.exitcode)}")


def _ending(exit_code: int | None) -> str:
    """How a process ended, in words: `was killed (SIGKILL)`, `ended by itself (exit 3)`."""
    import signal

    if exit_code is None:
        return "does not answer"
    if exit_code >= 0:
        return f"ended by itself (exit {exit_code})"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"was killed ({name})"
