"""A small fixed sample of the long suites."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from cems_tui.domain.generation import Generation
from cems_tui.store.database import Store
from tests.cli.cems import cems
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


def killed_before_its_row() -> None:
    """From now on a picture is there when the process is killed, and its row is not."""

    def kill(store: Store, made: Generation) -> None:
        os.kill(os.getpid(), SIGKILL)

    Store.add_generation = kill  # type: ignore[method-assign]


def test_a_picture_whose_row_was_missed_is_done_and_not_drawn_again(tmp_path: Path) -> None:
    forks, home = Forks(), tmp_path / "home"
    queue = ("queue", "run", "-q")
    added = forks.run(("queue", "add", "a red cat", "--function", "starter-turbo@1", "-q"), home)
    assert added.code == 0
    assert forks.run(queue, home, killed_before_its_row).code == -SIGKILL
    [drawn] = (home / "pictures").glob("*.png")
    before = drawn.read_bytes()
    assert cems(*queue, home=home).code == 0
    assert drawn.read_bytes() == before
    listed = cems("queue", "ls", "--all", "--json", home=home).document
    assert [row["state"] for row in listed] == ["done"]
    assert cems("history", "ls", "-q", home=home).out.split() == [drawn.stem]


def test_a_soak_tells_what_grew_and_what_stayed() -> None:
    even = [Look(done, 1_000_000, 20, 4, 0, 3) for done in range(100)]
    assert faults(summary(even)) == []
    leaking = [
        Look(done, 1_000_000 + 2_000 * done, 20 + done // 50, 4, 0, 3) for done in range(100)
    ]
    assert faults(summary(leaking)) == ["more_handles", "memory by 15.5%"]
