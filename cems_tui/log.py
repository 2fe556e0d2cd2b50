"""The log file: tracebacks and the chatter of libraries, never a prompt's secrets or a token."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler

from cems_tui import paths
from cems_tui.errors import CemsError

_MAX_BYTES = 2_000_000


def to_file() -> None:
    """Send the `cems` logger and library warnings to the log file; quiet where it cannot be."""
    logger = logging.getLogger("cems")
    if logger.handlers:
        return
    logger.propagate = False
    logging.raiseExceptions = False  # a full disk is told once, not again by the log
    handler: logging.Handler
    try:
        target = paths.current().log_file
        paths.ensure(target.parent)
        handler = RotatingFileHandler(target, maxBytes=_MAX_BYTES, backupCount=1, delay=True)
        handler.acquire()
        handler.release()
        target.open("a").close()
    except (OSError, CemsError):
        handler = logging.NullHandler()  # a log that cannot be written must not hide the error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def error(message: str, *values: object) -> None:
    """One line in the log file."""
    to_file()
    logging.getLogger("cems").error(message, *values)
