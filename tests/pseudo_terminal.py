"""A program in a pseudo-terminal that answers nothing: what it writes, however it ends."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.patience import PATIENCE

CURSOR_HIDDEN, CURSOR_SHOWN = b"\x1b[?25l", b"\x1b[?25h"
SCREEN_TAKEN, SCREEN_LEFT = b"\x1b[?1049h", b"\x1b[?1049l"
LATE_SECONDS = 1.0
"""What speaks up late, does it within that: multiprocessing's tracker."""


class PseudoTerminal:
    """A process and its terminal, both gone when the block ends."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        size: tuple[int, int] = (80, 24),
    ) -> None:
        """`size` is columns and rows."""
        self.raw = b""
        """All that it wrote so far."""

        self._ours, self._theirs = pty.openpty()
        self._set_size(*size)
        self._before = termios.tcgetattr(self._theirs)
        self.process = subprocess.Popen(
            command,
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            env={"TERM": "xterm-256color", **environment},
            start_new_session=True,
        )
        os.set_blocking(self._ours, False)

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._theirs)
        os.close(self._ours)

    @property
    def seen(self) -> str:
        """The words of all that it wrote so far, the escapes left out."""
        return _words(self.raw)

    def write(self, keys: bytes) -> None:
        """As if typed."""
        os.write(self._ours, keys)

    def resize(self, columns: int, rows: int) -> None:
        """Another size, of which the program is told."""
        self._set_size(columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """The terminal is gone, as when its window is closed; the program is told."""
        with open(os.devnull, "r+b") as nothing:
            for end in (self._ours, self._theirs):
                os.dup2(nothing.fileno(), end)
        self.process.send_signal(signal.SIGHUP)

    def read(self) -> bytes:
        """What it wrote since; nothing if nothing."""
        try:
            read = os.read(self._ours, 65536)
        except (BlockingIOError, OSError):
            return b""
        self.raw += read
        return read

    def wait_for(self, words: str, after: int = 0) -> None:
        """Until it wrote these words behind so many bytes.

        Raises:
            AssertionError: it never did.
        """
        self.wait(lambda: words in _words(self.raw[after:]), words)

    def wait(self, condition: Callable[[], bool], what: str, pause_seconds: float = 0.02) -> None:
        """Reads until the condition holds, which is of what it wrote.

        Raises:
            AssertionError: it never did.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what!r} never came in {self.seen[-2000:]!r}"
            if not self.read():
                time.sleep(pause_seconds)

    def wait_for_end(self) -> int:
        """The exit code, once it ended.

        Raises:
            AssertionError: it never did.
        """
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "it never ended"
            if not self.read():
                time.sleep(0.005)
        return self.process.returncode

    def children(self) -> list[int]:
        """Process ids of its children; where there is a /proc."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in path.read_text().split()]

    def left_over(self) -> str:
        """What is wrong with the terminal after the end: words below the screen that was left,
        a hidden cursor, another mode; empty if nothing is.
        """
        until = time.monotonic() + LATE_SECONDS
        while time.monotonic() < until:
            if not self.read():
                time.sleep(0.05)
        after = self.raw.rpartition(SCREEN_LEFT)[2]
        found = [_words(after).strip()]
        if self.raw.rfind(CURSOR_SHOWN) < self.raw.rfind(CURSOR_HIDDEN):
            found.append("the cursor is hidden")
        if termios.tcgetattr(self._theirs) != self._before:
            found.append("the terminal's modes are others")
        return "; ".join(filter(None, found))


def is_alive(pid: int) -> bool:
    """Whether that process runs; where there is a /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _words(raw: bytes) -> str:
    return re.sub(r"\x1b\[[0-9;?<>=$]*[a-zA-Z]", "", raw.decode(errors="replace"))
