"""`cems` itself in pseudo-terminals that answer nothing: every start, end and size it may meet.

`python -m tests.suites.terminal --runs 20` ends it that often by `ctrl+q` while it is idle, has
drawn, and draws, and by SIGTERM and SIGHUP a quarter as often; types before there is an app; kills
it with pictures waiting and opens it again; goes through windows of every size. One line a scene;
exit 1 where one of them found something.
"""

from __future__ import annotations

import argparse
import itertools
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from cems_tui.text import counted
from tests.cli.cems import environment
from tests.patience import until
from tests.pseudo_terminal import SCREEN_TAKEN, PseudoTerminal, is_alive

BACK_SECONDS = 1.0
"""After the key that quits, the shell is back within this, on an idle machine."""

CTRL_Q, CTRL_G, ENTER = b"\x11", b"\x07", b"\r"
OPEN, PRICED, DRAWN, WORKS = "Describe a picture above", "known ground", "promised", "· alt+x stops"
TYPE_AHEAD_SECONDS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5)
STORM = 500

Found = list[str]


@contextmanager
def opened(home: Path, size: tuple[int, int] = (80, 24)) -> Iterator[PseudoTerminal]:
    """The app in a terminal, not waited for."""
    command = [sys.executable, "-m", "cems_tui"]
    with PseudoTerminal(command, environment(home), size) as terminal:
        yield terminal


def reach(terminal: PseudoTerminal, state: str) -> None:
    """idle, drawn or working."""
    terminal.wait_for(OPEN)
    if state == "idle":
        return
    terminal.write(b"a cat at night")
    terminal.wait_for(PRICED)
    terminal.write(CTRL_G)
    terminal.wait_for(DRAWN)
    if state == "working":
        since = len(terminal.raw)
        terminal.write(CTRL_G * 12)
        terminal.wait_for("waiting", since)


def ends(home: Path, state: str, way: str) -> tuple[float, Found]:
    """Seconds from the key or the signal to the end of the process, and what was wrong then."""
    with opened(home) as terminal:
        reach(terminal, state)
        family = psutil.Process(terminal.process.pid).children(recursive=True)
        if way != "ctrl+q":
            began = time.monotonic()
            terminal.process.send_signal(getattr(signal, way))
        else:
            if state == "working":
                terminal.write(CTRL_Q)
                terminal.wait_for("Quit with")
            began = time.monotonic()
            terminal.write(ENTER if state == "working" else CTRL_Q)
        code = terminal.wait_for_end()
        took = time.monotonic() - began
        wrong = terminal.left_over()
        told = ("left in the queue: `cems queue run`",) if state == "working" else ()
        found = [] if not wrong or any(word in wrong for word in told) else [wrong]
        expected = 0 if way == "ctrl+q" else 128 + getattr(signal, way)
        found += [f"exit {code}"] if code != expected else []
        alive = [child.pid for child in family if is_alive(child.pid)]
        return took, found + ([f"{counted(len(alive), 'process')} left"] if alive else [])


def all_ends(runs: int) -> Iterator[tuple[str, Found]]:
    """Each state by each way, in one home a scene."""
    for state, way in itertools.product(("idle", "drawn", "working"), ("ctrl+q", *SIGNALS)):
        times, found = [], []
        for _ in range(runs if way == "ctrl+q" else max(1, runs // 4)):
            with tempfile.TemporaryDirectory() as folder:
                took, wrong = ends(Path(folder), state, way)
            times.append(took)
            found += wrong
        late = sum(took > BACK_SECONDS for took in times)
        told = f"{statistics.median(times):.2f} s, at most {max(times):.2f} s, {late} over 1 s"
        yield f"{way} while {state}, {len(times)} times: {told}", found


SIGNALS = ("SIGTERM", "SIGHUP")


def type_ahead(_runs: int) -> Iterator[tuple[str, Found]]:
    """A prompt and ctrl+g, written before there is a frame."""
    found = []
    for wait_seconds in TYPE_AHEAD_SECONDS:
        with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as terminal:
            time.sleep(wait_seconds)
            terminal.write(b"two small dogs" + CTRL_G)
            terminal.wait_for("3 words")
            terminal.wait_for(DRAWN)
            found += ["a traceback"] if "Traceback" in terminal.seen else []
    yield f"typed and drawn before the first frame, {len(TYPE_AHEAD_SECONDS)} times", found


def killed(runs: int) -> Iterator[tuple[str, Found]]:
    """SIGKILL with pictures waiting; they are there, paused, when the app is opened again."""
    found = []
    count = max(1, runs // 4)
    for _ in range(count):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            with opened(home) as terminal:
                reach(terminal, "working")
                family = psutil.Process(terminal.process.pid).children(recursive=True)
                terminal.process.kill()
                terminal.process.wait()
                until(lambda family=family: not any(is_alive(child.pid) for child in family))
            with opened(home) as terminal:
                terminal.wait_for(OPEN)
                terminal.wait_for("paused")
    yield f"killed with pictures waiting, {count} times: they come back paused", found


def sizes(_runs: int) -> Iterator[tuple[str, Found]]:
    """Windows from 1×1 to 200×60, each from the start, then five hundred sizes in a row."""
    found: Found = []
    some = [(1, 1), (2, 60), (39, 9), (40, 10), (80, 24), (119, 29), (200, 1), (200, 60)]
    with tempfile.TemporaryDirectory() as folder:
        for size in some:
            with opened(Path(folder), size) as terminal:
                terminal.wait(lambda here=terminal: SCREEN_TAKEN in here.raw, "a screen")
                time.sleep(0.3)
                terminal.write(CTRL_Q)
                code = terminal.wait_for_end()
                found += [f"{size}: exit {code}"] if code else []
                found += [wrong] if (wrong := terminal.left_over()) else []
        chance = random.Random(7)
        with opened(Path(folder)) as terminal:
            reach(terminal, "drawn")
            for _ in range(STORM):
                terminal.resize(chance.randint(1, 200), chance.randint(1, 60))
                time.sleep(0.01)
                terminal.read()
            since = len(terminal.raw)
            terminal.resize(80, 24)
            terminal.wait_for(DRAWN, since)
            terminal.write(CTRL_Q)
            code = terminal.wait_for_end()
            found += [f"after the storm: exit {code}"] if code else []
            found += [wrong] if (wrong := terminal.left_over()) else []
    yield f"{len(some)} sizes from the start, {STORM} in a row with a picture", found


SCENES: dict[str, Callable[[int], Iterator[tuple[str, Found]]]] = {
    "type-ahead": type_ahead,
    "killed": killed,
    "sizes": sizes,
    "ends": all_ends,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=", ".join(SCENES))
    parser.add_argument("--runs", type=int, default=20)
    chosen = parser.parse_args()
    bad = 0
    for name in chosen.scenes or SCENES:
        for told, found in SCENES[name](chosen.runs):
            bad += len(found)
            print(f"{'ok ' if not found else 'BAD'} {told}", *found[:5], sep="\n      ", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
