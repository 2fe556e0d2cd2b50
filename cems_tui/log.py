"""The log file: tracebacks and the chatter of libraries, never a prompt's secrets or a token."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path

from cems_tui import paths
from cems_tui.errors import CemsError
from cems_tui.text import loggable

_MAX_BYTES = 2_000_000


def file() -> Path:
    """Where this process logs to."""
    return paths.current().log_file


def to_file() -> None:
    """Send the `cems` logger and library warnings to the log file; quiet where it cannot be."""
    logger = logging.getLogger("cems")
    if logger.handlers:
        return
    from logging.handlers import RotatingFileHandler  # sockets and queues, where nothing is logged

    logger.propagate = False
    logging.raiseExceptions = False  # a full disk is told once, not again by the log
    handler: logging.Handler
    try:
        target = file()
        paths.ensure(target.parent)
        handler = RotatingFileHandler(target, maxBytes=_MAX_BYTES, backupCount=1, delay=True)
        handler.acquire()
        handler.release()
        target.open("a").close()
    except (OSError, CemsError):
        handler = logging.NullHandler()  # a log that cannot be written must not hide the error
    handler.setFormatter(_Loggable("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


class _Loggable(logging.Formatter):
    """Whatever is logged, tracebacks included, goes without secrets and controls."""

    def format(self, record: logging.LogRecord) -> str:
        return loggable(super().format(record))


def error(message: str, *values: object) -> None:
    """One line in the log file."""
    to_file()
    logging.getLogger("cems").error(message, *values)


# Keeps the machine-learning libraries from writing to the terminal.

_LOUD_LOGGERS = (
    "bitsandbytes",
    "diffusers",
    "transformers",
    "huggingface_hub",
    "open_clip",
    "timm",
)


def hush() -> None:
    """Silence progress bars, load reports and import-time chatter; errors are still logged.

    Call it before importing diffusers, transformers or open_clip, and again after: what is
    not imported yet is silenced through the environment and the logging tree, and what is
    imported through its own switches.
    """
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    for name in _LOUD_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for module in _LOUD_LOGGERS:
        for category in (FutureWarning, UserWarning):
            warnings.filterwarnings("ignore", category=category, module=module)
    root = logging.getLogger()
    if not root.handlers:
        # open_clip warns through the root logger; without a handler Python prints that.
        root.addHandler(logging.NullHandler())
    for library in ("diffusers", "transformers"):
        if library in sys.modules:
            _switch_off(library)


def _switch_off(library: str) -> None:
    from importlib import import_module

    switches = import_module(f"{library}.utils.logging")
    switches.set_verbosity_error()
    switches.disable_progress_bar()
