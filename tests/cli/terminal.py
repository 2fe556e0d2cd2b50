"""Runs `cems` at a terminal: a pseudo-terminal of so many columns, and what it showed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Callable, Mapping
from pathlib import Path

from cems_tui.cli.main import main
from tests.cli.cems import environment
from tests.cli.fork_server import leave

ROWS = 24


def in_terminal(
    *arguments: str, home: Path, columns: int = 80, extra: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """The exit code, and all that stood in the terminal, stderr included.

    The command runs in a fork of this process, which has its modules imported.
    """
    told = environment(home, extra)

    def command() -> int:
        os.environ.clear()
        os.environ.update(told)
        sys.argv[1:] = arguments
        return main()

    return at_terminal(command, columns=columns)


def at_terminal(command: Callable[[], int], *, columns: int = 80) -> tuple[int, str]:
    """Run something in a fork whose streams are a terminal; its exit code and what stood there."""
    child, terminal = pty.fork()
    if not child:
        size = struct.pack("HHHH", ROWS, columns, 0, 0)
        fcntl.ioctl(1, termios.TIOCSWINSZ, size)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for the process
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        code = 70
        try:
            code = command()
        finally:
            leave(code)
    shown = b""
    with contextlib.suppress(OSError):  # Linux: nobody has the other end open any more
        while data := os.read(terminal, 65536):
            shown += data
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), shown.decode().replace("\r\n", "\n")
