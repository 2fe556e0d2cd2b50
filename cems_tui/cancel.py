"""Stopping politely: whoever works asks a `Stop`, between steps and while it waits."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from types import FrameType
from typing import TypeVar

from cems_tui.errors import Interrupted

Stop = Callable[[], bool]
"""Asked between steps and while waiting whether the user wants to stop."""

POLL_SECONDS = 0.05
_GOES_ON = "What was fetched is kept; the same command goes on there."

T = TypeVar("T")


def never() -> bool:
    """A `Stop` that never stops."""
    return False


def stoppable(call: Callable[[], T], stop: Stop) -> T:
    """What `call` returns, or raises; a call that is given up on ends in the background.

    Raises:
        Interrupted: `stop` said so before it ended.
    """
    results: list[T] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            failures.append(error)
        finally:
            done.set()

    # A daemon: one that waits for a dead server must not keep the process.
    threading.Thread(target=run, daemon=True).start()
    while not done.wait(POLL_SECONDS):
        refuse_stopped(stop)
    if failures:
        raise failures[0]
    return results[0]


def pause(seconds: float, stop: Stop) -> None:
    """Sleep, unless stopped.

    Raises:
        Interrupted: `stop` said so.
    """
    nap = threading.Event()
    deadline = monotonic() + seconds
    while (left := deadline - monotonic()) > 0:
        refuse_stopped(stop)
        nap.wait(min(POLL_SECONDS, left))


def refuse_stopped(stop: Stop, message: str = "stopped", hint: str = _GOES_ON) -> None:
    """Raise when the user wants to stop.

    Raises:
        Interrupted: `stop` said so.
    """
    if stop():
        raise Interrupted(message, hint)


ENDS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Ctrl+c, `kill`, and a terminal that is closed: each asks to end in order."""


@dataclass
class _Interrupt:
    """Stops at once, except while a picture and its row are being committed."""

    by: int | None = None
    """The signal that came first."""

    shields: int = 0


_interrupt = _Interrupt()


def catch_interrupts() -> None:
    """Remember that the process was asked to end: libraries may turn it into errors of their own.

    What whoever started it has it ignore, as `nohup` does, stays ignored.
    """
    if threading.current_thread() is threading.main_thread():
        for number in ENDS:
            if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _on_interrupt)


def ignore_interrupts() -> None:
    """What is decided stands while Python winds up."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)


def was_interrupted() -> bool:
    """Whether the process was asked to end: by ctrl+c, SIGTERM or SIGHUP."""
    return _interrupt.by is not None


def interrupted_code() -> int:
    """The exit code of what was interrupted, as shells tell it: 128 and the signal's number."""
    return 128 + (_interrupt.by or signal.SIGINT)


@contextmanager
def shielded() -> Iterator[None]:
    """A block that no interrupt can tear: it is raised when the block has ended."""
    _interrupt.shields += 1
    try:
        yield
    finally:
        _interrupt.shields -= 1
    if was_interrupted() and not _interrupt.shields:
        raise KeyboardInterrupt


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    if _interrupt.by is None:
        _interrupt.by = number
    if number != signal.SIGINT:
        signal.signal(number, signal.SIG_DFL)  # asked again, it ends at once
    if not _interrupt.shields:
        raise KeyboardInterrupt
