"""A command's side of the resident engine: it is found or started, and drawn through."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from cems_tui import log
from cems_tui.cancel import Stop
from cems_tui.domain.generation import Generation
from cems_tui.domain.request import Event, Failed, Generated, Request, Starting
from cems_tui.errors import (
    BudgetReached,
    CemsError,
    DeviceBusy,
    GenerationError,
    GenerationTimeout,
    Interrupted,
    OutOfMemory,
    StorageError,
    UsageError,
    WeightsError,
)
from cems_tui.locks import this_command
from cems_tui.services.engine.protocol import (
    Cancel,
    EngineReady,
    Hello,
    Retire,
    Retiring,
    Taken,
    Welcome,
)
from cems_tui.services.engine.resident_socket import Line, connect
from cems_tui.services.engine.wire import BadMessage

POLL_SECONDS = 0.05
LEAVING_SECONDS = 20.0
"""How long an engine may take to end, or to end the step of a command that is gone."""

START_SECONDS = 300.0
"""How long a fresh engine may take to listen: a second on an idle machine."""

CANCEL_SECONDS = 20.0
"""How long a step may take to end after ctrl+c."""

_ERRORS: dict[int, type[CemsError]] = {
    error.exit_code: error
    for error in (
        *(GenerationError, UsageError, WeightsError, GenerationTimeout, OutOfMemory),
        *(BudgetReached, DeviceBusy, StorageError, Interrupted),
    )
}
"""What the engine tells with an exit code is raised here as it was there."""


@dataclass(slots=True)
class ResidentClient:
    """What a command draws with, in the place of a session of its own."""

    folder: Path
    """Where the engine's socket is."""

    key: str
    keep_alive_seconds: float | None
    start_engine: Callable[[], subprocess.Popen[bytes]]
    await_device: Callable[[], None]
    """Returns when no other process holds the device; raises DeviceBusy."""

    wait_seconds: float = 0.0
    """How long to wait for another command's turn to end."""

    _learn: Callable[[Generation], None] = lambda generation: None
    _session: str | None = None
    _pictures: Path | None = None
    _line: Line | None = None
    _starting: subprocess.Popen[bytes] | None = None
    _resident: frozenset[str] = field(default_factory=frozenset)

    def open(self) -> bool:
        """Take the turn of an engine that is there; whether one was.

        Raises:
            DeviceBusy: another command has the turn.
        """
        return self._greet()

    def start(self) -> None:
        """Begin to start an engine; does not wait for it.

        Raises:
            DeviceBusy: another process holds the device.
        """
        self.await_device()
        self._starting = self.start_engine()

    @property
    def there(self) -> bool:
        """Whether an engine has welcomed us."""
        return self._line is not None

    def serves(self, session: str, pictures: Path, learn: Callable[[Generation], None]) -> None:
        """What requests are completed with.

        Args:
            session: the one that pictures belong to.
            pictures: where they go unless a request says otherwise; absolute.
            learn: told of every finished picture.
        """
        self._session, self._pictures, self._learn = session, pictures, learn

    def close(self) -> None:
        """Give the turn back; the engine stays for the next command."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def resident(self) -> frozenset[str]:
        """Names of the models on the device, as far as told."""
        return self._resident

    def run(self, request: Request, emit: Callable[[Event], None], stop: Stop) -> Generation:
        """One picture, as `Session.run`: what is raised there is raised here."""
        line = self._ready(request.id, emit, stop)
        try:
            folder = self._pictures if request.out_dir is None else request.out_dir.absolute()
            session = request.session or self._session
            line.send(replace(request, session=session, out_dir=folder))
            return self._follow(line, request, emit, stop)
        except (EOFError, OSError, BadMessage) as error:
            self.close()
            raise GenerationError(
                "the engine ended while it drew", f"The log has the details: {log.file()}"
            ) from error
        except KeyboardInterrupt:
            self._cancel(line, request)
            raise

    def _follow(
        self, line: Line, request: Request, emit: Callable[[Event], None], stop: Stop
    ) -> Generation:
        made: Generation | None = None
        told: Failed | None = None
        cancelled = False
        while True:
            if not cancelled and stop():
                cancelled = True
                line.send(Cancel(request.id))
            if not line.ready(POLL_SECONDS):
                continue
            match line.recv():
                case EngineReady(request=name, resident=resident) if name == request.id:
                    self._resident = resident
                    break
                case Generated(generation=generation) if generation.id == request.id:
                    made = generation
                    self._learn(generation)
                    emit(Generated(request.id, generation))
                case Failed() as failed if failed.request == request.id:
                    told = failed
                case Event() as event:
                    emit(event)
        if made is None:
            raise _raised(told)
        return made

    def _cancel(self, line: Line, request: Request) -> None:
        """Have the engine end the step, and wait for that: the next command finds it free."""
        try:
            line.send(Cancel(request.id))
            line.limit(CANCEL_SECONDS)
            while True:
                message = line.recv()
                if isinstance(message, EngineReady) and message.request == request.id:
                    break
        except (EOFError, OSError, BadMessage) as error:
            log.error("the engine did not end the step: %s", error)
        self.close()

    def _ready(self, request: str, emit: Callable[[Event], None], stop: Stop) -> Line:
        """The line of an engine whose turn this is; started, or started again, if need be."""
        if self._line is None:
            emit(Starting(request))
            if self._starting is None and not self._greet():
                self._starting = self.start_engine()
            self._until_started(stop)
        assert self._line is not None, "the engine has welcomed us"
        return self._line

    def _until_started(self, stop: Stop) -> None:
        end = time.monotonic() + START_SECONDS
        while self._line is None and not self._greet():
            ended = self._starting is None or self._starting.poll() is not None
            if stop():
                raise Interrupted("stopped while the engine was starting", hint="")
            # one that ended may have found another engine at its start: that one is greeted
            if (ended and not self._greet()) or time.monotonic() > end:
                raise GenerationError(
                    "the engine could not be started", f"The log has the details: {log.file()}"
                )
            time.sleep(POLL_SECONDS)
        self._starting = None

    def _greet(self) -> bool:
        """Whether an engine is there, and has welcomed us.

        Raises:
            DeviceBusy: another command has the turn, and keeps it for as long as we may wait.
        """
        end = time.monotonic() + self.wait_seconds
        least = time.monotonic() + LEAVING_SECONDS
        while (line := connect(self.folder)) is not None:
            try:
                line.send(Hello(self.key, this_command(), self.keep_alive_seconds))
                answer = line.recv()
            except (EOFError, OSError, BadMessage):
                line.close()
                if time.monotonic() >= least:
                    raise GenerationError(
                        "the engine does not answer", "Stop it with `cems stop`."
                    ) from None
                time.sleep(POLL_SECONDS)
                continue  # it ended meanwhile
            if isinstance(answer, Welcome):
                self._line, self._resident = line, answer.resident
                return True
            if isinstance(answer, Retiring):
                _until_closed(line)
                return False
            line.close()
            now = time.monotonic()
            gone = isinstance(answer, Taken) and answer.leaving
            if now >= (max(end, least) if gone else end):
                raise _busy(answer)
            time.sleep(POLL_SECONDS)
        return False


def retire(folder: Path, *, patient: bool = False) -> bool:
    """Have the engine that listens there give the device to others and end, if it is idle.

    Args:
        patient: whether one that a command has the turn of is to end after that.

    Returns:
        Whether there was one, and it has ended or is going to.
    """
    line = connect(folder)
    if line is None:
        return False
    try:
        line.limit(LEAVING_SECONDS)
        line.send(Retire(patient))
        if not isinstance(line.recv(), Retiring):
            return False
        if not patient:
            _until_closed(line)
        return True
    except (EOFError, OSError, BadMessage):
        return True  # it ended before it could say so
    finally:
        line.close()


def _until_closed(line: Line) -> None:
    """Until the process at the other end is gone."""
    line.limit(LEAVING_SECONDS)
    try:
        while True:
            line.recv()
    except (EOFError, OSError, BadMessage):
        line.close()


def _busy(answer: object) -> DeviceBusy:
    if isinstance(answer, Taken):
        return DeviceBusy(f"the engine, process {answer.pid}, draws for {answer.command!r}")
    return DeviceBusy("the engine answers something else")


def _raised(told: Failed | None) -> CemsError:
    """What the engine told, as an error of this process."""
    if told is None:
        return GenerationError("the engine told no end of the picture")
    if told.exit_code not in _ERRORS:
        return GenerationError(told.message, told.hint)
    return _ERRORS[told.exit_code](told.message, told.hint)
