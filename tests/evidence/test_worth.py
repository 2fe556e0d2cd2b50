"""Was routing worth it: told with its interval where pairs were measured, else what is missing."""

from __future__ import annotations

import random

import pytest

from cems_tui.domain.savings import PricedFunction, RoutedPicture, Savings, Scale, savings_of
from cems_tui.evidence.worth import LEAST_PAIRS, Pair, worth_of
from cems_tui.views.worth import worth_words

SCALE = Scale("starter", "mixed", "sha256:aa")
BEST = PricedFunction("best@20", 10.0, 1.5, (1.4, 1.6))
CHEAP = PricedFunction("cheap@1", 1.0, 1.4, (1.3, 1.5))


def savings(best: int, cheap: int, cheap_usd: float = 1.0) -> Savings:
    other = PricedFunction("cheap@1", cheap_usd, 1.4, (1.3, 1.5))
    pictures = [RoutedPicture(SCALE, BEST, (BEST, other))] * best
    pictures += [RoutedPicture(SCALE, other, (BEST, other))] * cheap
    return savings_of(pictures, len(pictures))


def pairs(gains: list[float], function: str = "cheap@1", scorer: str = "m:1") -> list[Pair]:
    return [
        Pair(str(number), function, "best@20", "mixed", scorer, gain)
        for number, gain in enumerate(gains)
    ]


def test_too_few_pairs_are_counted_not_guessed() -> None:
    found = worth_of(savings(5, 20), {"best@20": 5, "cheap@1": 20}, pairs([0.1] * 3))
    assert (found.answer, found.missing, found.pairs) == ("not told", LEAST_PAIRS - 3, 3)
    assert found.interval is None
    assert worth_words(found).startswith("cannot be told yet: 5 more pictures of its prompts")


def test_a_function_with_few_pictures_needs_no_more_pairs_than_it_has_pictures() -> None:
    found = worth_of(savings(5, 3), {"best@20": 5, "cheap@1": 3}, pairs([0.1, 0.2, 0.3]))
    assert found.missing is None
    assert found.pairs == 3


@pytest.mark.parametrize(
    ("gain", "cheap_usd", "answer"),
    [
        (0.2, 1.0, "yes"),
        (0.0, 1.0, "as good for less"),
        (-0.2, 1.0, "a trade"),
        (0.2, 20.0, "a trade"),
        (0.0, 20.0, "no"),
        (-0.2, 20.0, "no"),
    ],
)
def test_the_answer_weighs_money_and_measured_quality(
    gain: float, cheap_usd: float, answer: str
) -> None:
    spread = [gain + 0.01 * (-1) ** number for number in range(20)]
    found = worth_of(savings(0, 20, cheap_usd), {"cheap@1": 20}, pairs(spread))
    assert found.answer == answer
    assert found.gained == pytest.approx(gain)
    assert found.interval is not None
    assert found.interval[0] < gain < found.interval[1]


def test_pictures_of_the_best_function_itself_gain_nothing() -> None:
    spread = [0.4 + 0.01 * (-1) ** number for number in range(20)]
    found = worth_of(savings(60, 20), {"best@20": 60, "cheap@1": 20}, pairs(spread))
    assert found.gained == pytest.approx(0.1)
    alone = worth_of(savings(9, 0), {"best@20": 9}, [])
    assert (alone.answer, alone.interval, alone.gained) == ("no", (0.0, 0.0), 0.0)


def test_scores_of_two_instruments_are_never_joined() -> None:
    mixed = [*pairs([0.1] * 6), *pairs([0.9] * 7, scorer="m:2")]
    found = worth_of(savings(0, 20), {"cheap@1": 20}, mixed)
    assert (found.answer, found.pairs) == ("not told", 7)


def test_nothing_routed_is_said_and_so_is_an_unknown_best() -> None:
    assert worth_of(savings_of([], 0), {}, []).answer == "nothing routed"
    unknown = savings_of([], 4)
    assert worth_of(unknown, {"cheap@1": 4}, []).answer == "not told"


def test_the_interval_holds_the_truth_nine_times_in_ten() -> None:
    draw = random.Random(7)
    held = 0
    for _ in range(1000):
        gains = [draw.gauss(0.05, 0.2) for _ in range(LEAST_PAIRS)]
        found = worth_of(savings(10, 30), {"best@20": 10, "cheap@1": 30}, pairs(gains))
        assert found.interval is not None
        held += found.interval[0] <= 0.05 * 0.75 <= found.interval[1]
    assert 0.87 < held / 1000 < 0.93
