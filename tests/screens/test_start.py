"""How the app starts and ends: what it imports, what it asks the terminal, what it leaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from screens.places import PLACES
from tests.patience import PATIENCE

HEAVY = ("torch", "numpy", "diffusers", "transformers", "open_clip", "sqlite_utils", "PIL")

SCREENS = [f"screens.{place.id}.screen" for place in PLACES]

DEMO = """
from tests.screens.fakes_app import FakePlanner, FakeSession
if __name__ == "__main__":
    import sys
    from screens.main import run
    sys.exit(run(FakeSession, FakePlanner))
"""


@pytest.mark.parametrize(
    "module", [*SCREENS, "screens.app", "screens.main", "cems_tui.services.engine.process"]
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
        "with terminal.taken_over() as answers: print(PictureWidgets('auto', answers).way)\n"
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
    sys.exit(run(WithProgressBars, FakePlanner))
"""

WAYS_TO_END = {"ctrl+q": 0, "SIGTERM": 128 + signal.SIGTERM, "SIGHUP": 128 + signal.SIGHUP}
CURSOR_SHOWN, SCREEN_LEFT = b"\x1b[?25h", b"\x1b[?1049l"


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo terminal is POSIX")
@pytest.mark.parametrize("way", WAYS_TO_END)
def test_however_it_ends_the_terminal_is_given_back_clean(tmp_path: Path, way: str) -> None:
    import fcntl
    import pty
    import struct
    import termios

    script = tmp_path / "hanging.py"
    script.write_text(HANGING)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    home = {
        "CEMS_HOME": str(tmp_path / "home"),
        "TERM": "xterm-256color",
        "PYTHONPATH": os.getcwd(),
    }
    app = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **home},
        start_new_session=True,
    )
    os.set_blocking(ours, False)
    screen = Terminal(ours)
    try:
        screen.wait_for("Describe a picture above")
        os.write(ours, b"hang on")
        screen.wait_for("starter-base@8")
        os.write(ours, b"\x07")  # ctrl+g
        screen.wait_for("loading")
        if way == "ctrl+q":
            os.write(ours, b"\x11")
            screen.wait_for("Quit?")
            os.write(ours, b"\r")
        else:
            os.kill(app.pid, getattr(signal, way))
        deadline = time.monotonic() + PATIENCE
        while app.poll() is None and time.monotonic() < deadline:
            screen.read()
            time.sleep(0.05)
        assert app.returncode == WAYS_TO_END[way]
        time.sleep(1.0)  # what speaks up late, does it within that: multiprocessing's tracker
        screen.read()
        assert termios.tcgetattr(theirs) == before
    finally:
        app.kill()
        app.wait()
        os.close(theirs)
        os.close(ours)
    raw = screen.raw
    assert raw.rfind(CURSOR_SHOWN) > raw.rfind(b"\x1b[?25l")
    after = raw[raw.rindex(SCREEN_LEFT) + len(SCREEN_LEFT) :]
    assert b"leaked" not in raw
    assert Terminal.words(after).strip() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo terminal is POSIX")
@pytest.mark.parametrize("wait_seconds", [0.0, 0.5, 1.5])
def test_what_is_typed_before_the_first_frame_is_kept(tmp_path: Path, wait_seconds: float) -> None:
    import fcntl
    import pty
    import struct
    import termios

    script = tmp_path / "demo.py"
    script.write_text(DEMO)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    home = {"CEMS_HOME": str(tmp_path / "home"), "TERM": "xterm", "PYTHONPATH": os.getcwd()}
    app = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, **home}, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    os.set_blocking(ours, False)
    screen = Terminal(ours)
    try:
        time.sleep(wait_seconds)
        os.write(ours, "ein grüner hut\x07".encode())  # ctrl+g, before there is an app
        screen.wait_for("3 words")
        screen.wait_for("seed 7")
        assert "Traceback" not in screen.seen
    finally:
        app.kill()
        app.wait()
        os.close(ours)


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for children in /proc")
def test_the_app_runs_in_a_terminal_draws_quits_and_leaves_nothing_behind(tmp_path: Path) -> None:
    import fcntl
    import pty
    import struct
    import termios

    script = tmp_path / "demo.py"
    script.write_text(DEMO)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    home = {
        "CEMS_HOME": str(tmp_path / "home"),
        "TERM": "xterm-256color",
        "PYTHONPATH": os.getcwd(),
    }
    app = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **home},
        start_new_session=True,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    screen = Terminal(ours)
    try:
        screen.wait_for("Describe a picture above")
        os.write(ours, b"a cat")
        screen.wait_for("starter-base@8")
        os.write(ours, b"\x07")  # ctrl+g
        screen.wait_for("seed 7")
        children = _children(app.pid)
        assert children, "the engine is a child of the app"
        os.write(ours, b"\x11")  # ctrl+q
        deadline = time.monotonic() + PATIENCE
        while app.poll() is None and time.monotonic() < deadline:
            screen.read()
            time.sleep(0.05)
        assert app.returncode == 0
        while any(map(_is_alive, children)) and time.monotonic() < deadline:
            time.sleep(0.05)  # multiprocessing's own tracker ends when it finds itself alone
        assert not [child for child in children if _is_alive(child)]
    finally:
        app.kill()
        app.wait()
        os.close(ours)
    log = (tmp_path / "home" / "state" / "cems.log").read_text()
    assert "the session says hello" in log
    assert "the session says hello" not in screen.seen


class Terminal:
    """What an app wrote to a pseudo terminal, the escapes left out."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.raw = b""

    @property
    def seen(self) -> str:
        return self.words(self.raw)

    @staticmethod
    def words(raw: bytes) -> str:
        return re.sub(r"\x1b\[[0-9;?<>=$]*[a-zA-Z]", "", raw.decode(errors="replace"))

    def read(self) -> None:
        try:
            self.raw += os.read(self._descriptor, 65536)
        except (BlockingIOError, OSError):
            return

    def wait_for(self, words: str, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.read()
            if words in self.seen:
                return
            time.sleep(0.02)
        raise AssertionError(f"{words!r} never appeared in {self.seen[-2000:]!r}")


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_every_way_to_draw_pictures_is_a_setting_and_a_widget() -> None:
    from textual_image import widget

    from cems_tui.settings import SETTINGS
    from screens.picture_widgets import WAYS

    check = next(setting.check for setting in SETTINGS if setting.name == "app.image")
    assert all(check(way) is None and hasattr(widget, name) for way, name in WAYS.items())
