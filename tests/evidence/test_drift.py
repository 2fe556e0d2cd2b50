"""A drift is told where there is one, and by chance in one router of a hundred at most."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from cems_tui.evidence.drift import ALARM, Batch, drift_of


def days(rates: list[float], seed: int, a_day: int = 10) -> list[Batch]:
    draw = random.Random(seed)
    return [
        Batch(f"{number:04}", a_day, sum(draw.random() < rate for _ in range(a_day)))
        for number, rate in enumerate(rates)
    ]


def test_whoever_looks_every_day_is_rarely_misled() -> None:
    misled = 0
    for seed in range(300):
        batches = days([0.1] * 40, seed)
        misled += any(drift_of("r", "m", batches[:day]).drifted for day in range(1, 41))
    assert misled <= 300 * 0.02  # 1 % is promised; 300 tries see up to six by chance


def test_a_router_that_is_too_careful_is_left_alone() -> None:
    assert not drift_of("r", "m", days([0.02] * 200, seed=1)).drifted


def test_a_drift_is_seen_that_came_late_and_dated() -> None:
    batches = days([0.1] * 100 + [0.4] * 12, seed=2)
    assert not drift_of("r", "m", batches[:100]).drifted
    found = drift_of("r", "m", batches)
    assert found.drifted
    assert found.since is not None
    assert "0097" <= found.since <= "0104"
    assert (found.scored, found.outside) == (1120, sum(one.outside for one in batches))


def test_nothing_is_no_evidence() -> None:
    assert drift_of("r", "m", []).evidence == 1.0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8))
def test_evidence_is_finite_and_never_negative(counts: list[tuple[int, int]]) -> None:
    batches = [Batch("d", max(pair), min(pair)) for pair in counts]
    assert 0.0 < drift_of("r", "m", batches).evidence < ALARM * 1e300
    worse = [Batch("d", one.scored, one.scored) for one in batches]
    assert drift_of("r", "m", worse).evidence >= drift_of("r", "m", batches).evidence * (1 - 1e-9)
