"""What a load takes, whom it makes leave, and what electricity costs: the same words everywhere."""

from __future__ import annotations

from dataclasses import replace

from cems_tui.domain.decision import Candidate, RoutingDecision
from cems_tui.domain.pricing import Pricing
from cems_tui.views.figures import DOLLARS
from cems_tui.views.price_card import leaving_words, swap_lines, swap_words
from tests.store.records import decision


def candidate(**changes: object) -> Candidate:
    chosen = decision().chosen
    assert chosen is not None
    told = {"resident": False, "load_seconds": 6.0, "seconds": 2.0, "evicts": (), **changes}
    return replace(chosen, **told)  # type: ignore[arg-type]


def test_a_load_is_told_with_its_share_of_the_wait_and_who_leaves() -> None:
    assert swap_words(candidate()) == "load 6.00 s, 75 % of the wait"
    assert swap_words(candidate(evicts=("base", "nima"))).endswith("; base and nima leave for it")
    assert leaving_words(candidate(evicts=("base",))) == "base leaves for it"


def test_what_is_there_costs_no_load_and_what_is_unknown_is_not_0() -> None:
    there = candidate(resident=True, load_seconds=0.0)
    assert (swap_words(there), there.swap_share) == ("loaded", 0.0)
    unknown = candidate(load_seconds=None, evicts=None)
    assert (swap_words(unknown), unknown.swap_share) == ("load —", None)


def test_the_card_says_whom_the_pick_makes_leave_and_nothing_where_it_is_nobody() -> None:
    one = decision()
    leaves = replace(one, candidates=(candidate(evicts=("base",)), *one.candidates[1:]))
    assert swap_lines(leaves) == [f"{one.choice}: {swap_words(leaves.candidates[0])}"]
    assert swap_lines(one) == []


def test_a_decision_comes_back_with_whom_it_would_have_made_leave() -> None:
    one = decision()
    told = replace(one, candidates=(candidate(evicts=("base",), energy_wh=0.4, energy_usd=None),))
    again = RoutingDecision.from_json(told.to_json())
    assert again.candidates == told.candidates
    [row] = told.to_json()["candidates"]
    assert (row["evicts"], row["swap_share"], row["energy_usd"]) == (["base"], 0.75, None)


def test_energy_is_money_only_where_somebody_said_what_it_costs() -> None:
    assert Pricing().energy_usd(2.0) is None
    assert Pricing(usd_per_kwh=0.25).energy_usd(None) is None
    assert Pricing(usd_per_kwh=0.25).energy_usd(2.0) == 0.0005
    assert DOLLARS.energy(0.4217, None) == "0.42 Wh"
    assert DOLLARS.energy(2.0, 0.0005, estimated=True) == "~2.0 Wh, ~$0.000500"
