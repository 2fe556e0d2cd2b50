"""`--session-budget` over a prompt file: λ for those who asked for nothing, the others first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cems_tui.domain.decision import Policy
from cems_tui.domain.request import Request
from cems_tui.errors import BudgetReached
from cems_tui.profile import Profile
from cems_tui.services.budget import SessionBudget
from cems_tui.services.planner import Planner
from tests.cli.inside import Inside, inside
from tests.routing.fakes import grammar_prompts

__all__ = ["inside"]

PROMPTS = grammar_prompts(30, seed=3)


@pytest.fixture
def planner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Planner]:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    with Profile.current().planner() as opened:
        yield opened


def wanted(*, load_cost: bool = False, policy: Policy | None = None) -> list[Request]:
    return [
        Request(
            f"r{number}",
            prompt,
            policy or Policy.tradeoff(0.5),
            policy_is_explicit=policy is not None,
            load_cost=load_cost,
        )
        for number, prompt in enumerate(PROMPTS)
    ]


def bill(planner: Planner, requests: list[Request]) -> float:
    """What the decisions really made would cost, every model loaded once where loads count."""
    total, loaded = 0.0, set()
    for request in requests:
        chosen = planner.decide(request, frozenset(), installed_only=True).chosen
        assert chosen is not None
        assert chosen.cost_usd is not None
        total += chosen.cost_usd
        model = planner.function(chosen.function).model.name
        if request.load_cost and model not in loaded:
            assert chosen.load_cost_usd is not None
            total += chosen.load_cost_usd
            loaded.add(model)
    return total


@pytest.mark.parametrize("load_cost", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_decisions_that_follow_cost_what_was_planned(
    planner: Planner, share: float, load_cost: bool
) -> None:
    requests = wanted(load_cost=load_cost)
    low = bill(planner, wanted(load_cost=load_cost, policy=Policy.tradeoff(0.0)))
    high = bill(planner, wanted(load_cost=load_cost, policy=Policy.tradeoff(1.0)))
    budget = low + share * (high - low)
    shared = SessionBudget(planner, requests, budget, installed_only=True)
    followed, spending = shared.plan(0.0, frozenset())
    assert bill(planner, followed) == pytest.approx(spending.bill_usd)
    assert spending.bill_usd <= budget
    assert {request.policy.kind for request in followed} == {"lambda"}


def test_what_was_spent_before_is_taken_off(planner: Planner) -> None:
    requests = wanted()
    cheapest = bill(planner, wanted(policy=Policy.tradeoff(0.0)))
    shared = SessionBudget(planner, requests, 3 * cheapest, installed_only=True)
    _, fresh = shared.plan(0.0, frozenset())
    _, later = shared.plan(1.5 * cheapest, frozenset())
    assert later.bill_usd <= 1.5 * cheapest < fresh.bill_usd
    with pytest.raises(BudgetReached, match="left of the session budget"):
        shared.plan(2.5 * cheapest, frozenset())


def test_what_is_resident_need_not_be_loaded(planner: Planner) -> None:
    requests = wanted(load_cost=True)
    shared = SessionBudget(planner, requests, 1.0, installed_only=True)
    _, cold = shared.plan(0.0, frozenset())
    every = frozenset(function.model.name for function in planner.catalog.installed())
    _, warm = shared.plan(0.0, every)
    assert warm.bill_usd < cold.bill_usd


def test_a_policy_that_was_asked_for_is_kept_and_paid_first(planner: Planner) -> None:
    pinned = wanted(policy=Policy.pinned("starter-base@20"))[:10]
    free = wanted()[10:]
    cheapest = bill(planner, wanted(policy=Policy.tradeoff(0.0))[10:])
    budget = bill(planner, pinned) + 1.2 * cheapest
    followed, spending = SessionBudget(planner, [*pinned, *free], budget, installed_only=True).plan(
        0.0, frozenset()
    )
    assert followed[:10] == pinned
    assert bill(planner, followed) == pytest.approx(spending.bill_usd)
    assert spending.bill_usd <= budget


def test_the_rest_of_a_file_is_planned_with_what_is_left(planner: Planner) -> None:
    requests = wanted()
    shared = SessionBudget(planner, requests, 1.0, installed_only=True)
    followed, _ = shared.plan(0.0, frozenset(), begin=25)
    assert [request.id for request in followed] == [f"r{n}" for n in range(25, 30)]


def test_the_bill_of_a_file_shows_it(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("\n".join(PROMPTS))
    told = inside(
        "generate", "-f", "p.txt", "--session-budget", "0.00004", "--load-cost", "off", "--dry-run",
        "--json",
    )  # fmt: skip
    assert told.code == 0, told.err
    chosen = [
        next(c for c in row["candidates"] if c["function"] == row["choice"]) for row in told.lines
    ]
    assert sum(one["cost_usd"] for one in chosen) <= 0.00004
    assert {row["policy"]["kind"] for row in told.lines} == {"lambda"}
    assert "session budget $4e-05: 30 pictures expected to cost" in told.err
    routed = inside(
        "route", "-f", "p.txt", "--session-budget", "0.00004", "--load-cost", "off", "-q"
    )
    assert routed.out.split() == [row["choice"] for row in told.lines]


def test_a_budget_that_cannot_be_met_names_the_least_bill(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("\n".join(PROMPTS))
    for command in (("route",), ("generate", "--dry-run")):
        ran = inside(*command, "-f", "p.txt", "--session-budget", "1e-7")
        assert ran.code == 6
        assert ran.out == ""
        assert "30 pictures cost at least $" in ran.err
    assert inside("route", "a cat", "--session-budget", "-1").code == 2


def test_one_load_is_shared_by_all_pictures_of_a_plan(planner: Planner) -> None:
    every = {one.function: one for one in planner.decide(
        Request("r", PROMPTS[0], Policy("lambda", 0.0), policy_is_explicit=True, load_cost=True),
        frozenset(),
        installed_only=True,
    ).candidates}  # fmt: skip
    assert any(one.load_cost_usd for one in every.values())
    shared = SessionBudget(planner, wanted(load_cost=True), 1.0, installed_only=True)
    followed, spending = shared.plan(0.0, frozenset())
    assert {request.load_pictures for request in followed} == {len(PROMPTS)}
    decided = [
        planner.decide(request, frozenset(), installed_only=True).choice for request in followed
    ]
    assert decided == list(spending.picks)
    rest, _ = shared.plan(0.0, frozenset(), begin=20)
    assert {request.load_pictures for request in rest} == {len(PROMPTS) - 20}
