"""Why a decision was taken: contributions are the router's own, stated changes really change it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, nextafter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cems_tui.domain.decision import Offer, Policy, QualityEstimate, RoutingDecision
from cems_tui.domain.estimate import PromptEstimate
from cems_tui.errors import BudgetReached
from cems_tui.routing.decide.route import route
from cems_tui.routing.explain.contributions import MOST_REMOVED
from cems_tui.routing.explain.explanation import Explanation, explain
from cems_tui.routing.explain.flips import Flip
from cems_tui.routing.explain.prompt_parts import MOST_PARTS, phrases, without, word_kinds, words
from tests.routing.fakes import expecting, offer

NAMES = ("a@1", "b@4", "c@8", "d@20")
PROMPT = "a red fish in the snow, two green stars"


class WordRouter:
    """Adds up what each known word is worth to each function; counts how often it is asked."""

    def __init__(self, worth: Mapping[str, Sequence[float]], *, classifier: bool = False) -> None:
        self._worth = worth
        self._classifier = classifier
        self.asked: list[str] = []

    def estimate(self, prompt: str) -> PromptEstimate:
        self.asked.append(prompt)
        found = [word for word in re.findall(r"\w+", prompt.lower()) if word in self._worth]
        totals = [1.0 + sum(self._worth[word][m] for word in found) for m in range(len(NAMES))]
        return PromptEstimate(
            {
                name: QualityEstimate(None, None, total)
                if self._classifier
                else QualityEstimate(total, (total - 1, total + 1))
                for name, total in zip(NAMES, totals, strict=True)
            },
            True,
            0.2,
        )


KNOWN = WordRouter({"fish": (-0.4, 0.0, 0.1, 0.3), "snow": (0.2, 0.0, 0.0, -0.1)})
OFFERS = [offer(name, price) for name, price in zip(NAMES, (1e-6, 2e-6, 4e-6, 9e-6), strict=True)]


def decided(
    policy: Policy,
    estimates: PromptEstimate,
    offers: Sequence[Offer] = OFFERS,
    lambda_: float | None = None,
    *,
    load_cost: bool = False,
    prompt: str = PROMPT,
) -> RoutingDecision:
    return route(prompt, offers, estimates, policy, lambda_, load_cost)


def change_of(told: Explanation, word: str) -> float:
    return next(one.change for one in told.words if one.text == word)


# --- words ---------------------------------------------------------------------------------------


def test_a_words_contribution_is_what_the_lead_loses_without_it() -> None:
    decision = decided(Policy("lambda", 0.0), KNOWN.estimate(PROMPT))
    told = explain(decision, KNOWN)
    assert (told.choice, told.runner_up) == ("d@20", "c@8")
    assert change_of(told, "fish") == pytest.approx(0.2)
    assert change_of(told, "snow") == pytest.approx(-0.1)
    assert told.leading[0].text == "fish"


@given(st.text(alphabet="bdfgklmnpz", min_size=1, max_size=9))
def test_a_word_the_router_does_not_know_contributes_nothing(word: str) -> None:
    prompt = f"{PROMPT} {word}"
    told = explain(decided(Policy("lambda", 0.0), KNOWN.estimate(prompt), prompt=prompt), KNOWN)
    assert change_of(told, word) == 0.0
    assert all(one.text != word for one in told.leading)


@given(st.lists(st.sampled_from(["fish", "snow", "red", "and", "xq", ","]), min_size=1))
def test_contributions_are_the_same_each_time(parts: list[str]) -> None:
    prompt = " ".join(parts)
    decision = decided(Policy("lambda", 1e4), KNOWN.estimate(prompt), prompt=prompt)
    assert explain(decision, KNOWN) == explain(decision, KNOWN)


def test_a_word_said_twice_is_left_out_at_both_places() -> None:
    prompt = "a fish beside a fish"
    told = explain(decided(Policy("lambda", 0.0), KNOWN.estimate(prompt), prompt=prompt), KNOWN)
    [fish] = [one for one in told.words if one.text == "fish"]
    assert fish.spans == ((2, 6), (16, 20))
    assert fish.change == pytest.approx(0.4)


@pytest.mark.parametrize(
    "prompt",
    [
        ", ".join(f"thing{n} of the kind{n}" for n in range(300)),
        " ".join(f"word{n}" for n in range(1500)),
        "the " * 2000 + "fish",
        "fish," * 1500,
    ],
)
def test_a_long_prompt_is_asked_about_a_bounded_number_of_times(prompt: str) -> None:
    router = WordRouter({"fish": (0.0, 0.0, 0.0, 0.5)})
    decision = decided(Policy("lambda", 0.0), router.estimate(prompt), prompt=prompt)
    router.asked.clear()
    told = explain(decision, router)
    assert len(router.asked) <= 1 + MOST_PARTS + len(word_kinds(prompt)) + MOST_REMOVED
    assert len(told.words) <= MOST_PARTS


def test_the_word_that_decides_is_found_in_a_long_prompt() -> None:
    router = WordRouter({"fish": (0.0, 0.0, 0.0, 0.5)})
    pieces = [f"piece {n} of a very long list of things" for n in range(80)]
    pieces[57] = "and there a fish at last"
    prompt = ", ".join(pieces)
    decision = decided(Policy("lambda", 0.0), router.estimate(prompt), prompt=prompt)
    assert explain(decision, router).leading[0].text == "fish"


def test_linguistic_features_are_counted_and_judged_in_words() -> None:
    router = WordRouter({"red": (0, 0, 0, 0.1), "green": (0, 0, 0, 0.2), "two": (0, 0, 0, -0.05)})
    told = explain(decided(Policy("lambda", 0.0), router.estimate(PROMPT)), router)
    by_name = {one.name: one for one in told.features}
    assert by_name["colours"].change == pytest.approx(0.3)
    assert by_name["colours"].words == ("red", "green")
    assert by_name["number"].change == pytest.approx(-0.05)
    assert by_name["comma"].change == 0.0
    assert (by_name["words"].count, by_name["words"].change) == (9, None)
    assert by_name["relation"].words == ("in",)
    assert told.features[0].name == "colours"


def test_a_prompt_unlike_the_training_prompts_has_no_words_to_blame() -> None:
    class Strange(WordRouter):
        def estimate(self, prompt: str) -> PromptEstimate:
            return replace(super().estimate(prompt), in_distribution=False)

    router = Strange({"fish": (0.0, 0.0, 0.0, 0.5)})
    told = explain(decided(Policy("lambda", 0.0), router.estimate(PROMPT)), router)
    assert told.words == ()
    assert "unlike the training prompts: estimates lie near the means" in told.words_note
    assert told.flips  # what would change the pick is still known


WILD = "\x1b[31mred\x1b[0m [/oops] ‮abc مرحبا 👩‍👩‍👧 日本語 {x} 'a\tb\n\x00"


@given(st.text(max_size=80))
def test_any_text_can_be_explained(prompt: str) -> None:
    text = f"fish {prompt}{WILD}"
    told = explain(decided(Policy("lambda", 0.0), KNOWN.estimate(text), prompt=text), KNOWN)
    for one in told.words:
        for start, end in one.spans:
            assert text[start:end].lower() == one.text.lower() or one.kind == "phrase"
    json.dumps(told.to_json(), allow_nan=False)


@given(st.text(alphabet="ab ,.\n", max_size=60))
def test_parts_are_cut_where_they_stand(prompt: str) -> None:
    for part in (*words(prompt), *phrases(prompt)):
        left = without(prompt, part.spans)
        assert len(left) <= len(prompt) - sum(end - start for start, end in part.spans)
        if part.kind == "word":
            assert part.text.lower() not in [word.text.lower() for word in words(left)]


# --- what would change the pick ------------------------------------------------------------------

qualities = st.lists(st.floats(-3.0, 3.0).map(lambda q: round(q, 3)), min_size=2, max_size=4)
prices = st.lists(st.one_of(st.none(), st.floats(1e-7, 1e-4)), min_size=4, max_size=4)
loads = st.lists(st.sampled_from([0.0, 0.0, 3e-6, None]), min_size=4, max_size=4)
policies = st.one_of(
    st.builds(lambda d: Policy("tradeoff", d), st.sampled_from([0.0, 0.3, 0.7, 1.0])),
    st.builds(lambda x: Policy("lambda", x), st.floats(0.0, 1e6)),
    st.builds(lambda x: Policy("budget", x), st.floats(1e-7, 1.2e-4)),
    st.builds(lambda x: Policy("floor", x), st.floats(-3.5, 3.5)),
    st.builds(lambda x: Policy("tolerance", x), st.floats(0.0, 4.0)),
)


def lambda_at(dial: float) -> float:
    return 0.0 if dial == 1.0 else 3e5 * (1.0 - dial) ** 2


def _offers(costs: Sequence[float | None], load: Sequence[float | None]) -> list[Offer]:
    rows = zip(NAMES, costs, load, strict=True)
    return [offer(name, cost, extra) for name, cost, extra in rows]


def _pick(
    decision: RoutingDecision,
    offers: Sequence[Offer],
    estimates: PromptEstimate,
    policy: Policy,
    load_cost: bool,
) -> str | None:
    weight = decision.lambda_per_usd
    if policy.kind == "tradeoff" and policy != decision.policy:
        weight = lambda_at(float(policy.value or 0.0))
    try:
        return route(PROMPT, offers, estimates, policy, weight, load_cost).choice
    except BudgetReached:
        return None


@settings(max_examples=100, deadline=None)
@given(qualities, prices, loads, policies, st.booleans(), st.booleans())
def test_every_stated_change_really_makes_the_runner_up_win_and_less_does_not(
    worth: list[float],
    costs: list[float | None],
    load: list[float | None],
    policy: Policy,
    load_cost: bool,
    classifier: bool,
) -> None:
    assume(not (classifier and policy.kind in ("floor", "tolerance")))
    offers = _offers(costs, load)
    estimates = expecting(dict(zip(NAMES, worth, strict=False)))
    if classifier:
        told_by = {
            n: QualityEstimate(None, None, e.quality) for n, e in estimates.estimates.items()
        }
        estimates = replace(estimates, estimates=told_by)
    weight = lambda_at(float(policy.value or 0.0)) if policy.kind == "tradeoff" else None
    try:
        decision = route(PROMPT, offers, estimates, policy, weight, load_cost)
    except BudgetReached:
        return
    told = explain(decision, None, load_cost=load_cost, lambda_at=lambda_at)
    order = [candidate.function for candidate in decision.candidates]  # of equals the first wins
    offers.sort(key=lambda one: order.index(one.function))
    assert told.runner_up is not None
    assert not told.flips_note
    for flip in told.flips:
        _check(flip, told.runner_up, decision, offers, estimates, load_cost)


def _check(
    flip: Flip,
    runner_up: str,
    decision: RoutingDecision,
    offers: Sequence[Offer],
    estimates: PromptEstimate,
    load_cost: bool,
) -> None:
    def winner(value: float) -> str | None:
        policy, those, known = decision.policy, list(offers), estimates
        place = next(i for i, o in enumerate(offers) if o.function == runner_up)
        if flip.what == "price":
            those[place] = replace(offers[place], cost_usd=value)
        elif flip.what == "quality":
            was = estimates.estimates[runner_up]
            new = (
                replace(was, probability=value)
                if was.quality is None
                else QualityEstimate(value, was.interval)
            )
            known = replace(estimates, estimates={**estimates.estimates, runner_up: new})
        else:
            policy = Policy(flip.what, value)
        return _pick(decision, those, known, policy, load_cost)

    if flip.value is None:
        assert flip.why_not
        return
    assert winner(flip.value) == runner_up, flip
    now = flip.now
    if now is None or flip.what == "tradeoff":
        return
    before = nextafter(flip.value, now)  # one float nearer to what holds now
    assert winner(before) != runner_up, flip
    halfway = flip.value + (now - flip.value) / 2.0
    rounding = abs(flip.value - now) <= 1e-6 * abs(now)  # a dial at 0 means a λ that large
    assert rounding or halfway == flip.value or winner(halfway) != runner_up, flip


@settings(max_examples=60, deadline=None)
@given(qualities, st.lists(st.floats(1e-7, 1e-4), min_size=4, max_size=4), st.floats(0.0, 1e6))
def test_the_choice_holds_from_end_to_end_of_its_reign_and_not_beyond(
    worth: list[float], costs: list[float], weight: float
) -> None:
    offers = _offers(costs, [0.0] * 4)
    estimates = expecting(dict(zip(NAMES, worth, strict=False)))

    def winner(value: float) -> str | None:
        return route(PROMPT, offers, estimates, Policy("lambda", value)).choice

    told = explain(route(PROMPT, offers, estimates, Policy("lambda", weight)), None)
    assert told.reign is not None
    assert winner(told.reign.low) == told.choice
    if told.reign.below is not None:
        assert winner(nextafter(told.reign.low, 0.0)) == told.reign.below
    if told.reign.high is None:
        assert winner(1e12) == told.choice
    else:
        assert winner(told.reign.high) == told.choice
        assert winner(nextafter(told.reign.high, inf)) == told.reign.above


def test_removing_the_stated_words_really_flips_the_choice() -> None:
    router = WordRouter({"red": (0, 0, 0, 0.1), "fish": (0, 0, 0, 0.1), "stars": (0, 0.15, 0, 0.1)})
    decision = decided(Policy("lambda", 0.0), router.estimate(PROMPT))
    told = explain(decision, router)
    assert told.removal is not None
    assert set(told.removal.words) == {"red", "fish"}
    assert told.removal.choice == "b@4"
    left = PROMPT.replace("red ", "").replace("fish ", "")
    assert decided(Policy("lambda", 0.0), router.estimate(left)).choice == "b@4"


def test_one_word_is_named_before_a_phrase_and_before_two_words() -> None:
    told = explain(decided(Policy("lambda", 0.0), KNOWN.estimate(PROMPT)), KNOWN)
    assert told.removal is not None
    assert told.removal.words == ("fish",)


# --- what cannot be told -------------------------------------------------------------------------


def test_one_candidate_alone_has_no_runner_up() -> None:
    decision = decided(Policy("lambda", 10.0), expecting({"a@1": 1.0}), OFFERS[:1])
    told = explain(decision, KNOWN)
    assert told.runner_up is None
    assert told.words_note == told.flips_note == "no other function can be compared"


def test_an_empty_card_says_why() -> None:
    decision = route(PROMPT, [], None, Policy.tradeoff(0.5))
    told = explain(decision, KNOWN)
    assert told.choice is None
    assert "nothing to choose from" in told.flips_note
    assert told.flips == ()


def test_functions_of_unknown_quality_are_never_the_runner_up() -> None:
    decision = decided(Policy("lambda", 0.0), expecting({"a@1": 1.0, "c@8": 2.0}))
    told = explain(decision, None)
    assert (told.choice, told.runner_up) == ("c@8", "a@1")


def test_a_pinned_function_is_compared_but_only_a_pin_changes_it() -> None:
    told = explain(decided(Policy.pinned("b@4"), KNOWN.estimate(PROMPT)), KNOWN)
    assert told.choice == "b@4"
    assert told.flips == ()
    assert told.flips_note == "b@4 is pinned: the policy chose nothing"
    assert change_of(told, "fish") != 0.0


def test_a_pinned_function_that_no_router_rates_is_explained_by_the_pin() -> None:
    told = explain(decided(Policy.pinned("b@4"), expecting({"a@1": 1.0})), KNOWN)
    assert told.words_note == "no router rates b@4"
    assert "pinned" in told.flips_note


def test_a_recorded_decision_tells_by_itself_whether_loading_was_counted() -> None:
    offers = [offer("a@1", 1e-6, 9e-6), offer("b@4", 2e-6, 0.0)]
    estimates = expecting({"a@1": 1.0, "b@4": 1.05})
    for counted in (True, False):
        decision = decided(Policy("lambda", 1e5), estimates, offers, load_cost=counted)
        assert explain(decision, None) == explain(decision, None, load_cost=counted)


def test_a_decision_that_its_record_does_not_explain_says_so() -> None:
    decision = decided(Policy("lambda", 0.0), KNOWN.estimate(PROMPT))
    told = explain(replace(decision, choice="a@1"), KNOWN)
    assert told.flips_note == "the decision cannot be replayed from what was recorded"


def test_probabilities_of_a_classifier_are_told_as_such() -> None:
    router = WordRouter({"fish": (0.0, 0.0, 0.0, 0.2)}, classifier=True)
    told = explain(decided(Policy("lambda", 0.0), router.estimate(PROMPT)), router)
    assert told.measure == "probability"
    assert change_of(told, "fish") == pytest.approx(0.2)


def test_the_explanation_is_one_json_value() -> None:
    told = explain(decided(Policy("lambda", 3e4), KNOWN.estimate(PROMPT)), KNOWN)
    row = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert set(row["flips"]) == {"lambda", "price", "quality"}
    assert row["flips"]["lambda"]["now"] == 3e4
    assert row["words"][0]["spans"]
