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


@dataclass
class _CtrlC:
    """Stops at once, except while a picture and its row are being committed."""

    interrupted: bool = False
    shields: int = 0


_ctrl_c = _CtrlC()


def catch_interrupts() -> None:
    """Remember that ctrl+c was pressed: libraries may turn it into errors of their own."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _on_interrupt)


def was_interrupted() -> bool:
    """Whether ctrl+c was pressed in this process."""
    return _ctrl_c.interrupted


@contextmanager
def shielded() -> Iterator[None]:
    """A block that ctrl+c cannot tear: the interrupt is raised when the block has ended."""
    _ctrl_c.shields += 1
    try:
        yield
    finally:
        _ctrl_c.shields -= 1
    if _ctrl_c.interrupted and not _ctrl_c.shields:
        raise KeyboardInterrupt


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    _ctrl_c.interrupted = True
    if not _ctrl_c.shields:
        raise KeyboardInterrupt
