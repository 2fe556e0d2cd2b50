"""`cems` alone: the terminal app."""

from __future__ import annotations

import sys

from cems_tui.errors import UsageError


def open_app() -> int:
    """Open the app and return its exit code.

    Raises:
        UsageError: there is no terminal to draw on.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "the app needs a terminal, and this is a pipe", "In a script use `cems generate`."
        )
    from screens.main import run

    from cems_tui import wiring

    return run(wiring.app_parts())
