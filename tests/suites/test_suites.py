"""A small fixed sample of the long suites."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.suites.inputs import GATES, run, tried
from tests.suites.processes import Forks, planted
from tests.suites.soak import Look, faults, summary


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", GATES)
@pytest.mark.usefixtures("quiet")
def test_what_a_stranger_wrote_is_taken_or_refused_with_a_word(name: str, tmp_path: Path) -> None:
    assert run(name, 120, 7, tmp_path).runs == 120


@pytest.mark.parametrize("name", GATES)
def test_the_good_inputs_that_the_hostile_are_made_of_are_taken(name: str, tmp_path: Path) -> None:
    gate = GATES[name]
    tried(gate, gate.seeds[0], tmp_path)
    if name not in ("weight file", "router package", "card in a package", "pipeline folder"):
        gate.read(gate.seeds[0], tmp_path)


def test_a_command_that_is_killed_before_any_of_its_writes_leaves_the_old_state_or_the_new(
    tmp_path: Path,
) -> None:
    forks, home = Forks(), tmp_path / "home"
    setting = ("config", "set", "routing.tradeoff")
    assert forks.run((*setting, "0.5"), home).code == 0
    file = home / "config.toml"
    old, kept = file.read_text(), []
    for at in (1, 2):
        reached = tmp_path / f"reached {at}"
        ended = forks.run((*setting, "0.25"), home, planted(at, "kill", reached))
        assert reached.exists()
        assert ended.code == -SIGKILL
        kept.append(file.read_text())
    for half in home.glob(".*.cems-tmp"):
        os.utime(half, (0, 0))
    assert forks.run((*setting, "0.25"), home).code == 0
    assert old != file.read_text()
    assert set(kept) <= {old, file.read_text()}
    assert list(home.glob(".*.cems-tmp")) == []


def test_a_soak_tells_what_grew_and_what_stayed() -> None:
    even = [Look(done, 1_000_000, 20, 4, 0, 3) for done in range(100)]
    assert faults(summary(even)) == []
    leaking = [
        Look(done, 1_000_000 + 2_000 * done, 20 + done // 50, 4, 0, 3) for done in range(100)
    ]
    assert faults(summary(leaking)) == ["more_handles", "memory by 15.5%"]
