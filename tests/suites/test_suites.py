"""A small fixed sample of the long suites."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.suites.inputs import GATES, run, tried


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
