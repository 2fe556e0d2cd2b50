"""The rows of the queue: added whole, taken once, brought back, and damaged ones told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cems_tui.domain.decision import Policy
from cems_tui.domain.job import Foreseen, QueuedJob
from cems_tui.domain.request import Request, new_id
from cems_tui.errors import StorageError, UnknownName, UsageError
from cems_tui.store.database import Store, open_store
from cems_tui.store.queue import FINISHED_KEPT
from tests.store.records import generation

EVERYTHING = Request(
    id="",
    prompt="a red car\x1b[31m 赤い車",
    policy=Policy("lambda", 812.5),
    pool=("starter-base@20", "starter-turbo@1"),
    router="starter",
    policy_is_explicit=True,
    load_cost=True,
    load_pictures=4,
    seed=2**64 - 1,
    width=64,
    height=96,
    negative="blurry",
    score=False,
    deadline_seconds=2.5,
    session="mine",
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with open_store(home / "cems.db") as store:
        yield store


def picture(prompt: str = "a red car", owner: str | None = None, **changes: object) -> QueuedJob:
    name = new_id()
    request = Request(name, prompt, Policy.balanced())
    job = QueuedJob(name, name, prompt, request=request, owner=owner)
    return replace(job, **changes)  # type: ignore[arg-type]


def added(store: Store, *jobs: QueuedJob) -> list[QueuedJob]:
    store.queue.add(jobs)
    return [store.queue.find(job.id) for job in jobs]


def states(store: Store) -> list[str]:
    return [row["state"] for row in store._connection.rows("SELECT state FROM jobs ORDER BY 1")]


def tamper(home: Path, *statements: str) -> None:
    with sqlite3.connect(home / "cems.db") as database:
        for statement in statements:
            database.execute(statement)
    database.close()


def test_a_request_comes_back_as_it_was_given(store: Store, home: Path) -> None:
    name = new_id()
    request = replace(EVERYTHING, id=name, out_dir=home / "mine")
    seen = Foreseen("starter-base@20", "starter-base", 0.4, 6.8e-6, 0.5, 1e-5)
    job = QueuedJob(name, name, request.prompt, request=request, foreseen=seen, budget_usd=0.5)
    (found,) = added(store, job)
    assert found == replace(job, number=found.number)


def test_jobs_come_in_the_order_of_adding_whatever_the_clock_says(store: Store) -> None:
    later, earlier = picture(created="2030-01-01"), picture(created="1970-01-01")
    later, earlier = replace(later, id="Z" * 26), earlier
    later = replace(later, request=replace(later.request, id=later.id))  # type: ignore[type-var]
    added(store, later, earlier)
    assert [job.id for job in store.queue.jobs()] == [later.id, earlier.id]


def test_of_jobs_that_cannot_all_be_added_none_is(store: Store) -> None:
    twice = picture()
    with pytest.raises(Exception, match="refused"):
        store.queue.add([picture(), twice, twice])
    assert store.queue.jobs() == []


def test_a_job_is_begun_once_and_by_its_owner_alone(store: Store) -> None:
    (job,) = added(store, picture(owner="me"))
    assert store.queue.claim(job.number, "another") is None
    claimed = store.queue.claim(job.number, "me")
    assert claimed is not None
    assert claimed.state == "running"
    assert store.queue.claim(job.number, "me") is None
    store.queue.finish(job.number)
    assert states(store) == ["done"]


def test_what_a_dead_process_left_comes_back_paused_and_what_is_drawn_is_done(
    store: Store,
) -> None:
    drawn, half, waiting, other = added(
        store, picture(owner="dead"), picture(owner="dead"), picture(owner="dead"), picture()
    )
    for job in (drawn, half):
        store.queue.claim(job.number, "dead")
    made = generation(store.session(), Path("/pictures"))
    store.add_generation(replace(made, id=drawn.id))
    assert store.queue.settle(lambda owner: False) == 2
    found = {job.id: job for job in store.queue.jobs(("done", "paused", "waiting"))}
    assert found[drawn.id].state == "done"
    assert (found[half.id].state, found[half.id].paused_by) == ("paused", "interruption")
    assert (found[waiting.id].state, found[waiting.id].owner) == ("paused", None)
    assert found[other.id].state == "waiting", "it was nobody's"
    assert store.queue.settle(lambda owner: False) == 0


def test_what_a_living_process_holds_stays_as_it_is(store: Store) -> None:
    (job,) = added(store, picture(owner="alive"))
    store.queue.claim(job.number, "alive")
    assert store.queue.settle(lambda owner: True) == 0
    assert states(store) == ["running"]


def test_a_picture_that_is_there_already_is_not_drawn_again(store: Store) -> None:
    (job,) = added(store, picture(owner="me"))
    made = generation(store.session(), Path("/pictures"))
    store.add_generation(replace(made, id=job.id))
    assert store.queue.claim(job.number, "me") is None
    assert states(store) == ["done"]


def test_what_was_interrupted_is_taken_and_what_the_user_paused_is_not(store: Store) -> None:
    mine, theirs, free = added(store, picture(owner="dead"), picture(), picture())
    store.queue.settle(lambda owner: False)
    store.queue.pause([theirs.number])
    assert store.queue.adopt("me") == 2
    assert {p.id for p in store.queue.places() if p.owner == "me"} == {mine.id, free.id}


def test_pausing_and_resuming_a_job_that_waits(store: Store) -> None:
    (job,) = added(store, picture(owner="me"))
    assert store.queue.pause([job.number]) == 1
    assert store.queue.claim(job.number, "me") is None
    assert store.queue.resume([job.number], "me") == 1
    assert store.queue.claim(job.number, "me") is not None


def test_what_runs_is_asked_to_end_and_ends_as_it_was_asked(store: Store) -> None:
    one, two = added(store, picture(owner="me"), picture(owner="me"))
    for job in (one, two):
        store.queue.claim(job.number, "me")
    store.queue.cancel([one.number])
    store.queue.pause([two.number])
    assert [store.queue.wish(job.number) for job in (one, two)] == ["cancel", "pause"]
    for job in (one, two):
        store.queue.stopped(job.number)
    assert [store.queue.find(job.id).state for job in (one, two)] == ["cancelled", "paused"]


def test_a_failed_job_says_why_and_can_be_tried_again(store: Store) -> None:
    (job,) = added(store, picture(owner="me"))
    store.queue.claim(job.number, "me")
    store.queue.fail(job.number, "no room", "Buy some.", 5)
    failed = store.queue.find(job.id)
    assert (failed.state, failed.reason, failed.hint, failed.exit_code) == (
        "failed",
        "no room",
        "Buy some.",
        5,
    )
    assert store.queue.retry([job.number]) == 1
    assert store.queue.find(job.id).reason == ""


def test_moved_jobs_come_before_or_behind_all_others(store: Store) -> None:
    one, two, three = added(store, picture(), picture(), picture())
    store.queue.move([three.number], first=True)
    store.queue.move([one.number], first=False)
    assert [job.id for job in store.queue.jobs()] == [three.id, two.id, one.id]
    store.queue.move([one.number], first=True)
    assert [job.id for job in store.queue.jobs()] == [one.id, three.id, two.id]


def test_the_beginning_of_an_id_is_enough_where_it_is_one_jobs(store: Store) -> None:
    one, two = added(store, picture(), picture())
    assert store.queue.find(one.id.lower()).id == one.id
    with pytest.raises(UsageError, match="several"):
        store.queue.find(one.id[:4])
    for wrong in ("", "nothing", "%"):
        with pytest.raises(UnknownName):
            store.queue.find(wrong)
    assert two.number == one.number + 1


@pytest.mark.parametrize(
    "damage",
    [
        "request = 'no json'",
        "request = '[]'",
        "request = NULL",
        """request = replace(request, '"a red car"', '17')""",
        "kind = 'teapot'",
        "priority = 9",
        "state = 'dancing'",
        "title = x'ff'",
        "seconds = 'soon'",
        "seconds = 9e999",
        "id = x'00ff'",
        "tier = 'top'",
        "owner = x'ff'",
    ],
)
def test_a_damaged_row_is_told_and_hinders_no_other(store: Store, home: Path, damage: str) -> None:
    good, bad = added(store, picture(), picture())
    tamper(home, f"UPDATE jobs SET {damage} WHERE number = {bad.number}")
    found = {job.number: job for job in store.queue.jobs(("waiting", "failed"))}
    assert found[good.number] == good
    assert found[bad.number].state == "failed"
    assert "damaged" in found[bad.number].reason
    store.queue.places()
    store.queue.settle(lambda owner: False)
    store.queue.move([good.number], first=True)
    assert store.queue.remove([bad.number]) == 1


def test_many_finished_jobs_are_forgotten_and_none_that_is_not(store: Store) -> None:
    many = [picture(state="cancelled") for _ in range(FINISHED_KEPT + 5)]
    store.queue.add([picture(), *many])
    store.queue.add([picture()])
    assert store.queue.counts() == {"waiting": 2, "cancelled": FINISHED_KEPT}


def test_ten_thousand_jobs_are_added_and_listed_in_a_handful_of_statements(store: Store) -> None:
    said: list[str] = []
    store._connection.db.set_trace_callback(said.append)
    store.queue.add([picture(f"car {number}") for number in range(10_000)])
    assert len([text for text in said if not text.startswith("INSERT")]) < 10
    assert len(store.queue.places()) == len(store.queue.numbers(("waiting",))) == 10_000
    assert [job.title for job in store.queue.jobs(most=2)] == ["car 0", "car 1"]


def test_on_a_full_disk_nothing_is_half_added_and_what_waits_stays(store: Store) -> None:
    (job,) = added(store, picture(owner="me"))
    pages = store._connection.rows("PRAGMA page_count")[0][0]
    store._connection.db.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StorageError, match="disk is full"):
        store.queue.add([picture(f"car {number}") for number in range(500)])
    assert [one.id for one in store.queue.jobs()] == [job.id]
    assert store.queue.claim(job.number, "me") is not None


def test_what_is_forgotten_for_good_is_forgotten_by_the_queue_too(store: Store) -> None:
    (job,) = added(store, picture("a secret", owner="me"))
    made = generation(store.session(), Path("/pictures"))
    store.add_generation(replace(made, id=job.id))
    store.queue.claim(job.number, "me")
    store.forget([job.id])
    assert store.queue.counts() == {}
