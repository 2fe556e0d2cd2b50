"""The app's long work is that of the `cems` command, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from cems_tui.errors import CemsError, GenerationError, UsageError


def command_line(words: Sequence[str]) -> list[str]:
    """What runs `cems` with these words, as this process is run."""
    return [sys.executable, "-m", "cems_tui", *words]


def output_of(words: Sequence[str]) -> str:
    """What the command prints.

    Raises:
        CemsError: what it ended with, in its words.
    """
    done = subprocess.run(
        command_line(words), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return done.stdout
    raise refused(done.stderr, done.returncode)


def document_of(*words: str) -> Any:
    """What the command with these words and `--json` prints.

    Raises:
        CemsError: as `output_of`.
    """
    return json.loads(output_of([*words, "--json"]))


def bench_bill(words: Sequence[str]) -> dict[str, Any]:
    """What `cems bench run` with these words would take: its own `--dry-run --json`.

    Raises:
        CemsError: it cannot be run so, in its words.
    """
    return dict(document_of("bench", "run", *words, "--dry-run"))


def refused(told: str, code: int) -> CemsError:
    """What the command said on stderr: its error, and the hint below it."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    message = next((line for line in lines if line.startswith("error: ")), f"it ended with {code}")
    hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
    kind = UsageError if code == UsageError.exit_code else GenerationError
    return kind(message.removeprefix("error: "), " ".join(hints))
