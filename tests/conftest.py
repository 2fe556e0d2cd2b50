"""Keeps the machine running the tests out of them: its home, its hub, its terminal settings."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a fresh CEMS_HOME and no hub."""
    home = tmp_path / "cems-home"
    for name in ("CEMS_SESSION", "CEMS_DEVICE_BUDGET_MB", "HF_HOME", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CEMS_HOME", str(home))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return home
