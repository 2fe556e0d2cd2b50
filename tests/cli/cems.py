"""Runs the `cems` command as a user would: a process of its own, in a home of its own."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.cli.fork_server import ForkServer

ROOT = Path(__file__).parents[2]

CAN_FORK = sys.platform == "linux"
"""Elsewhere a fork of a process that has torch imported is not safe."""

FROZEN = frozenset({"HF_ENDPOINT", "HF_HOME", "HF_HUB_OFFLINE", "HF_TOKEN"})
"""What libraries read once, when they are imported."""


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


@cache
def fork_server() -> ForkServer:
    """This process's own, started when it is first needed and closed with it."""
    server = ForkServer(environment(ROOT), ROOT)
    atexit.register(server.close)
    return server


def cems(
    *arguments: str | bytes,
    home: Path,
    stdin: bytes | None = None,
    extra: Mapping[str, str] | None = None,
    timeout: float = 600,
) -> Ran:
    """Run `cems` with those arguments and wait for it."""
    told = environment(home, extra)
    if CAN_FORK and FROZEN.isdisjoint(extra or ()):
        code, out, err = fork_server().run(arguments, told, home.parent, stdin or b"", timeout)
        return Ran(code, out.decode(), err.decode())
    done = subprocess.run(
        [sys.executable, "-m", "cems_tui", *arguments],
        input=b"" if stdin is None else stdin,
        capture_output=True,
        env=told,
        cwd=home.parent,
        timeout=timeout,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
