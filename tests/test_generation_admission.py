"""The rule of who leaves the device: within the budget, sparing the leased, and minimal."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from cems_tui.generation.admission import Resident, admit

residents = st.lists(
    st.builds(Resident, st.just(""), st.integers(0, 50), st.booleans()), max_size=7
).map(lambda rows: [replace(row, model=f"m{i}") for i, row in enumerate(rows)])


@settings(max_examples=300, deadline=None)
@given(residents, st.integers(0, 120), st.integers(0, 150))
def test_admission_keeps_the_budget_spares_the_leased_and_evicts_no_more_than_needed(
    rows: list[Resident], needed: int, budget: int
) -> None:
    admission = admit(rows, needed, budget)
    by_name = {row.model: row for row in rows}
    total = sum(row.weight_bytes for row in rows) + needed
    idle = [row for row in rows if not row.leased]
    assert admission.fits == (total - sum(row.weight_bytes for row in idle) <= budget)
    if not admission.fits:
        assert admission.evict == ()
        return
    gone = [by_name[name] for name in admission.evict]
    assert not any(row.leased for row in gone)
    left = total - sum(row.weight_bytes for row in gone)
    assert left <= budget
    assert all(left + row.weight_bytes > budget for row in gone), "somebody left for nothing"


@settings(max_examples=200, deadline=None)
@given(residents, st.integers(0, 120), st.integers(0, 150))
def test_admission_prefers_to_keep_what_was_used_last(
    rows: list[Resident], needed: int, budget: int
) -> None:
    """No other sufficient eviction spares a more recently used model that this one evicts."""
    admission = admit(rows, needed, budget)
    if not admission.fits or not admission.evict:
        return
    idle = [row for row in rows if not row.leased]
    excess = sum(row.weight_bytes for row in rows) + needed - budget
    newest = max(int(name[1:]) for name in admission.evict)
    older = [row for row in idle if int(row.model[1:]) < newest]
    enough = any(
        sum(row.weight_bytes for row in group) >= excess
        for size in range(len(older) + 1)
        for group in combinations(older, size)
    )
    assert not enough


def test_of_those_that_need_not_leave_the_most_recently_used_stays() -> None:
    rows = [Resident("old", 30, False), Resident("newer", 30, False), Resident("big", 140, False)]
    assert admit(rows, needed_bytes=160, budget_bytes=200).evict == ("old", "big")
