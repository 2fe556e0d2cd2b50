"""Keeps the machine running the tests out of them: its home, its hub, its terminal settings."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")
"""A property holds or not, whatever else the machine does while it is tested."""


def pytest_collection_finish() -> None:
    """What was imported stays: closing a model collects garbage, and need not look at it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a fresh CEMS_HOME and no hub."""
    home = tmp_path / "cems-home"
    for name in ("CEMS_SESSION", "CEMS_DEVICE_BUDGET_MB", "HF_HOME", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CEMS_HOME", str(home))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return home


@pytest.fixture(autouse=True)
def a_umask_of_its_own() -> Iterator[None]:
    """A command that runs within a test keeps what it writes private; the next test starts anew."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Family to the folder of its tiny model, made once and not to be changed."""
    from tests.generation.tiny_families import TINY

    return cache(lambda family: TINY[family].save(tmp_path_factory.mktemp(family)))
