"""`cems --help` against `python -c "import torch"`: whole processes, one after the other."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from tests.benchmarks.row import median_ratio, row

PAIRS = 9


def run() -> dict[str, Any]:
    """The ratio of wall seconds, paired; the control is the peer against itself."""
    ours_command = [sys.executable, "-m", "cems_tui", "--help"]
    peer_command = [sys.executable, "-c", "import torch"]
    for command in (ours_command, peer_command):
        _seconds(command)
    ours, peers, again = [], [], []
    for _ in range(PAIRS):
        ours.append(_seconds(ours_command))
        peers.append(_seconds(peer_command))
        again.append(_seconds(peer_command))
    value, spread = median_ratio(ours, peers)
    control, _ = median_ratio(again, peers)
    return row(
        "cems --help",
        'python -c "import torch"',
        0.20,
        value,
        ci95=spread,
        control=control,
        seconds=sorted(ours)[PAIRS // 2],
        peer_seconds=sorted(peers)[PAIRS // 2],
    )


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began
