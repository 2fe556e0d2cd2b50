"""The first picture of a process, and the second command's where a resident engine stays.

Processor seconds (user and system, children included) of `cems generate`: this checkout against
another one, whose folder `CEMS_PEER` names, in turns. Wall seconds of a command that finds the
resident engine against the one that started it; its memory while it waits.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from tests.benchmarks.row import median_ratio, row
from tests.cli.cems import ROOT, environment

PAIRS = int(os.environ.get("CEMS_PAIRS", "5"))
DRAWING = ("generate", "a red car", "--function", "starter-turbo@1", "--seed", "1", "--json")


def run() -> list[dict[str, Any]]:
    """Both rows; what cannot be measured is said to be."""
    peer = os.environ.get("CEMS_PEER")
    first = row("cems generate, a first picture, processor", "the commit before", 0.65, None)
    return [first if peer is None else _processor(Path(peer)), _resident()]


def _processor(peer: Path) -> dict[str, Any]:
    ours, theirs = [], []
    with TemporaryDirectory() as place:
        homes = Path(place)
        for checkout in (ROOT, peer):  # the homes are made, and files read once
            _cpu_seconds(checkout, homes)
        for _ in range(PAIRS):
            ours.append(_cpu_seconds(ROOT, homes))
            theirs.append(_cpu_seconds(peer, homes))
    value, spread = median_ratio(ours, theirs)
    return row(
        "cems generate, a first picture, processor",
        "the commit before",
        0.65,
        value,
        ci95=spread,
        seconds=sorted(ours),
        peer_seconds=sorted(theirs),
    )


def _resident() -> dict[str, Any]:
    """The second command, of which there are several, against the first."""
    with TemporaryDirectory() as place:
        home = Path(place)
        first = _wall_seconds(home, "--keep-alive", "10")
        following = [_wall_seconds(home) for _ in range(PAIRS)]
        told = json.loads((home / "state" / "resident.json").read_text())
        memory = psutil.Process(told["pid"]).memory_full_info()
        _run(ROOT, home, "stop")
    value, spread = median_ratio(following, [first] * len(following))
    return row(
        "cems generate, the second with a resident engine",
        "the first",
        0.10,
        value,
        ci95=spread,
        seconds=sorted(following),
        peer_seconds=[first],
        idle_engine_rss_bytes=memory.rss,
        idle_engine_uss_bytes=memory.uss,
    )


def _cpu_seconds(checkout: Path, homes: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(checkout, homes / checkout.name, *DRAWING)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _wall_seconds(home: Path, *more: str) -> float:
    began = time.perf_counter()
    _run(ROOT, home, *DRAWING, *more)
    return time.perf_counter() - began


def _run(checkout: Path, home: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "cems_tui", *arguments],
        check=True,
        capture_output=True,
        env=environment(home, {"PYTHONPATH": str(checkout)}),
        cwd=home.parent,
    )
