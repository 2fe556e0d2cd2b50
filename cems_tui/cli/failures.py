"""From an exception to one line of what happened, one line of what to do, and an exit code."""

from __future__ import annotations

import errno
import logging
import traceback
from dataclasses import dataclass

from cems_tui import log
from cems_tui.cli.output import note
from cems_tui.errors import CemsError, Interrupted, StorageError
from cems_tui.text import loggable

SURPRISE_HINT = "This is a bug of ours; the traceback is in the log (`cems doctor` says where)."

DISK_FULL = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)
)
REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ELOOP})
"""What a disk says of a file or a folder that is not ours to read or write, or is broken."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What is printed of a failed command."""

    message: str
    hint: str
    exit_code: int


def failure_of(error: BaseException, *, interrupted: bool) -> Failure:
    """What a user is told about an exception."""
    if interrupted and not isinstance(error, CemsError):
        return Failure("interrupted", Interrupted.hint, Interrupted.exit_code)
    if isinstance(error, CemsError):
        return Failure(str(error), error.hint, error.exit_code)
    if isinstance(error, MemoryError):
        return Failure("the machine is out of memory", "Close something, or use a smaller size.", 5)
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        where = error.filename or "the output"
        return Failure(
            f"cannot write {where}: {error.strerror}", StorageError.hint, StorageError.exit_code
        )
    if isinstance(error, OSError) and error.errno in REFUSED and error.filename is not None:
        return Failure(
            f"cannot use {error.filename}: {error.strerror}",
            "Check the permissions of the file and its folder.",
            StorageError.exit_code,
        )
    return Failure(f"{type(error).__name__}: {error}"[:300], SURPRISE_HINT, 1)


def report(failure: Failure, debug: bool, error: BaseException | None = None) -> int:
    """Print a failure on stderr, keep its traceback in the log, and return its exit code."""
    print_failure(failure)
    if error is not None and not isinstance(error, KeyboardInterrupt):
        log.to_file()
        logging.getLogger("cems").error("%s", failure.message, exc_info=error)
        if debug:
            note(*loggable("".join(traceback.format_exception(error))).splitlines())
    return failure.exit_code


def print_failure(failure: Failure) -> None:
    """The two lines on stderr."""
    lines = [f"error: {_line(failure.message)}"]
    if failure.hint:
        lines.append(f" hint: {_line(failure.hint)}")
    note(*lines)


def _line(text: str) -> str:
    return " ".join(text.splitlines())
