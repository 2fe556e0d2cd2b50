"""A program in a real terminal: tmux, driven by keys and read as its screen is."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.patience import PATIENCE

AVAILABLE = shutil.which("tmux") is not None


class Tmux:
    """One window of a tmux server of its own, with a shell in it; ends with the block."""

    def __init__(
        self, folder: Path, size: tuple[int, int], environment: Mapping[str, str] = os.environ
    ) -> None:
        """`folder` holds the server's socket; `size` is columns and rows."""
        self._socket = folder / "tmux"
        self._size = size
        self._environment = {"COLORTERM": "truecolor", **environment}

    def __enter__(self) -> Tmux:
        across, down = map(str, self._size)
        self._tmux("-f", os.devnull, "new-session", "-d", "-x", across, "-y", down, "sh")
        self._tmux("set", "-g", "status", "off")
        self._tmux("set", "-g", "escape-time", "0")
        self.wait(str.strip)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tmux("kill-server")

    def run(self, command: Sequence[str]) -> None:
        """Gives the command to the shell, on a cleared screen; once it ended, its code is told."""
        self.type(f"clear; {shlex.join(command)}; echo exit $?")
        self.press("Enter")

    def type(self, text: str) -> None:
        """As if typed, letter by letter."""
        self._tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Keys by tmux's names: `C-g`, `F6`, `Enter`."""
        self._tmux("send-keys", *keys)

    def resize(self, columns: int, rows: int) -> None:
        """Another size of the window."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    @property
    def screen(self) -> str:
        """What stands there now."""
        return self._tmux("capture-pane", "-p")

    def settled(self, seconds: float = 0.7) -> str:
        """The same with the escape codes of its styles, once nothing has moved for so long."""
        before, now = None, ""
        while before != now:
            time.sleep(seconds)
            before, now = now, self._tmux("capture-pane", "-p", "-e", "-N")
        return now

    def wait(self, condition: Callable[[str], object], seconds: float = PATIENCE) -> None:
        """Until the screen is so.

        Raises:
            AssertionError: it never was.
        """
        deadline = time.monotonic() + seconds
        while not condition(screen := self.screen):
            assert time.monotonic() < deadline, f"it never came to\n{screen}"
            time.sleep(0.05)

    def wait_for(self, words: str) -> None:
        """Until these words stand on the screen."""
        self.wait(lambda screen: words in screen)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=self._environment,
        )
        return done.stdout
