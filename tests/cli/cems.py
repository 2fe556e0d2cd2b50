"""Runs the `cems` command as a user would: a process of its own, in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment whose `cems` knows nothing of this machine's user and of any hub."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("CEMS_", "HF_", "XDG_", "NO_COLOR"))
    }
    return {
        **kept,
        "CEMS_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        **(extra or {}),
    }


def cems(
    *arguments: str | bytes,
    home: Path,
    stdin: bytes | None = None,
    extra: Mapping[str, str] | None = None,
    timeout: float = 600,
) -> Ran:
    """Run `cems` with those arguments and wait for it."""
    done = subprocess.run(
        [sys.executable, "-m", "cems_tui", *arguments],
        input=b"" if stdin is None else stdin,
        capture_output=True,
        env=environment(home, extra),
        cwd=home.parent,
        timeout=timeout,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
