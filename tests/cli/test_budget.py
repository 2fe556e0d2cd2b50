"""A session budget tells once that it is chosen cheaper from now on, and that little is left."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cems_tui.cli.budget import SharedBudget
from cems_tui.routing.decide.budget import Spending


def budget(spent: list[float], lambdas: list[float]) -> SharedBudget:
    """A budget of a dollar over pictures whose spending and λ are given."""
    engine: Any = SimpleNamespace(
        spent_usd=lambda load_cost: spent.pop(0),
        session=SimpleNamespace(resident=frozenset),
        planner=SimpleNamespace(decide=lambda *a, **k: SimpleNamespace(chosen=None)),
    )

    def plan(spent_usd: float, resident: frozenset[str], begin: int) -> Any:
        return ["request"], Spending((lambdas[begin],), ("f",), 1.0)

    shared: Any = SimpleNamespace(budget_usd=1.0, plan=plan)
    return SharedBudget([], shared, engine, False, 0.0)


def test_a_spending_that_runs_ahead_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    shared = budget([0.0, 0.5, 0.6, 0.9, 0.95], [100.0, 100.0, 200.0, 400.0, 800.0])
    told = []
    for number in range(5):
        shared.next(number)
        told.append(capsys.readouterr().err)
    assert told[:2] == ["", ""]
    assert "2 pictures cost $0.6, more than planned" in told[2]
    assert "λ = 200 instead of 100" in told[2]
    assert told[3] == "$0.9 of the session budget of $1 are spent\n"
    assert told[4] == ""
