"""Ctrl+C: stops at once, except while a picture and its row are being committed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class _State:
    interrupted: bool = False
    shields: int = 0


_state = _State()


def catch_interrupts() -> None:
    """Remember that ctrl+c was pressed: libraries may turn it into errors of their own."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _on_interrupt)


def was_interrupted() -> bool:
    """Whether ctrl+c was pressed in this process."""
    return _state.interrupted


@contextmanager
def shielded() -> Iterator[None]:
    """A block that ctrl+c cannot tear: the interrupt is raised when the block has ended."""
    _state.shields += 1
    try:
        yield
    finally:
        _state.shields -= 1
    if _state.interrupted and not _state.shields:
        raise KeyboardInterrupt


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    _state.interrupted = True
    if not _state.shields:
        raise KeyboardInterrupt
