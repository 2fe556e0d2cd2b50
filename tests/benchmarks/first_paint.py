"""First paint of the app against a bare Textual app with the same widget classes.

Both are whole processes, run in turn, that import textual-image and paint without a terminal;
ours also starts the engine's child, styles, and wires its screen.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from os import environ
from pathlib import Path
from textwrap import indent
from typing import Any

from tests.benchmarks.row import median_ratio, row

PAIRS = 15

PAINTED = """
    def on_ready(self):
        self.call_after_refresh(self.painted)

    def painted(self):
        print(time.time(), file=sys.__stdout__, flush=True)
        self.exit()
"""

PEER = f"""
import sys, time
from textual.app import App
from textual_image.widget import HalfcellImage
from screens.studio.price_card import CandidatesTable
from screens.studio.dial import TradeoffDial
from screens.studio.picture import PicturePane
from screens.studio.progress import ProgressLine
from screens.studio.prompt import PromptBox
from screens.widgets.keys import KeyLine
from screens.widgets.status import StatusLine

class Bare(App):
    def get_theme_variable_defaults(self):
        return {{"quality": "green", "cost": "yellow", "muted": "gray"}}

    def compose(self):
        yield StatusLine("studio")
        yield PromptBox()
        yield TradeoffDial(0.5)
        yield CandidatesTable()
        yield ProgressLine()
        yield PicturePane(HalfcellImage)
        yield KeyLine()
{PAINTED}
Bare().run(headless=True)
"""

OURS = f"""
# as in the `cems` script, the child that imports this file again imports nothing of the app
import sys, time

def paint():
    from screens import main
    from tests.screens.fakes_app import FakePlanner, FakeSession

    class Timed(main.CemsApp):
{indent(PAINTED, "    ")}
    run, Timed.run = Timed.run, lambda self: run(self, headless=True)
    main.CemsApp = Timed
    main.run(FakeSession, FakePlanner)

if __name__ == "__main__":
    paint()
"""


def run() -> dict[str, Any]:
    """The ratio of seconds from process start to first paint; the control is the peer twice."""
    with tempfile.TemporaryDirectory() as folder:
        scripts = {"ours": OURS, "peer": PEER, "again": PEER}
        paths = {name: Path(folder) / f"{name}.py" for name in scripts}
        for name, text in scripts.items():
            paths[name].write_text(text)
            _seconds(paths[name], folder)
        taken: dict[str, list[float]] = {name: [] for name in scripts}
        for pair in range(PAIRS):
            # the order turns, so that no one always runs after the same other
            names = list(scripts)[pair % 3 :] + list(scripts)[: pair % 3]
            for name in names:
                taken[name].append(_seconds(paths[name], folder))
    value, spread = median_ratio(taken["ours"], taken["peer"])
    control, _ = median_ratio(taken["again"], taken["peer"])
    return row(
        "first paint",
        "bare Textual app with the same widgets",
        1.5,
        value,
        ci95=spread,
        control=control,
        seconds=sorted(taken["ours"])[PAIRS // 2],
        peer_seconds=sorted(taken["peer"])[PAIRS // 2],
    )


def _seconds(script: Path, home: str) -> float:
    """From the start of the process to its first paint."""
    here = str(Path(__file__).parents[2])
    began = time.time()
    done = subprocess.run(
        [sys.executable, str(script)],
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**environ, "CEMS_HOME": home, "PYTHONPATH": here},
    )
    return float(done.stdout.split()[-1]) - began
