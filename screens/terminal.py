"""What the terminal is asked before the app takes it over, and what was typed meanwhile.

Everything is asked in one go and read from the keyboard's line until the last question, which
every terminal knows, is answered or a moment has passed. What is no answer was typed by the user:
it is kept for the app.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

ANSWER_SECONDS = 0.25
"""How long a terminal may take to say its first word, and to end its sentence."""

MOST_BYTES = 1_000_000
"""Of what was typed or pasted before the app is there; a megabyte is a paste by mistake."""

CELL_SIZE, KITTY, ATTRIBUTES = "\x1b[16t", "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\", "\x1b[c"
SIXEL = "4"
"""Among a terminal's attributes."""

WEB_DRIVER = "textual.drivers.web_driver:WebDriver"
"""What `textual serve` has an app draw with."""

_ANSWERS = re.compile(
    rb"\x1b\[6;(?P<height>\d{1,5});(?P<width>\d{1,5})t"
    rb"|\x1b_Gi=31[^\x1b]{0,200};(?P<kitty>[^\x1b]{0,200})\x1b\\"
    rb"|\x1b\[\?(?P<attributes>[\d;]{0,100})c"
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a terminal said of itself, and what came from the keyboard in between."""

    kitty: bool = False
    sixel: bool = False
    cell_pixels: tuple[int, int] | None = None
    """Width and height of a cell; None where it is not told."""

    complete: bool = False
    """Whether the last question was answered."""

    typed: str = ""


def parsed(raw: bytes) -> Answers:
    """The answers in what was read, taken out of what the user typed around them."""
    kitty = sixel = complete = False
    cell: tuple[int, int] | None = None
    for found in _ANSWERS.finditer(raw):
        if found["attributes"] is not None:
            complete = True
            sixel = SIXEL in found["attributes"].decode().split(";")
        elif found["kitty"] is not None:
            kitty = found["kitty"] == b"OK"
        elif int(found["width"]) and int(found["height"]):
            cell = int(found["width"]), int(found["height"])
    typed = _ANSWERS.sub(b"", raw).decode(errors="ignore")
    return Answers(kitty, sixel, cell, complete, typed)


def questions(environment: Mapping[str, str]) -> str:
    """What a terminal is asked; one that is no relative of Kitty is not asked in its language,
    which it might print."""
    named = " ".join(environment.get(name, "") for name in ("TERM", "TERM_PROGRAM")).lower()
    speaks = "KITTY_WINDOW_ID" in environment or "kitty" in named or "ghostty" in named
    return CELL_SIZE + (KITTY if speaks else "") + ATTRIBUTES


class Asked:
    """A terminal that has been asked; what it answers is read when it is wanted."""

    def __init__(self, keyboard: int | None = None) -> None:
        """Asks the terminal of that keyboard; without one there is nothing to be told."""
        self._keyboard = keyboard
        self._raw = b""
        self._asked = False
        if keyboard is None:
            return
        self._raw = _waiting(keyboard).replace(b"\n", b"\r")  # a line's end, edited by the terminal
        if sys.__stdout__ is not None and sys.__stdout__.isatty():
            sys.__stdout__.write(questions(os.environ))
            sys.__stdout__.flush()
            self._asked = True
        self._end = time.monotonic() + ANSWER_SECONDS

    def answers(self) -> Answers:
        """What came back, and what was typed; waits for it no longer than it may take."""
        if self._keyboard is None:
            return Answers()
        self._raw += _waiting(self._keyboard)
        while self._asked and (left := self._end - time.monotonic()) > 0:
            if parsed(self._raw).complete:
                break
            read = _waiting(self._keyboard, left)
            if b"\x1b" in read:
                self._end = time.monotonic() + ANSWER_SECONDS  # it speaks: it may end its sentence
            self._raw += read
        return parsed(self._raw)


def is_served(environment: Mapping[str, str]) -> bool:
    """Whether a web server shows the app in a browser over this process's pipes."""
    return environment.get("TEXTUAL_DRIVER") == WEB_DRIVER


@contextmanager
def taken_over() -> Iterator[Asked]:
    """The terminal without echo and line editing until the block ends, and already asked.

    SIGTERM and SIGHUP end the block in order, so that the terminal is given back as it was; the
    app has handlers of its own as soon as it runs. A terminal that is gone is given back to nobody.
    """
    if sys.platform == "win32" or sys.__stdin__ is None or not sys.__stdin__.isatty():
        yield Asked()
        return
    import termios
    import tty

    keyboard = sys.__stdin__.fileno()
    before = termios.tcgetattr(keyboard)
    with _ended_by_signals():
        try:
            tty.setcbreak(keyboard, termios.TCSANOW)
            yield Asked(keyboard)
        finally:
            with suppress(termios.error):
                termios.tcsetattr(keyboard, termios.TCSANOW, before)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _waiting(keyboard: int, seconds: float = 0.0) -> bytes:
    """What can be read now, waiting for the first of it; nothing where the keyboard is gone."""
    from select import select

    raw = b""
    while len(raw) < MOST_BYTES and select([keyboard], [], [], 0.0 if raw else seconds)[0]:
        try:
            read = os.read(keyboard, 65536)
        except OSError:
            break
        if not read:
            break
        raw += read
    return raw
