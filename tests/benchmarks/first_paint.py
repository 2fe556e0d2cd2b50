"""From `cems` to its first frame against a bare Textual app with one text area.

Both are whole processes in pseudo-terminals of 80×24 that answer nothing, started in turns; ours
is the command in a home of its own. Measured is until the words of the empty prompt are written:
seconds of the clock, and processor seconds of the process itself. The engine, a process that the
app starts, is not in these, but takes its share of the machine meanwhile.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.row import median_ratio, row
from tests.cli.cems import environment
from tests.pseudo_terminal import PseudoTerminal

PAIRS = int(os.environ.get("CEMS_PAIRS", "9"))
BAR = 2.0
WORDS = b"Describe a picture"
LOOK_SECONDS = 0.002

PEER = f"""
from textual.app import App
from textual.widgets import TextArea

class Bare(App):
    def compose(self):
        yield TextArea(placeholder="{WORDS.decode()}")

Bare().run()
"""


def run() -> list[dict[str, Any]]:
    """The ratio by the clock and by the processor; the control is the peer twice."""
    with tempfile.TemporaryDirectory() as folder:
        peer = Path(folder) / "bare.py"
        peer.write_text(PEER)
        commands = {
            "ours": [sys.executable, "-m", "cems_tui"],
            "peer": [sys.executable, str(peer)],
            "again": [sys.executable, str(peer)],
        }
        home = environment(Path(folder) / "home")
        home.pop("PYTHONDONTWRITEBYTECODE", None)  # installed, it is compiled
        for command in commands.values():
            _times(command, home)
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for pair in range(PAIRS):
            # the order turns, so that no one always runs after the same other
            names = list(commands)[pair % 3 :] + list(commands)[: pair % 3]
            for name in names:
                taken[name].append(_times(commands[name], home))
    return [_row(kind, place, taken) for place, kind in enumerate(("clock", "processor"))]


def _row(kind: str, place: int, taken: Mapping[str, list[tuple[float, float]]]) -> dict[str, Any]:
    seconds = {name: [times[place] for times in found] for name, found in taken.items()}
    value, spread = median_ratio(seconds["ours"], seconds["peer"])
    control, _ = median_ratio(seconds["again"], seconds["peer"])
    return row(
        f"first frame, {kind}",
        "a bare Textual app with one text area",
        BAR,
        value,
        ci95=spread,
        control=control,
        seconds=sorted(seconds["ours"]),
        peer_seconds=sorted(seconds["peer"]),
    )


def _times(command: Sequence[str], home: Mapping[str, str]) -> tuple[float, float]:
    """Seconds of the clock and of the processor until its words stand there."""
    began = time.perf_counter()
    with PseudoTerminal(command, home) as terminal:
        terminal.wait(lambda: WORDS in terminal.raw, "the first frame", LOOK_SECONDS)
        took = time.perf_counter() - began
        used = psutil.Process(terminal.process.pid).cpu_times()
        return took, used.user + used.system
