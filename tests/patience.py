"""How patient the tests are with a machine that does other things too.

What a test waits for is an event wherever there is one. Where a time itself is promised, the
limit is the promise times `CEMS_TEST_SLOWER`: 10 unless told, and 1 on an idle machine.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable

SLOWER = float(os.environ.get("CEMS_TEST_SLOWER", "10"))

PATIENCE = 120.0
"""Seconds that anything which has to come at last is given; an idle machine takes a few."""

TELLS_IMPORTS = {"PYTHONPROFILEIMPORTTIME": "1"}
"""Environment of a child whose imports are told on stderr, each when it is complete."""


def soon(promised_seconds: float) -> float:
    """The limit for what is promised within so many seconds."""
    return promised_seconds * SLOWER


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)


def until_imported(process: subprocess.Popen[bytes], module: str) -> None:
    """Until the child, which `TELLS_IMPORTS` and has an unbuffered stderr, imported the module."""
    assert process.stderr is not None
    told = b""
    for line in process.stderr:
        told += line
        if line.rpartition(b"|")[2].strip() == module.encode():
            return
    raise AssertionError(f"{module} was never imported: {told[-2000:].decode()}")
