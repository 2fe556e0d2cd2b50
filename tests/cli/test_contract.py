"""The program is held to the interface contract, row by row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cems_tui import errors
from tests.cli.cems import Ran, cems
from tests.cli.contract import CANDIDATE, EXIT_CODES, GENERATE, POLICY, ROUTE, ROWS, SECONDS, Row

CONTROL_CODES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")


def _marked(row: Row) -> Any:
    return pytest.param(row, id=row.name, marks=[pytest.mark.slow] if row.draws else [])


@pytest.mark.parametrize("row", [_marked(row) for row in ROWS])
def test_a_command_keeps_its_promise(row: Row, tmp_path: Path) -> None:
    ran = cems(*row.arguments, home=tmp_path / "home", stdin=row.stdin)
    assert ran.code == row.exit_code, ran.err
    assert not CONTROL_CODES.search(ran.out), "piped stdout carries control codes"
    assert "Traceback" not in ran.err
    if row.exit_code:
        _two_lines_say_what_and_what_to_do(ran)
    _is_of_that_shape(row, ran)


def _two_lines_say_what_and_what_to_do(ran: Ran) -> None:
    told = [line for line in ran.err.splitlines() if not line.startswith("note:")]
    assert told[-2].startswith("error: "), ran.err
    assert told[-1].startswith(" hint: "), ran.err


def _is_of_that_shape(row: Row, ran: Ran) -> None:
    match row.shape:
        case "nothing":
            assert ran.out == ""
        case "text":
            assert ran.out.strip()
        case "quiet":
            assert all(line and line.split() == [line] for line in ran.out.splitlines())
        case "lines":
            assert ran.lines
            for item in ran.lines:
                _has_every_key(item, row.keys)
        case "array":
            assert isinstance(ran.document, list)
            for item in ran.document:
                _has_every_key(item, row.keys)
        case "object":
            _has_every_key(ran.document, row.keys)


def _has_every_key(item: dict[str, Any], keys: frozenset[str]) -> None:
    assert keys <= item.keys(), sorted(keys - item.keys())
    if keys == GENERATE:
        assert item["seconds"].keys() >= SECONDS
        _has_every_key(item["decision"], ROUTE)
    if keys == ROUTE:
        assert item["policy"].keys() >= POLICY
        for candidate in item["candidates"]:
            assert candidate.keys() >= CANDIDATE


def test_every_error_has_the_contract_s_exit_code() -> None:
    told = {
        errors.GenerationError: "generation",
        errors.UsageError: "usage",
        errors.UnknownName: "usage",
        errors.ConfigError: "usage",
        errors.WeightsError: "weights",
        errors.ModelMissing: "weights",
        errors.DownloadError: "weights",
        errors.GenerationTimeout: "timeout",
        errors.OutOfMemory: "memory",
        errors.BudgetReached: "budget",
        errors.DeviceBusy: "busy",
        errors.StorageError: "storage",
        errors.Interrupted: "interrupted",
    }
    assert {kind.exit_code for kind in told} == {EXIT_CODES[name] for name in told.values()}
    for kind, name in told.items():
        assert kind.exit_code == EXIT_CODES[name]
