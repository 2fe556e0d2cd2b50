"""What becomes of an error that nobody foresaw: the log has all of it."""

from __future__ import annotations

import traceback

from cems_tui import paths
from cems_tui.text import loggable


def log_traceback(error: BaseException | None) -> str:
    """Appends the traceback to the log; returns the line that says where it is."""
    file = paths.current().log_file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as log:
            log.write(loggable("".join(traceback.format_exception(error))))
    except OSError as problem:
        return f"The log cannot be written ({problem}); start `cems` again."
    return f"The details are in {file}; start `cems` again."
