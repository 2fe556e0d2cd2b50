"""How the app starts and ends: what it imports, what it asks the terminal, what it leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from screens.places import PLACES
from tests.patience import PATIENCE, until
from tests.pseudo_terminal import PseudoTerminal, is_alive

HEAVY = ("torch", "numpy", "diffusers", "transformers", "open_clip", "sqlite_utils", "PIL")

SCREENS = [f"screens.{place.id}.screen" for place in PLACES]

DEMO = """
from tests.screens.fakes_app import FakePlanner, FakeSession
if __name__ == "__main__":
    import sys
    from screens.main import run
    from screens.terminal import taken_over
    with taken_over() as terminal:
        code = run(terminal, FakeSession, FakePlanner)
    sys.exit(code)
"""


@pytest.mark.parametrize(
    "module",
    [*SCREENS, "cems_tui.cli.commands.app", "screens.main", "cems_tui.services.engine.process"],
)
def test_importing_the_app_imports_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_the_core_does_not_know_textual() -> None:
    code = (
        "import cems_tui.services.engine.process, cems_tui.services.engine.child, sys;"
        "print('textual' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


@pytest.mark.parametrize("stdin", ["pipe", "null"])
def test_without_a_terminal_to_ask_pictures_are_half_cells(stdin: str) -> None:
    code = (
        "import sys; from screens import terminal\n"
        "from screens.picture_widgets import PictureWidgets\n"
        "with terminal.taken_over() as it: print(PictureWidgets('auto', it.answers()).way)\n"
        "assert sys.__stdout__ is not None; sys.__stdout__.write('still here')"
    )
    given = {"input": ""} if stdin == "pipe" else {"stdin": subprocess.DEVNULL}
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True, **given)  # type: ignore[call-overload]
    assert found.stdout == "halfcell\nstill here"
    assert found.stderr == ""


def test_an_unforeseen_error_leaves_two_lines_and_a_traceback_in_the_log(tmp_path: Path) -> None:
    code = (
        "from screens.app import CemsApp\n"
        "from tests.screens import fakes_screens\n"
        "CemsApp.on_ready = lambda self: 1 / 0\n"
        "app = fakes_screens.make_app()\n"
        "app.run(headless=True)\n"
        "raise SystemExit(app.return_code)"
    )
    command = [sys.executable, "-c", code]
    home = {**os.environ, "CEMS_HOME": str(tmp_path)}
    found = subprocess.run(command, capture_output=True, text=True, env=home, timeout=PATIENCE)
    said = found.stdout + found.stderr
    assert found.returncode == 1
    assert "cems: the app failed: ZeroDivisionError: division by zero" in said
    assert "Traceback" not in said
    assert "Traceback" in (tmp_path / "state" / "cems.log").read_text()


HANGING = """
from tests.screens.fakes_app import FakePlanner, FakeSession

class WithProgressBars(FakeSession):
    def run(self, *rest):
        from tqdm.auto import tqdm
        list(tqdm(range(2)))  # as diffusers does; the lock of bars is made with the first
        super().run(*rest)

if __name__ == "__main__":
    import sys
    from screens.main import run
    from screens.terminal import taken_over
    with taken_over() as terminal:
        code = run(terminal, WithProgressBars, FakePlanner)
    sys.exit(code)
"""

WAYS_TO_END = {"ctrl+q": 0, "SIGTERM": 128 + signal.SIGTERM, "SIGHUP": 128 + signal.SIGHUP}


@pytest.fixture
def demo(tmp_path: Path) -> Callable[[str], PseudoTerminal]:
    """Runs a program text in a pseudo-terminal, in a home of its own."""

    def started(text: str) -> PseudoTerminal:
        script = tmp_path / "demo.py"
        script.write_text(text)
        home = {"CEMS_HOME": str(tmp_path / "home"), "PYTHONPATH": os.getcwd()}
        return PseudoTerminal([sys.executable, str(script)], {**os.environ, **home})

    return started


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo terminal is POSIX")
@pytest.mark.parametrize("way", WAYS_TO_END)
def test_however_it_ends_the_terminal_is_given_back_clean(
    demo: Callable[[str], PseudoTerminal], way: str
) -> None:
    with demo(HANGING) as terminal:
        terminal.wait_for("Describe a picture above")
        terminal.write(b"hang on")
        terminal.wait_for("starter-base@8")
        terminal.write(b"\x07")  # ctrl+g
        terminal.wait_for("loading")
        if way == "ctrl+q":
            terminal.write(b"\x11")
            terminal.wait_for("Quit?")
            terminal.write(b"\r")
        else:
            os.kill(terminal.process.pid, getattr(signal, way))
        assert terminal.wait_for_end() == WAYS_TO_END[way]
        assert terminal.left_over() == ""
        assert b"leaked" not in terminal.raw


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo terminal is POSIX")
@pytest.mark.parametrize("moment", ["before the first frame", "idle", "drawing"])
def test_a_terminal_that_vanishes_ends_the_app_in_order(
    demo: Callable[[str], PseudoTerminal], moment: str
) -> None:
    with demo(HANGING) as terminal:
        if moment == "before the first frame":
            terminal.wait(lambda: terminal.raw != b"", "a question")
        else:
            terminal.wait_for("Describe a picture above")
        if moment == "drawing":
            terminal.write(b"hang on")
            terminal.wait_for("starter-base@8")
            terminal.write(b"\x07")  # ctrl+g
            terminal.wait_for("loading")
        terminal.hang_up()
        assert terminal.wait_for_end() == 128 + signal.SIGHUP


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo terminal is POSIX")
@pytest.mark.parametrize("wait_seconds", [0.0, 0.5, 1.5])
def test_what_is_typed_before_the_first_frame_is_kept(
    demo: Callable[[str], PseudoTerminal], wait_seconds: float
) -> None:
    with demo(DEMO) as terminal:
        time.sleep(wait_seconds)
        terminal.write("ein grüner hut\x07".encode())  # ctrl+g, before there is an app
        terminal.wait_for("3 words")
        terminal.wait_for("seed 7")
        assert "Traceback" not in terminal.seen


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for children in /proc")
def test_the_app_runs_in_a_terminal_draws_quits_and_leaves_nothing_behind(
    demo: Callable[[str], PseudoTerminal], tmp_path: Path
) -> None:
    with demo(DEMO) as terminal:
        terminal.wait_for("Describe a picture above")
        terminal.write(b"a cat")
        terminal.wait_for("starter-base@8")
        terminal.write(b"\x07")  # ctrl+g
        terminal.wait_for("seed 7")
        children = terminal.children()
        assert children, "the engine is a child of the app"
        terminal.write(b"\x11")  # ctrl+q
        assert terminal.wait_for_end() == 0
        # multiprocessing's own tracker ends when it finds itself alone
        until(lambda: not any(map(is_alive, children)))
    log = (tmp_path / "home" / "state" / "cems.log").read_text()
    assert "the session says hello" in log
    assert "the session says hello" not in terminal.seen


def test_every_way_to_draw_pictures_is_a_setting_and_a_widget() -> None:
    from textual_image import widget

    from cems_tui.settings import SETTINGS
    from screens.picture_widgets import WAYS

    check = next(setting.check for setting in SETTINGS if setting.name == "app.image")
    assert all(check(way) is None and hasattr(widget, name) for way, name in WAYS.items())
