"""The app in a browser: what a web server for Textual apps says and hears over its pipes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from screens.terminal import WEB_DRIVER
from tests.cli.cems import cems, environment
from tests.patience import PATIENCE, until

GREETING = b"__GANGLION__\n"


class Browser:
    """Plays the server between a browser and the app: packets of a letter, a length, a payload."""

    def __init__(self, home: Path, columns: int, rows: int) -> None:
        size = {"COLUMNS": str(columns), "ROWS": str(rows), "TEXTUAL_DRIVER": WEB_DRIVER}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cems_tui"],
            env=environment(home, size),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.seen = b""
        """What the browser's terminal was told to show."""

        self.metas: list[dict[str, object]] = []
        self.greeted = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def types(self, keys: str) -> None:
        self._send(b"D", keys.encode())

    def tells(self, **meta: object) -> None:
        self._send(b"M", json.dumps(meta).encode())

    def ends(self) -> int:
        """The exit code, and nothing may be left that no packet holds."""
        self._reader.join(PATIENCE)
        return self.process.wait(PATIENCE)

    def _send(self, kind: bytes, payload: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(kind + len(payload).to_bytes(4, "big") + payload)
        self.process.stdin.flush()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.greeted = self.process.stdout.readline() == GREETING
        while kind := self.process.stdout.read(1):
            payload = self.process.stdout.read(int.from_bytes(self.process.stdout.read(4), "big"))
            if kind == b"D":
                self.seen += payload
            else:
                assert kind == b"M", f"not a packet of the app: {kind + payload!r}"
                self.metas.append(json.loads(payload))


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    opened = Browser(tmp_path / "home", 120, 36)
    yield opened
    opened.process.kill()
    opened.process.wait()


def test_in_a_browser_the_app_has_its_size_hears_keys_and_ends_when_the_page_is_closed(
    browser: Browser,
) -> None:
    until(lambda: b"Describe a picture" in browser.seen)
    assert browser.greeted
    assert b"\x1b[36;1H" in browser.seen, "the last of as many rows as the page has"
    assert b"\x1b[37;1H" not in browser.seen

    browser.types("zebra")
    until(lambda: b"zebra" in browser.seen)

    browser.tells(type="resize", width=100, height=40)
    until(lambda: b"\x1b[40;1H" in browser.seen)

    browser.tells(type="quit")
    assert browser.ends() == 0
    assert {"type": "exit"} in browser.metas, "the page is told that the app has gone"
    assert browser.process.stderr is not None
    assert browser.process.stderr.read() == b""


def test_any_other_pipe_is_no_terminal(tmp_path: Path) -> None:
    for driver in ("", "textual.drivers.linux_driver:LinuxDriver"):
        ran = cems(home=tmp_path / "home", extra={"TEXTUAL_DRIVER": driver})
        assert ran.code == 2
        assert "needs a terminal" in ran.err
