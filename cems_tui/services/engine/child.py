"""The child's side of the engine: a thread that listens, a main thread that works."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from cems_tui import log
from cems_tui.domain.request import Event, Failed, Generated, Request
from cems_tui.errors import CemsError, Interrupted
from cems_tui.services.engine.protocol import (
    Cancel,
    Channel,
    EngineReady,
    Open,
    OpenFailed,
    PreparedSession,
    Session,
    Started,
    Welcome,
)
from cems_tui.services.engine.wire import BadMessage
from cems_tui.text import loggable

TEND_SECONDS = 0.5
"""How often an idle child looks whether a model is due to leave."""

MESSAGE_CHARACTERS = 200
"""How much of an unexpected exception is shown; the whole of it is in the log."""


@dataclass(frozen=True, slots=True)
class LateSession:
    """What opens a session, whose modules are imported when it is opened: not beside what the
    parent imports for its first frame."""

    pickled: bytes
    """By the parent, for its child."""

    def __call__(self) -> PreparedSession:
        open_session: Callable[[], PreparedSession] = pickle.loads(self.pickled)
        return open_session()


def serve_and_leave(connection: Channel, open_session: Callable[[], PreparedSession]) -> None:
    """`serve`, as the whole of a process: it ends at once, without taking torch down."""
    serve(connection, open_session)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def serve(connection: Channel, open_session: Callable[[], PreparedSession]) -> None:
    """Works on requests until the pipe is closed. Runs in the child's main thread."""
    _lock_among_threads()
    # ctrl+c reaches the whole foreground group: what it means is for the parent to decide
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    write_to_the_log()
    inbox = Inbox(connection)
    threading.Thread(target=inbox.listen, name="inbox", daemon=True).start()
    if not inbox.wait_to_open():
        return
    try:
        session = open_session()
    except Exception as error:
        inbox.send(OpenFailed("", *_words(error)))
        return
    try:
        inbox.send(EngineReady("", session.resident()))
        session.prepare()

        def tend() -> None:
            left = session.tend()
            if session.idle(inbox.wanted) or left:
                inbox.send(EngineReady("", session.resident()))

        while (request := inbox.next(tend)) is not None:
            work_on(session, inbox, request)
            inbox.send(EngineReady(request.id, session.resident()))
    finally:
        session.close()


def work_on(session: Session, inbox: Inbox, request: Request) -> None:
    """One request from `Started` to its last event, whatever happens in between."""
    ended = False

    def emit(event: Event) -> None:
        nonlocal ended
        inbox.send(event)
        ended = ended or isinstance(event, Generated | Failed)

    inbox.send(Started(request.id))
    try:
        session.run(request, emit, inbox.stop)
        if not ended:
            raise Interrupted("stopped before the picture was ready")
    except Exception as error:
        if not ended:
            message, hint = _words(error)
            code = error.exit_code if isinstance(error, CemsError) else 1
            inbox.send(Failed(request.id, message, hint, code))


def _words(error: Exception) -> tuple[str, str]:
    """What to tell the user; what we did not foresee goes to the log in full."""
    if isinstance(error, CemsError):
        return str(error), error.hint
    said = loggable("".join(traceback.format_exception(error)))
    print(said, file=sys.stderr, flush=True)
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text[:MESSAGE_CHARACTERS], f"The log has the details: {log.file()}"


class Inbox:
    """What the parent asked for, shared by the listening and the working thread."""

    def __init__(self, connection: Channel, *, outlives: bool = False) -> None:
        """Nothing is listened to yet.

        Args:
            outlives: whether this process goes on when the line ends; a child does not.
        """
        self._connection = connection
        self._outlives = outlives
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._waiting: deque[Request] = deque()
        self._current: str | None = None
        self._stop_current = False
        self._open = False
        self._closed = False

    def listen(self) -> None:
        """Takes messages until the other end closes, or is lost."""
        try:
            while True:
                message = self._connection.recv()
                if isinstance(message, Request):
                    self._append(message)
                elif isinstance(message, Open):
                    self._set_open()
                elif isinstance(message, Cancel):
                    self._cancel(message.request)
                else:
                    self.close()
        except (EOFError, OSError, BadMessage):
            if not self._outlives:
                os._exit(0)
            self.close()

    def wait_to_open(self) -> bool:
        """Waits until there is a reason to open the session; False when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._open or self._waiting or self._closed)
            return not self._closed

    def next(self, idle: Callable[[], None]) -> Request | None:
        """The next request, waiting for one; None when the parent wants us to end.

        Args:
            idle: called before waiting, and again and again while there is none.
        """
        with self._changed:
            self._current = None
        while True:
            idle()
            with self._changed:
                if self._changed.wait_for(
                    lambda: self._waiting or self._closed, timeout=TEND_SECONDS
                ):
                    break
        with self._changed:
            if self._closed:
                return None
            request = self._waiting.popleft()
            self._current, self._stop_current = request.id, False
            return request

    @property
    def closed(self) -> bool:
        """Whether nothing more is asked by the other end."""
        return self._closed

    def stop(self) -> bool:
        """Whether the running request should end at this step."""
        return self._stop_current or self._closed

    def wanted(self) -> bool:
        """Whether a request waits, or the end."""
        return bool(self._waiting) or self._closed

    def send(self, event: Event | Welcome) -> None:
        """Reports to the other end, from any thread; when that is gone, what runs is stopped."""
        try:
            with self._sending:
                self._connection.send(event)
        except OSError:
            self.close()

    def _set_open(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify()

    def _append(self, request: Request) -> None:
        with self._changed:
            self._waiting.append(request)
            self._changed.notify()

    def close(self) -> None:
        """No more requests; the one that runs ends at its next step."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _cancel(self, name: str) -> None:
        with self._changed:
            if name == self._current:
                self._stop_current = True
                return
            kept = deque(request for request in self._waiting if request.id != name)
            waited = len(kept) < len(self._waiting)
            self._waiting = kept
        if waited:
            self.send(Failed(name, "cancelled before it began", Interrupted.hint, 130))


def _lock_among_threads() -> None:
    """Progress bars of libraries, which nobody sees, share no semaphore with other processes.

    Such a one outlives a process that is killed, and Python tells so on the terminal
    ("leaked semaphore objects") long after the app has left it.
    """
    if find_spec("tqdm") is not None:
        from tqdm import tqdm

        tqdm.set_lock(threading.RLock())


def write_to_the_log() -> None:
    """Points stdout and stderr at the log file: the terminal belongs to the app."""
    file = log.file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        target = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError:
        # a folder that cannot be written is the session's to report; drawing must not fail first
        target = os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    import faulthandler

    faulthandler.enable(file=2)
