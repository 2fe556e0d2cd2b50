"""A budget for many pictures: never over it, never far under it, and more buys no less."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.decision import Policy
from cems_tui.errors import BudgetReached
from cems_tui.routing.decide.budget import Load, Spending, spend
from cems_tui.routing.decide.policy import Option, pick

NAMES = ("cheap@1", "middle@4", "dear@20")

prices = st.lists(st.floats(1e-7, 1e-3), min_size=3, max_size=3)
worths = st.lists(
    st.lists(st.floats(-5.0, 5.0, width=32), min_size=3, max_size=3), min_size=1, max_size=12
)


def wanted(worth: list[list[float]], price: list[float]) -> list[list[Option]]:
    return [
        [Option(name, w, c) for name, w, c in zip(NAMES, row, price, strict=True)] for row in worth
    ]


def least(wants: list[list[Option]]) -> float:
    return sum(min(option.price or 0.0 for option in want) for want in wants)


def bill(wants: list[list[Option]], spent: Spending) -> float:
    priced = [{option.function: option.price or 0.0 for option in want} for want in wants]
    return sum(of[name] for of, name in zip(priced, spent.picks, strict=True))


@given(worth=worths, price=prices, slack=st.floats(1.0 + 1e-6, 30.0))
def test_a_feasible_budget_is_never_exceeded(
    worth: list[list[float]], price: list[float], slack: float
) -> None:
    wants = wanted(worth, price)
    spent = spend(wants, least(wants) * slack)
    assert spent.bill_usd <= least(wants) * slack
    assert spent.bill_usd == pytest.approx(bill(wants, spent))


@given(worth=worths, price=prices, slack=st.floats(1.0 + 1e-6, 30.0))
def test_what_is_left_would_not_buy_one_more_step(
    worth: list[list[float]], price: list[float], slack: float
) -> None:
    wants = wanted(worth, price)
    budget = least(wants) * slack
    spent = spend(wants, budget)
    if set(spent.lambdas) != {0.0}:  # something had to be saved
        assert budget - spent.bill_usd < max(price)


@given(worth=worths, price=prices, slacks=st.tuples(*[st.floats(1.0 + 1e-6, 30.0)] * 2))
def test_more_money_never_buys_less(
    worth: list[list[float]], price: list[float], slacks: tuple[float, float]
) -> None:
    wants = wanted(worth, price)
    poor, rich = (spend(wants, least(wants) * slack) for slack in sorted(slacks))
    assert poor.bill_usd <= rich.bill_usd * (1 + 1e-12)
    assert max(rich.lambdas) <= max(poor.lambdas)


@given(worth=worths, price=prices, slack=st.floats(1.0 + 1e-6, 30.0))
def test_the_policy_makes_the_same_picks_at_that_lambda(
    worth: list[list[float]], price: list[float], slack: float
) -> None:
    wants = wanted(worth, price)
    spent = spend(wants, least(wants) * slack)
    for want, value, name in zip(wants, spent.lambdas, spent.picks, strict=True):
        assert pick(want, Policy("lambda", value), value).function == name


@given(worth=worths, price=prices, short=st.floats(0.0, 0.999))
def test_an_infeasible_budget_is_refused_with_the_least_bill(
    worth: list[list[float]], price: list[float], short: float
) -> None:
    wants = wanted(worth, price)
    with pytest.raises(BudgetReached) as caught:
        spend(wants, least(wants) * short)
    assert f"${least(wants):.3g}" in str(caught.value)
    assert caught.value.exit_code == 6


def test_of_equal_prompts_as_many_as_fit_are_upgraded() -> None:
    wants = wanted([[1.0, 2.0, -9.0]] * 10, [1.0, 3.0, 9.0])
    spent = spend(wants, 17.0)
    assert spent.picks == ("middle@4",) * 3 + ("cheap@1",) * 7
    assert spent.bill_usd == 16.0


def test_unlimited_money_takes_the_best_of_every_prompt() -> None:
    spent = spend(wanted([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], [1.0, 2.0, 3.0]), math.inf)
    assert spent.picks == ("dear@20", "cheap@1")
    assert spent.lambdas == (0.0, 0.0)


def test_a_model_is_loaded_once_for_all_its_pictures() -> None:
    loads = {"cheap@1": Load("small", 10.0), "dear@20": Load("large", 40.0)}
    wants = [
        [Option("cheap@1", 1.0, 1.0 + 10.0), Option("dear@20", 2.0, 2.0 + 40.0)] for _ in range(5)
    ]
    assert spend(wants, 50.0, loads).bill_usd == 5 * 2.0 + 40.0
    assert spend(wants, 20.0, loads).bill_usd == 5 * 1.0 + 10.0
    with pytest.raises(BudgetReached, match=r"at least \$15"):
        spend(wants, 14.0, loads)


def test_two_functions_of_one_model_share_its_load() -> None:
    loads = {"cheap@1": Load("one", 10.0), "dear@20": Load("one", 10.0)}
    wants = [
        [Option("cheap@1", 1.0, 11.0)],
        [Option("dear@20", 1.0, 13.0)],
    ]
    assert spend(wants, 14.0, loads).bill_usd == 1.0 + 3.0 + 10.0


def test_nothing_wanted_costs_nothing() -> None:
    assert spend([], 0.0) == Spending((), (), 0.0)
