"""The order of the queue: every job once, nobody overtaken for ever, few loads and short waits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cems_tui.services.queue.turn_order import (
    LEAST_PATIENCE_SECONDS,
    Turns,
    Waiting,
    in_turn,
    patience_seconds,
)

LOADS = {"a": 0.5, "b": 3.0, "c": 8.0}
BATCH = (0, 1)


def job(
    number: int,
    family: str = "a",
    seconds: float = 1.0,
    submission: str = "one",
    group: tuple[int, int] = BATCH,
    load_seconds: float | None = None,
) -> Waiting:
    load = LOADS[family] if load_seconds is None else load_seconds
    return Waiting(number, submission, group, family, seconds, load)


def batches(most: int, submissions: int = 4) -> st.SearchStrategy[list[Waiting]]:
    """Jobs of several submissions, each submission's numbers together."""
    one = st.tuples(st.integers(0, submissions - 1), st.sampled_from("abc"), st.floats(0.1, 60.0))
    return st.lists(one, min_size=1, max_size=most).map(
        lambda found: [
            job(number, family, seconds, f"submission {submission}")
            for number, (submission, family, seconds) in enumerate(sorted(found), 1)
        ]
    )


def mean_wait(order: Sequence[Waiting], there: frozenset[str], room: int) -> float:
    """Until each job begins to be drawn, on a device with room for so many families."""
    clock, waits, here = 0.0, [], sorted(there)
    for one in order:
        if one.family in here:
            here.remove(one.family)
        else:
            clock += one.load_seconds
        here = [*here, one.family][-room:]
        waits.append(clock)
        clock += one.seconds
    return sum(waits) / len(waits)


def as_it_goes(jobs: Sequence[Waiting], there: frozenset[str], room: int) -> list[Waiting]:
    """One turn after the other, each told what is on the device by then."""
    turns, left, here, found = Turns("family"), list(jobs), sorted(there), []
    while (turn := turns.next(left, frozenset(here))) is not None:
        left.remove(turn)
        found.append(turn)
        here = [*(one for one in here if one != turn.family), turn.family][-room:]
    return found


@given(batches(40), st.sampled_from(["family", "fifo"]), st.sets(st.sampled_from("abc")))
def test_every_job_has_its_turn_once(jobs: list[Waiting], order: str, there: set[str]) -> None:
    found = list(in_turn(jobs, order, frozenset(there)))  # type: ignore[arg-type]
    assert sorted(one.number for one in found) == [one.number for one in jobs]


@given(batches(40))
def test_the_order_does_not_depend_on_how_the_jobs_are_listed(jobs: list[Waiting]) -> None:
    assert list(in_turn(jobs)) == list(in_turn(reversed(jobs)))


@given(batches(40), st.sets(st.sampled_from("abc")))
def test_nobody_is_overtaken_by_more_than_its_patience_and_one_job(
    jobs: list[Waiting], there: set[str]
) -> None:
    patience = patience_seconds(jobs, there)
    here, done = set(there), dict.fromkeys({one.submission for one in jobs}, 0.0)
    left = {one.number: one for one in jobs}
    for turn in in_turn(jobs, there=frozenset(there)):
        oldest = left[min(left)]
        passed = sum(seconds for name, seconds in done.items() if name > oldest.submission)
        if turn.submission != oldest.submission:
            assert passed < patience
        done[turn.submission] += turn.seconds + (0.0 if turn.family in here else turn.load_seconds)
        here.add(turn.family)
        del left[turn.number]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=200))
@settings(max_examples=50)
def test_an_old_job_has_its_turn_however_many_younger_and_shorter_ones_come(
    families: list[str],
) -> None:
    turns, old = Turns("family"), job(1, "c", 50.0, "old")
    waiting, passed = [old], 0.0
    for number, family in enumerate(families, 2):
        waiting.append(job(number, family, 0.5, f"young {number}"))
        turn = turns.next(waiting, frozenset({"a"}))
        assert turn is not None
        waiting.remove(turn)
        if turn == old:
            break
        passed += 20.0
        turns.took(turn, 20.0)  # longer than was expected of it
    bound = max(LEAST_PATIENCE_SECONDS, patience_seconds([old], frozenset()))
    assert passed <= bound + 20.0


@given(batches(6, submissions=1), st.sets(st.sampled_from("abc")), st.sampled_from([1, 2, 3]))
@settings(max_examples=150, deadline=None)
def test_of_one_submission_the_mean_wait_is_within_twice_the_best_of_all_orders(
    jobs: list[Waiting], there: set[str], room: int
) -> None:
    here = frozenset(sorted(there)[:room])
    best = min(mean_wait(order, here, room) for order in permutations(jobs))
    ours = mean_wait(as_it_goes(jobs, here, room), here, room)
    assert ours <= 2.0 * best + 1e-9


@given(batches(40, submissions=1))
def test_of_one_submission_what_is_loaded_is_loaded_once_where_it_stays(
    jobs: list[Waiting],
) -> None:
    order = [one.family for one in in_turn(jobs)]
    first = [family for place, family in enumerate(order) if family not in order[:place]]
    assert len(first) == len(set(order))


@given(batches(30), batches(30))
def test_a_lower_group_goes_first_whatever_it_costs(
    batch: list[Waiting], typed: list[Waiting]
) -> None:
    mine = [job(one.number + 100, one.family, one.seconds, "mine", (0, 0)) for one in typed]
    found = list(in_turn([*batch, *mine]))
    assert {one.group for one in found[: len(mine)]} == {(0, 0)}


def test_short_jobs_and_those_whose_weights_are_there_come_first() -> None:
    jobs = [job(1, "c", 2.0), job(2, "a", 2.0), job(3, "a", 1.0), job(4, "b", 2.0)]
    assert [one.number for one in in_turn(jobs, there={"b"})] == [4, 3, 2, 1]


def test_many_jobs_of_one_family_are_worth_a_long_load() -> None:
    one = job(1, "a", 5.0, load_seconds=1.0)
    many = [job(number, "c", 0.1, load_seconds=3.0) for number in range(2, 40)]
    assert [turn.family for turn in in_turn([one, *many])][:2] == ["c", "c"]


def test_as_they_came_is_one_word_away() -> None:
    jobs = [job(3, "c"), job(1, "b"), job(2, "a")]
    assert [one.number for one in in_turn(jobs, "fifo", there={"a"})] == [1, 2, 3]


@pytest.mark.parametrize("submissions", [1, 200])
def test_the_next_of_ten_thousand_is_found_without_ordering_them_pair_by_pair(
    submissions: int,
) -> None:
    looked: list[int] = []

    class Counted(float):
        def __lt__(self, other: float) -> bool:
            looked.append(1)
            return float.__lt__(self, other)

    jobs = [
        job(number, "abc"[number % 3], Counted(1 + number % 7), f"{number * submissions // 10_000}")
        for number in range(10_000)
    ]
    assert len(list(in_turn(jobs))) == 10_000
    assert len(looked) < 10_000 * 100
