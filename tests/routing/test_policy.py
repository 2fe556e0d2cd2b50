"""The decision: every policy picks what it promises, and says why."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cems_tui.domain.decision import Offer, Policy, QualityEstimate, RoutingDecision
from cems_tui.domain.estimate import PromptEstimate
from cems_tui.errors import BudgetReached, UnknownName, UsageError
from cems_tui.routing.decide.difference import PairedSpread
from cems_tui.routing.decide.policy import check_policy
from cems_tui.routing.decide.route import route
from tests.routing.fakes import expecting, offer

NAMES = ("one@1", "two@4", "three@8", "four@25")
prices = st.none() | st.floats(1e-7, 1e-3)
qualities = st.none() | st.floats(-10.0, 10.0)
pools = st.lists(
    st.tuples(prices, qualities, st.booleans(), st.sampled_from([True, False, None])),
    min_size=1,
    max_size=4,
)
Pool = list[tuple[float | None, float | None, bool, bool | None]]


def decide(
    pool: Pool, policy: Policy, lambda_: float | None = None, load_cost: bool = False
) -> RoutingDecision:
    offers, estimates = of_pool(pool)
    return route("a red ball", offers, estimates, policy, lambda_, load_cost)


def of_pool(pool: Pool) -> tuple[list[Offer], PromptEstimate]:
    offers = [
        offer(name, cost, fits=fits, allowed=allowed)
        for name, (cost, _, allowed, fits) in zip(NAMES, pool, strict=False)
    ]
    known = {
        name: quality
        for name, (_, quality, _, _) in zip(NAMES, pool, strict=False)
        if quality is not None
    }
    return offers, expecting(known)


def eligible(pool: Pool) -> dict[str, tuple[float | None, float]]:
    """Price and quality of what auto may pick."""
    return {
        name: (cost, quality)
        for name, (cost, quality, allowed, fits) in zip(NAMES, pool, strict=False)
        if quality is not None and allowed and fits is not False
    }


def test_without_regard_to_price_the_best_quality_is_picked() -> None:
    decision = decide([(1e-6, 1.0, True, True), (1e-5, 2.0, True, True)], Policy("lambda", 0.0))
    assert decision.choice == "two@4"


def test_the_reason_says_what_is_paid_for_how_much_more() -> None:
    offers = [offer("starter-turbo@1", 6e-7), offer("starter-base@20", 6.6e-6)]
    expected = expecting({"starter-turbo@1": 1.24, "starter-base@20": 1.31})
    decision = route("a red ball", offers, expected, Policy.tradeoff(0.5), 812.0)
    assert decision.choice == "starter-base@20"
    assert decision.reason == (
        "best utility; 11x the price of starter-turbo@1 for 0.07 more predicted quality"
    )


def spread_of(least: float, width: float = 0.2) -> PairedSpread:
    """All pairs alike."""
    ones = np.ones((4, 4)) - np.eye(4)
    return PairedSpread(NAMES, -width * ones, width * ones, ones, least * ones)


@given(pool=pools, least=st.floats(0.0, 5.0), weight=st.floats(0.0, 1e6), familiar=st.booleans())
def test_balanced_never_pays_twice_the_cheapest_for_what_is_not_told_apart(
    pool: Pool, least: float, weight: float, familiar: bool
) -> None:
    offers, estimates = of_pool(pool)
    estimates = replace(estimates, in_distribution=familiar)
    decision = route(
        "a", offers, estimates, Policy("balanced", 0.4), weight, spread=spread_of(least)
    )
    able = {name: one for name, one in eligible(pool).items() if one[0] is not None}
    if not able:
        return
    assert decision.choice in able
    price, quality = able[decision.choice]
    cheapest, base = min(able.values(), key=lambda one: (one[0], -one[1]))
    assert price is not None
    assert cheapest is not None
    assert price <= 2 * cheapest or quality - base > (least if familiar else max(least, 1.2))


@given(pool=pools, weight=st.floats(0.0, 1e6))
def test_balanced_is_the_trade_off_where_every_gain_is_told_apart(
    pool: Pool, weight: float
) -> None:
    offers, estimates = of_pool([p for p in pool if p[0] is not None])
    spread = spread_of(0.0)
    balanced = route("a", offers, estimates, Policy("balanced", 0.4), weight, spread=spread)
    traded = route("a", offers, estimates, Policy.tradeoff(0.4), weight, spread=spread)
    assert balanced.choice == traded.choice
    assert balanced.lambda_per_usd == traded.lambda_per_usd


def test_balanced_stays_within_twice_the_cheapest_where_nothing_is_known_of_differences() -> None:
    pool: Pool = [(1e-6, 1.0, True, True), (2e-6, 1.1, True, True), (1e-5, 9.0, True, True)]
    decision = decide(pool, Policy("balanced", 0.4), 1.0)
    assert decision.choice == "two@4"
    assert "too little better to tell apart" in decision.reason


@given(pool=pools, weight=st.floats(0.0, 1e6), policy=st.sampled_from(["lambda", "tolerance"]))
def test_every_candidate_carries_its_difference_to_the_choice(
    pool: Pool, weight: float, policy: str
) -> None:
    offers, estimates = of_pool(pool)
    asked = Policy(policy, weight)  # type: ignore[arg-type]
    decision = route("a", offers, estimates, asked, spread=spread_of(0.3))
    chosen = decision.chosen
    for candidate in decision.candidates:
        apart = candidate.difference
        unknown = chosen is None or chosen.quality is None or candidate.quality is None
        if candidate is chosen or unknown:
            assert apart is None
            continue
        assert apart is not None
        assert chosen is not None
        assert apart.to == decision.choice
        assert apart.quality == candidate.quality - chosen.quality  # type: ignore[operator]
        assert apart.interval[0] <= apart.quality <= apart.interval[1]
        assert apart.told_apart == (abs(apart.quality) > 0.3)
    assert RoutingDecision.from_json(json.loads(json.dumps(decision.to_json()))) == decision


def test_the_reason_names_the_cheapest_that_may_be_as_good_and_how_sure_it_is() -> None:
    pool: Pool = [
        (1e-6, 1.70, True, True),
        (8e-6, 1.71, True, True),
        (9e-6, 1.00, True, True),
        (1.6e-5, 1.74, True, True),
    ]
    offers, estimates = of_pool(pool)
    decision = route("a", offers, estimates, Policy.tradeoff(1.0), 0.0, spread=spread_of(0.05, 0.1))
    assert decision.choice == "four@25"
    assert decision.reason == (
        "best predicted quality; 16x the price of one@1 for 0.04 more predicted quality "
        "(90 %: −0.06 to 0.14, too little to tell apart)"
    )


def test_a_cheap_choice_is_held_against_the_best() -> None:
    offers, estimates = of_pool([(1e-6, 1.0, True, True), (1e-5, 1.5, True, True)])
    decision = route("a", offers, estimates, Policy.tradeoff(0.0), 1e9, spread=spread_of(0.1, 0.2))
    assert decision.choice == "one@1"
    assert decision.reason == (
        "best utility; two@4 at 10x the price promises 0.5 more predicted quality "
        "(90 %: 0.3 to 0.7)"
    )


def test_outside_the_distribution_a_gain_counts_only_if_its_interval_is_sure() -> None:
    pool: Pool = [(1e-6, 1.0, True, True), (1e-5, 2.0, True, True)]
    offers, estimates = of_pool(pool)
    known = route("a", offers, estimates, Policy("balanced", 0.4), 1.0, spread=spread_of(0.1))
    strange = replace(estimates, in_distribution=False)
    unlike = route("a", offers, strange, Policy("balanced", 0.4), 1.0, spread=spread_of(0.1))
    assert (known.choice, unlike.choice) == ("two@4", "one@1")


def test_a_classifier_asked_by_nobody_for_prices_takes_the_likeliest_by_default() -> None:
    offers = [offer("one@1", 1e-6), offer("two@4", 1e-4)]
    estimates = PromptEstimate(
        {
            "one@1": QualityEstimate(None, None, 0.4),
            "two@4": QualityEstimate(None, None, 0.6),
        },
        True,
        0.0,
    )
    implicit = route("a", offers, estimates, Policy("balanced", 0.3), 1e9, policy_is_explicit=False)
    explicit = route("a", offers, estimates, Policy("balanced", 0.3), 1e9)
    assert (implicit.choice, explicit.choice) == ("two@4", "one@1")
    assert all(c.difference is None for c in implicit.candidates)


def test_at_dial_zero_the_cheapest_is_picked_also_for_an_unusual_prompt() -> None:
    pool: Pool = [(1e-6, 0.0, True, True), (1e-5, 9.0, True, True)]
    decision = decide(pool, Policy.tradeoff(0.0), 1.0)
    assert decision.choice == "one@1"
    assert decision.candidates[0].utility == max(c.utility or -9e9 for c in decision.candidates)


def test_an_unpriced_function_is_not_compared_when_price_matters_and_that_is_said() -> None:
    pool: Pool = [(None, 9.0, True, True), (1e-5, 1.0, True, True)]
    decision = decide(pool, Policy("lambda", 1.0))
    assert decision.choice == "two@4"
    assert any("one@1" in note.text and note.kind == "price" for note in decision.notes)
    assert decide(pool, Policy("lambda", 0.0)).choice == "one@1"


def test_a_budget_nobody_keeps_names_the_cheapest_price() -> None:
    with pytest.raises(BudgetReached, match="the cheapest costs 1e-05 USD"):
        decide([(1e-5, 1.0, True, True), (None, 5.0, True, True)], Policy("budget", 1e-6))


def test_a_floor_out_of_reach_takes_the_best_and_says_so() -> None:
    pool: Pool = [(1e-6, 1.0, True, True), (1e-5, 2.0, True, True)]
    decision = decide(pool, Policy("floor", 7.0))
    assert decision.choice == "two@4"
    assert "no function is predicted to reach 7" in decision.reason


def test_ties_go_to_the_cheaper_and_then_to_the_first() -> None:
    same_quality: Pool = [(2e-6, 1.0, True, True), (1e-6, 1.0, True, True)]
    assert decide(same_quality, Policy("lambda", 0.0)).choice == "two@4"
    same_all: Pool = [(1e-6, 1.0, True, True), (1e-6, 1.0, True, True)]
    assert decide(same_all, Policy("lambda", 0.0)).choice == "one@1"


def test_a_pinned_function_needs_no_estimate() -> None:
    decision = route("a red ball", [offer("one@1"), offer("two@4")], None, Policy.pinned("two@4"))
    assert (decision.choice, decision.reason) == ("two@4", "pinned")
    assert decision.lambda_per_usd is None
    assert decision.in_distribution is None


def test_what_is_too_large_whole_is_drawn_in_parts_when_it_is_named_and_never_picked_else() -> None:
    large, small = offer("large@4", fits=False), offer("small@1")
    named = route("a red ball", [large, small], None, Policy.pinned("large@4"))
    assert named.choice == "large@4"
    assert [note.kind for note in named.notes] == ["memory"]
    blocked = replace(large, blocked_by="is too big", blocked_kind="memory")
    assert route("a red ball", [blocked, small], None, Policy.pinned("large@4")).choice is None
    expected = expecting({"large@4": 9.0, "small@1": 1.0})
    assert route("a", [large, small], expected, Policy("tolerance", 0.1)).choice == "small@1"


def test_pinning_something_unknown_suggests_what_is_near() -> None:
    with pytest.raises(UnknownName) as caught:
        route("a red ball", [offer("starter-turbo@1")], None, Policy.pinned("starter-trubo@1"))
    assert "starter-turbo@1" in caught.value.hint


def test_with_nothing_to_choose_from_the_reason_says_why() -> None:
    assert "no generation function is installed" in decide_none([])
    assert "in the pool" in decide_none([offer("one@1", allowed=False)])
    assert "no router knows" in decide_none([offer("one@1")])
    assert "fits" in decide_none([offer("one@1", fits=False)])


def decide_none(offers: list[Offer]) -> str:
    decision = route("a red ball", offers, expecting({}), Policy.tradeoff(0.5), 1.0)
    assert decision.choice is None
    return decision.reason


def test_a_known_load_price_counts_and_an_unknown_one_is_said_and_not_added() -> None:
    offers = [offer("one@1", 1e-6, 1e-3), offer("two@4", 1e-5, 0.0), offer("three@8", 2e-5, None)]
    expected = expecting({"one@1": 1.0, "two@4": 1.0, "three@8": 1.0})
    assert route("a", offers, expected, Policy("tolerance", 0.1)).choice == "one@1"
    loaded = route("a", offers, expected, Policy("tolerance", 0.1), load_cost=True)
    assert loaded.choice == "two@4"
    assert any("three@8" in note.text and note.kind == "load" for note in loaded.notes)


def test_with_a_pinned_function_nothing_is_said_of_the_others() -> None:
    offers = [offer("one@1", 1e-6, 1e-3), *(offer(f"other@{n}", None, None) for n in range(3))]
    decision = route("a", offers, None, Policy.pinned("one@1"), load_cost=True)
    assert decision.notes == ()
    unknown = route("a", offers, None, Policy.pinned("other@1"), load_cost=True)
    assert not [note for note in unknown.notes if "other@2" in note.text]


def test_a_prompt_unlike_the_training_prompts_is_noted() -> None:
    expected = expecting({"one@1": 1.0}, familiar=False)
    decision = route("zxq", [offer("one@1")], expected, Policy.tradeoff(1.0))
    assert decision.in_distribution is False
    assert any(note.kind == "out_of_distribution" for note in decision.notes)


@pytest.mark.parametrize(
    "policy",
    [
        Policy("tradeoff", -0.1),
        Policy("tradeoff", 1.1),
        Policy("tradeoff", float("nan")),
        Policy("lambda", -1.0),
        Policy("lambda", float("inf")),
        Policy("budget", -1e-6),
        Policy("tolerance", -1.0),
        Policy("floor", float("nan")),
        Policy("floor", None),
        Policy("pinned", None),
    ],
)
def test_a_value_that_cannot_be_followed_is_a_usage_error(policy: Policy) -> None:
    with pytest.raises(UsageError):
        check_policy(policy)


def classifier(probabilities: dict[str, float]) -> PromptEstimate:
    known = {name: QualityEstimate(None, None, p) for name, p in probabilities.items()}
    return PromptEstimate(known, True, 0.1)


def test_a_classifier_is_argmax_unless_a_trade_off_was_asked_for() -> None:
    offers = [offer("one@1", 1e-6), offer("two@4", 1e-4)]
    expected = classifier({"one@1": 0.4, "two@4": 0.6})
    policy = Policy.tradeoff(0.2)
    implicit = route("a", offers, expected, policy, 1e5, policy_is_explicit=False)
    assert implicit.choice == "two@4"
    assert implicit.reason == "best probability; 100x the price of one@1 for 0.2 more probability"
    assert implicit.candidates[0].quality is None
    assert implicit.candidates[0].probability == 0.6
    assert route("a", offers, expected, policy, 1e5).choice == "one@1"


@pytest.mark.parametrize("kind", ["floor", "tolerance"])
def test_a_classifier_has_no_floor_and_no_tolerance(kind: str) -> None:
    with pytest.raises(UsageError):
        route("a", [offer("one@1")], classifier({"one@1": 1.0}), Policy(kind, 0.5))  # type: ignore[arg-type]


@given(pool=pools, lambda_=st.floats(0.0, 1e6))
def test_auto_only_picks_what_is_allowed_fits_and_is_known(pool: Pool, lambda_: float) -> None:
    decision = decide(pool, Policy("lambda", lambda_))
    assert (decision.choice is None) == (not eligible(pool))
    if decision.choice:
        assert decision.choice in eligible(pool)


@given(pool=pools, lambda_=st.floats(0.0, 1e6))
def test_the_utility_is_quality_minus_lambda_cost_and_the_choice_has_the_most(
    pool: Pool, lambda_: float
) -> None:
    decision = decide(pool, Policy("lambda", lambda_))
    for one in decision.candidates:
        if one.utility is not None:
            assert one.quality is not None
            paid = lambda_ * one.cost_usd if lambda_ and one.cost_usd is not None else 0.0
            assert one.utility == pytest.approx(one.quality - paid)
    if decision.chosen and decision.chosen.utility is not None:
        rivals = [
            c.utility
            for c in decision.candidates
            if c.function in eligible(pool) and c.utility is not None
        ]
        assert decision.chosen.utility == max(rivals)


@given(pool=pools, lambda_=st.floats(0.0, 1e6))
def test_every_offer_is_a_candidate_ranked_once_with_the_choice_first(
    pool: Pool, lambda_: float
) -> None:
    decision = decide(pool, Policy("lambda", lambda_))
    assert [c.rank for c in decision.candidates] == list(range(1, len(pool) + 1))
    assert {c.function for c in decision.candidates} == set(NAMES[: len(pool)])
    if decision.choice:
        assert decision.candidates[0].function == decision.choice
    assert RoutingDecision.from_json(decision.to_json()) == decision


@given(pool=pools, low=st.floats(0.0, 1e6), more=st.floats(0.0, 1e6))
def test_a_higher_lambda_never_picks_something_dearer(pool: Pool, low: float, more: float) -> None:
    assume(all(cost is not None for cost, *_ in pool))
    first, second = (decide(pool, Policy("lambda", value)).chosen for value in (low, low + more))
    if first and second:
        assert first.cost_usd is not None
        assert second.cost_usd is not None
        assert second.cost_usd <= first.cost_usd


@given(pool=pools, budget=st.floats(0.0, 1e-3))
def test_a_budget_takes_the_best_it_can_pay(pool: Pool, budget: float) -> None:
    paid = {
        name: quality
        for name, (cost, quality) in eligible(pool).items()
        if cost is not None and cost <= budget
    }
    if eligible(pool) and not paid:
        with pytest.raises(BudgetReached):
            decide(pool, Policy("budget", budget))
        return
    choice = decide(pool, Policy("budget", budget)).choice
    assert choice is None if not paid else paid[choice or ""] == max(paid.values())


@given(pool=pools, floor=st.floats(-10.0, 10.0))
def test_a_floor_takes_the_cheapest_that_reaches_it_else_the_best(pool: Pool, floor: float) -> None:
    options = eligible(pool)
    assume(options)
    choice = decide(pool, Policy("floor", floor)).choice or ""
    reaching = {name: cost for name, (cost, quality) in options.items() if quality >= floor}
    priced = [cost for cost in reaching.values() if cost is not None]
    if not reaching:
        assert options[choice][1] == max(quality for _, quality in options.values())
    elif priced:
        assert reaching[choice] == min(priced)


@given(pool=pools, tolerance=st.floats(0.0, 5.0))
def test_a_tolerance_takes_the_cheapest_near_the_best(pool: Pool, tolerance: float) -> None:
    options = eligible(pool)
    assume(options)
    choice = decide(pool, Policy("tolerance", tolerance)).choice or ""
    best = max(quality for _, quality in options.values())
    assert options[choice][1] >= best - tolerance
    near = [cost for cost, quality in options.values() if quality >= best - tolerance]
    priced = [cost for cost in near if cost is not None]
    if priced:
        assert options[choice][0] == min(priced)


@given(pool=pools, lambda_=st.floats(0.0, 1e6), order=st.permutations(range(4)))
def test_the_order_of_the_offers_only_breaks_ties(
    pool: Pool, lambda_: float, order: list[int]
) -> None:
    keys = [(cost, quality) for cost, quality, *_ in pool]
    assume(len(set(keys)) == len(keys))
    offers, estimates = of_pool(pool)
    shuffled = [offers[place] for place in order if place < len(offers)]
    policy = Policy("lambda", lambda_)
    first = route("a", offers, estimates, policy).chosen
    second = route("a", shuffled, estimates, policy).chosen
    if first is None or second is None:
        assert first is second
    else:
        assert (first.utility, first.cost_usd) == (second.utility, second.cost_usd)
