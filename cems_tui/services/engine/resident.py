"""The resident engine: a process that stays to draw for the next command, and the next.

One command at a time has the turn, from its first words until it closes its line, as one that
draws itself holds the device for as long as it runs. A thread listens at the door; the main thread
works, and ends when nobody came for the time that was agreed, when it was asked to, or when a
model it was asked to free was the last.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from cems_tui.services.engine.child import TEND_SECONDS, Inbox, work_on
from cems_tui.services.engine.protocol import (
    EngineReady,
    Hello,
    Retire,
    Retiring,
    Session,
    Taken,
    Welcome,
)
from cems_tui.services.engine.resident_socket import Line, accept
from cems_tui.services.engine.wire import BadMessage

HELLO_SECONDS = 5.0
"""How long somebody at the door may take to say what they want."""

END_SECONDS = 10.0
"""How long a step may take to end once the engine was told to end; then the process is ended."""


class ResidentSession(Session, Protocol):
    """A session that commands take turns at."""

    def begin(self) -> None:
        """A command's turn begins: what others changed since the last is taken into account."""
        ...

    def keep_alive(self, seconds: float) -> None:
        """How long what nobody uses stays from now on."""
        ...


@dataclass(slots=True)
class _Turn:
    """The command that is drawn for."""

    line: Line
    inbox: Inbox
    command: str


class ResidentEngine:
    """Serves commands, one after the other."""

    def __init__(
        self,
        door: socket.socket,
        key: str,
        session: ResidentSession,
        keep_alive_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Listen at a door.

        Args:
            door: a socket that listens.
            key: what this engine was started from; a command of another key has it end.
            keep_alive_seconds: how long it stays when nobody comes.
        """
        self._door = door
        self._key = key
        self._session = session
        self._keep_alive_seconds = keep_alive_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._turn: _Turn | None = None
        self._ending = False
        self._emptied = False
        """Whether a model was freed as somebody asked; a command may have come meanwhile."""

        self._since = clock()
        self._killer: threading.Timer | None = None
        self._until_the_end: list[Line] = []
        """Lines of those who wait for the end, which is when these close."""

    def serve(self) -> None:
        """Serve until it is time to end; runs in the main thread."""
        threading.Thread(target=self._answer, name="door", daemon=True).start()
        try:
            while (turn := self._next_turn()) is not None:
                self._serve(turn)
                with self._changed:
                    self._turn = None
                    self._since = self._clock()
        finally:
            self._session.close()
            if self._killer is not None:
                self._killer.cancel()

    def _next_turn(self) -> _Turn | None:
        """The command whose turn it is, waiting for one; None when the engine is to end."""
        while True:
            freed = self._session.tend()
            self._emptied = (freed or self._emptied) and not self._session.resident()
            with self._changed:
                self._changed.wait_for(
                    lambda: self._turn is not None or self._ending, timeout=TEND_SECONDS
                )
                if self._turn is not None:
                    return self._turn
                idle = self._clock() - self._since >= self._keep_alive_seconds
                if self._ending or idle or self._emptied:
                    self._ending = True
                    return None
            self._session.idle(self._wanted)

    def _wanted(self) -> bool:
        """Whether a command has come, or the end."""
        return self._turn is not None or self._ending

    def _serve(self, turn: _Turn) -> None:
        inbox = turn.inbox
        self._session.begin()
        inbox.send(Welcome(os.getpid(), self._session.resident()))
        threading.Thread(target=inbox.listen, name="inbox", daemon=True).start()

        def tend() -> None:
            self._session.tend()

        while (request := inbox.next(tend)) is not None:
            work_on(self._session, inbox, request)
            inbox.send(EngineReady(request.id, self._session.resident()))
        turn.line.close()

    # At the door.

    def _answer(self) -> None:
        while True:
            try:
                line = accept(self._door)
            except OSError:
                return  # the engine has ended
            if line is not None:
                threading.Thread(target=self._greet, args=(line,), daemon=True).start()

    def _greet(self, line: Line) -> None:
        try:
            line.limit(HELLO_SECONDS)
            message = line.recv()
            line.limit(None)
            if isinstance(message, Hello):
                answer = self._hello(message, line)
            elif isinstance(message, Retire):
                answer = self._retire(patient=message.patient)
            else:
                raise BadMessage("neither a greeting nor a farewell")
            if answer is not None:
                line.send(answer)
            if isinstance(answer, Retiring):
                self._until_the_end.append(line)
            if isinstance(answer, Taken):
                line.close()
        except (EOFError, OSError, BadMessage):
            line.close()

    def _hello(self, hello: Hello, line: Line) -> Taken | Retiring | None:
        """None when the turn is theirs: the main thread welcomes them."""
        with self._changed:
            if self._turn is not None:
                return self._taken(self._turn)
            if self._ending or hello.key != self._key:
                self._end()
                return Retiring()
            if hello.keep_alive_seconds is not None:
                self._keep_alive_seconds = hello.keep_alive_seconds
                self._session.keep_alive(hello.keep_alive_seconds)
            self._turn = _Turn(line, Inbox(line, outlives=True), hello.command)
            self._changed.notify_all()
            return None

    def _retire(self, *, patient: bool) -> Taken | Retiring:
        with self._changed:
            if self._turn is not None and not patient:
                return self._taken(self._turn)
            self._end()
            return Retiring()

    def _taken(self, turn: _Turn) -> Taken:
        return Taken(os.getpid(), turn.command, turn.inbox.closed)

    def _end(self) -> None:
        """Under the lock: no turn begins from now on."""
        self._ending = True
        self._changed.notify_all()
        if self._turn is None and self._killer is None:
            self._killer = threading.Timer(END_SECONDS, os._exit, args=(0,))
            self._killer.daemon = True
            self._killer.start()


def closed(door: socket.socket) -> None:
    """Nobody comes in any more."""
    with suppress(OSError):
        door.shutdown(socket.SHUT_RDWR)
    door.close()
