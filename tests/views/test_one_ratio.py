"""One ratio for one pair of prices, wherever it is told."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.app_engine import AppPlanner
from cems_tui.domain.decision import Policy, RoutingDecision
from cems_tui.domain.request import Request
from cems_tui.profile import Profile
from cems_tui.views.figures import times
from cems_tui.views.price_card import difference_columns, price_columns, ratio_words
from screens.studio.dial import share_of_the_dearest

SUBJECTS = ("a red cat", "two green stars on a red house", "an old map", "three cups on a shelf")
DIALS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, None)
LOADS = ((False, 1), (True, 1), (True, 4))


def decisions() -> list[RoutingDecision]:
    """What the router that comes with the pack decides, with loads in and out, cold and warm."""
    planner = AppPlanner(Profile.current())
    warm = frozenset({"starter-base"})
    found = []
    for subject, dial, (load, pictures) in product(SUBJECTS, DIALS, LOADS):
        policy = Policy.balanced() if dial is None else Policy.tradeoff(dial)
        asked = Request("", subject, policy, load_cost=load, load_pictures=pictures)
        found += [planner.decide(asked, resident) for resident in (frozenset(), warm)]
    return found


def test_card_words_reason_and_json_tell_one_ratio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    seen = decisions()
    assert len(seen) >= 200
    told_in_reasons = 0
    for decision in seen:
        rows = json.loads(json.dumps(decision.to_json()))["candidates"]
        card, plain = difference_columns(decision), price_columns(decision)
        for place, candidate in enumerate(decision.candidates):
            ratio = decision.price_ratio(candidate)
            assert rows[place]["price_ratio"] == ratio
            if candidate.function == decision.choice:
                assert ratio == 1.0
                continue
            assert ratio is not None
            assert card["price"].cells[place] == ratio_words(ratio)
            words = plain["why"].cells[place]
            if "dear" in words:
                assert times(ratio) in words
            elif "cheap" in words:
                assert times(1 / ratio) in words
            told = re.search(
                rf"([\d.]+)x the price of {re.escape(candidate.function)} ", decision.reason
            )
            if told is not None:
                told_in_reasons += 1
                assert float(told[1]) == pytest.approx(1 / ratio, rel=0.06)
        dearest = decision.dearest
        assert dearest is not None
        share = share_of_the_dearest(decision)
        assert share == pytest.approx(1 / (decision.price_ratio(dearest) or 0.0))
    assert told_in_reasons > 20


@given(st.floats(1e-4, 1e4))
def test_a_ratio_in_words_is_the_ratio(ratio: float) -> None:
    assert float(ratio_words(ratio).removeprefix("×")) == pytest.approx(ratio, rel=0.06)
