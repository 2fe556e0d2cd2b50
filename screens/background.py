"""Threads that quitting does not wait for: what they do is only read, never written."""

from __future__ import annotations

import threading
from collections.abc import Callable

from screens.failures import log_traceback


def in_background(read: Callable[[], None], name: str) -> None:
    """Runs it in a thread of its own that ends with the app, in whatever it is then.

    A worker would delay the end until it is done, seconds while it imports. What fails in it
    unforeseen goes to the log.
    """

    def run() -> None:
        try:
            read()
        except Exception as error:
            log_traceback(error)

    threading.Thread(target=run, name=name, daemon=True).start()
