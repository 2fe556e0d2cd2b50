"""The command itself in a real terminal, as tmux shows it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.cems import environment
from tests.tmux import AVAILABLE, Tmux


@pytest.mark.skipif(not AVAILABLE, reason="tmux is not installed")
def test_cems_opens_prices_a_prompt_follows_the_window_and_gives_the_shell_back(
    tmp_path: Path,
) -> None:
    exported = {"COLUMNS": "80", "LINES": "24"}  # as some shells do, for good
    with Tmux(tmp_path, (80, 24), environment(tmp_path / "home", exported)) as window:
        window.run([sys.executable, "-m", "cems_tui"])
        window.type("two dogs and a red car")  # before there is an app
        window.wait(lambda screen: "▸ ○ " in screen and "6 words · known ground" in screen)
        window.resize(39, 9)
        window.wait_for("40×10")
        window.resize(160, 48)
        window.wait_for("starter-base@20")
        window.press("C-q")
        window.wait_for("exit 0")
        window.run(["echo", "the shell is back"])
        window.wait(lambda screen: "the shell is back" in screen.splitlines())
