"""Runs `cems` within the test's own process: quick, for commands that draw nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cems_tui.cli.main import main
from tests.cli.cems import Ran

Inside = Callable[..., Ran]


@pytest.fixture
def inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Inside:
    """`inside("bench", "ls")` in a home of the test's own."""
    monkeypatch.setenv("CEMS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CEMS_SESSION", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Ran:
        code = main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Ran(code, told.out, told.err)

    return run
