"""The rule of who leaves the device: within the budget, sparing the leased, and minimal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from cems_tui.generation.admission import (
    Resident,
    Weights,
    admit,
    held_bytes,
    in_leaving_order,
)

WEIGHTS = {"text": 20, "decoder": 5} | {f"network {i}": 10 * (i + 1) for i in range(5)}
"""Networks and their bytes; models are any of them together, so that some are shared."""

weights = st.sets(st.sampled_from(sorted(WEIGHTS)), max_size=4).map(
    lambda names: {name: WEIGHTS[name] for name in sorted(names)}
)
residents = st.lists(st.builds(Resident, st.just(""), weights, st.booleans()), max_size=7).map(
    lambda rows: [replace(row, model=f"m{i}") for i, row in enumerate(rows)]
)
budgets = st.integers(0, 150)


def together(rows: Iterable[Resident], needed: Weights) -> int:
    """Bytes on the device, counted without the rule's own help."""
    names = {*needed, *(name for row in rows for name in row.weights)}
    return sum(WEIGHTS[name] for name in names)


@settings(max_examples=300, deadline=None)
@given(residents, weights, budgets)
def test_admission_keeps_the_budget_spares_the_leased_and_evicts_no_more_than_needed(
    rows: list[Resident], needed: Weights, budget: int
) -> None:
    admission = admit(rows, needed, budget)
    leased = [row for row in rows if row.leased]
    assert admission.fits == (together(leased, needed) <= budget)
    if not admission.fits:
        assert admission.evict == ()
        return
    gone = [row for row in rows if row.model in admission.evict]
    stay = [row for row in rows if row.model not in admission.evict]
    assert not any(row.leased for row in gone)
    assert together(stay, needed) <= budget
    for row in gone:
        assert together([*stay, row], needed) > budget, "somebody left for nothing"


@settings(max_examples=200, deadline=None)
@given(residents, weights, budgets)
def test_admission_prefers_to_keep_what_was_used_last(
    rows: list[Resident], needed: Weights, budget: int
) -> None:
    """No other sufficient eviction spares a more recently used model that this one evicts."""
    admission = admit(rows, needed, budget)
    if not admission.fits or not admission.evict:
        return
    newest = max(int(name[1:]) for name in admission.evict)
    older = [row for row in rows if not row.leased and int(row.model[1:]) < newest]
    enough = any(
        together([row for row in rows if row not in group], needed) <= budget
        for size in range(len(older) + 1)
        for group in combinations(older, size)
    )
    assert not enough


@given(residents, weights)
def test_what_is_shared_counts_once(rows: list[Resident], needed: Weights) -> None:
    assert held_bytes([needed, *(row.weights for row in rows)]) == together(rows, needed)


def test_of_those_that_need_not_leave_the_most_recently_used_stays() -> None:
    sizes = {"old": 30, "newer": 30, "big": 140}
    rows = [Resident(name, {name: size}, False) for name, size in sizes.items()]
    assert admit(rows, {"wanted": 160}, budget_bytes=200).evict == ("old", "big")


def test_a_model_whose_leaving_frees_nothing_stays() -> None:
    """SDXL shares all but its denoiser with Lightning, which is wanted now."""
    towers = {"towers": 80}
    rows = [
        Resident("sdxl", {**towers, "denoiser": 50}, False),
        Resident("sdxl with another scheduler", {**towers}, False),
    ]
    admission = admit(rows, {**towers, "lightning": 50}, budget_bytes=150)
    assert admission.evict == ("sdxl",)


def test_what_nobody_waits_for_leaves_first_and_then_what_is_wanted_last() -> None:
    rows = [Resident(name, {name: 10}, False) for name in ("a", "b", "c", "d")]
    order = in_leaving_order(rows, ["b", "d", "b", "gone"])
    assert [row.model for row in order] == ["a", "c", "d", "b"]
    assert admit(order, {"new": 10}, 40).evict == ("a",)


@given(residents, st.lists(st.sampled_from([f"m{i}" for i in range(7)])))
def test_knowing_what_comes_loses_nobody(rows: list[Resident], wanted: list[str]) -> None:
    order = in_leaving_order(rows, wanted)
    assert sorted(row.model for row in order) == sorted(row.model for row in rows)
    assert in_leaving_order(rows, []) == rows
