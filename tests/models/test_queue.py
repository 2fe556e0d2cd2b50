"""The queue of pulls: what it tells, what it stops, what it remembers, over a real socket."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.cancel import Stop
from cems_tui.errors import UsageError
from cems_tui.models.events import Emit, Installed, ModelEvent, Progressed, Waited
from cems_tui.models.ledger import Ledger
from cems_tui.models.plan import fetched_bytes
from cems_tui.models.queue import Pull, PullQueue, Pulls, QueueUpdate
from cems_tui.models.target import PullRequest
from tests.models.fake_hub import Fault
from tests.models.hub_fixtures import UNET, Desk, desk, online, pipeline_files
from tests.patience import soon, until

__all__ = ["desk", "online"]

SLOW = Fault(seconds_a_piece=0.05, always=True)


def queue_of(desk: Desk, file: Path) -> tuple[PullQueue, list[QueueUpdate]]:
    """A queue whose pulls are real ones, and everything it tells."""

    def pull(model: str, agreed: bool, emit: Emit, stop: Stop) -> Installed:
        def ask(question: str) -> bool:
            return agreed

        puller = desk.puller()
        puller.emit, puller.ask, puller.stop = emit, ask, stop
        return puller.pull(PullRequest(model))

    def fetched(model: str) -> tuple[int, int] | None:
        ledger = Ledger.read(desk.models)
        entry = ledger.of_repo(model)
        done = fetched_bytes(entry, ledger) if entry else None
        return (done, entry.total_bytes) if entry and done else None

    told: list[QueueUpdate] = []
    queue = PullQueue(pull, file, fetched)
    queue.listen(told.append)
    return queue, told


def test_a_pull_is_told_with_its_bytes_and_leaves_the_queue_whole(
    desk: Desk, tmp_path: Path
) -> None:
    desk.hub.fail(UNET, SLOW)
    queue, told = queue_of(desk, tmp_path / "pulls.json")
    queue.add("org/Tiny")
    until(lambda: any(pull.state == "downloading" for one in told for pull in one.pulls.pulls))
    desk.hub.faults[UNET].clear()
    until(lambda: any(one.installed for one in told))
    states = [pull.state for one in told for pull in one.pulls.pulls]
    assert {"waiting", "asking", "downloading"} <= set(states)
    assert told[-1].pulls.pulls == ()
    assert desk.entry().installed
    assert json.loads((tmp_path / "pulls.json").read_text()) == []
    queue.close()


def test_a_paused_pull_stands_still_and_goes_on_from_its_last_byte(
    desk: Desk, tmp_path: Path
) -> None:
    desk.hub.fail(UNET, SLOW)
    queue, told = queue_of(desk, tmp_path / "pulls.json")
    queue.add("org/Tiny")
    until(lambda: desk.hub.bytes_sent(UNET) > 200_000)
    began = time.monotonic()
    queue.pause("org/Tiny")
    until(lambda: queue.pulls.paused)
    assert time.monotonic() - began < soon(0.5)
    desk.hub.faults[UNET].clear()
    queue.add("org/Tiny")
    until(lambda: any(one.installed for one in told))
    assert desk.hub.bytes_sent(UNET) <= len(pipeline_files()[UNET]) + 4 * 65536
    queue.close()


def test_several_wait_their_turn_and_a_waiting_one_can_be_paused_or_cancelled(
    desk: Desk, tmp_path: Path
) -> None:
    desk.hub.repos["org/Other"] = pipeline_files(seed=50)
    desk.hub.repos["org/Third"] = pipeline_files(seed=90)
    desk.hub.fail(UNET, SLOW)
    queue, _ = queue_of(desk, tmp_path / "pulls.json")
    for model in ("org/Tiny", "org/Other", "org/Third"):
        queue.add(model)
    until(lambda: queue.pulls.running)
    assert [pull.model for pull in queue.pulls.waiting] == ["org/Other", "org/Third"]
    queue.pause("org/Other")
    queue.cancel("org/Third")
    assert [pull.model for pull in queue.pulls.pulls] == ["org/Tiny", "org/Other"]
    assert queue.pulls.of("org/Other") == Pull("org/Other", state="paused")
    desk.hub.faults[UNET].clear()
    queue.close()


def test_a_cancelled_pull_leaves_the_queue_and_keeps_its_bytes(desk: Desk, tmp_path: Path) -> None:
    desk.hub.fail(UNET, SLOW)
    queue, _ = queue_of(desk, tmp_path / "pulls.json")
    queue.add("org/Tiny")
    until(lambda: desk.hub.bytes_sent(UNET) > 100_000)
    queue.cancel("org/Tiny")
    until(lambda: not queue.pulls.pulls)
    ledger = Ledger.read(desk.models)
    assert (fetched_bytes(ledger.entries["tiny"], ledger) or 0) > 0
    desk.assert_not_installed()
    queue.close()


def test_what_was_not_finished_is_there_paused_after_a_restart(desk: Desk, tmp_path: Path) -> None:
    desk.hub.fail(UNET, SLOW)
    file = tmp_path / "pulls.json"
    queue, _ = queue_of(desk, file)
    queue.add("org/Tiny")
    queue.add("org/Other")
    until(lambda: desk.hub.bytes_sent(UNET) > 200_000)
    began = time.monotonic()
    queue.close()
    assert time.monotonic() - began < soon(1.0)
    desk.hub.faults[UNET].clear()
    again, told = queue_of(desk, file)
    first, second = again.pulls.paused
    assert (first.model, second.model) == ("org/Tiny", "org/Other")
    assert first.share is not None
    assert 0.1 < first.share < 1
    assert second.share is None
    again.add("org/Tiny")
    until(lambda: any(one.installed for one in told))
    again.close()


def test_a_refused_licence_and_a_repository_that_is_not_there_fail_alone(
    desk: Desk, tmp_path: Path
) -> None:
    desk.hub.licence = "cc-by-nc-4.0"
    queue, told = queue_of(desk, tmp_path / "pulls.json")
    queue.add("org/Tiny")
    queue.add("org/Nothing")
    until(lambda: len(queue.pulls.failed) == 2)
    refused, missing = queue.pulls.failed
    assert "licence was not agreed to" in refused.note
    assert "org/Nothing" in missing.note
    assert missing.hint
    queue.add("org/Tiny", agreed=True)
    until(lambda: any(one.installed for one in told))
    queue.close()


def test_an_error_nobody_foresaw_is_told_and_the_next_pull_goes_on(tmp_path: Path) -> None:
    done = threading.Event()

    def pull(model: str, agreed: bool, emit: Emit, stop: Stop) -> Installed:
        if model == "bad":
            raise ZeroDivisionError("division by zero")
        done.set()
        raise UsageError(f"{model} comes from no repository")

    queue = PullQueue(pull, tmp_path / "pulls.json")
    queue.add("bad")
    queue.add("next")
    assert done.wait(10)
    until(lambda: len(queue.pulls.failed) == 2)
    assert "ZeroDivisionError" in queue.pulls.failed[0].note
    queue.close()


@pytest.mark.parametrize("text", ["", "{", '{"model": 1}', "[1]", '[{"agreed": true}]', "null"])
def test_a_damaged_memory_of_the_queue_is_an_empty_one(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pulls.json"
    file.write_text(text)
    assert PullQueue(_never, file).pulls == Pulls()


def test_a_memory_that_cannot_be_written_costs_only_the_memory(tmp_path: Path) -> None:
    file = tmp_path / "no-folder-but-a-file"
    file.write_text("")
    queue = PullQueue(_never, file / "pulls.json")
    queue.add("a")
    until(lambda: queue.pulls.failed)
    queue.close()


def _never(model: str, agreed: bool, emit: Emit, stop: Stop) -> Installed:
    raise UsageError("not in this test")


def event(done: int, phase: str = "downloading") -> ModelEvent:
    return Progressed("a", phase, done, 1000)  # type: ignore[arg-type]


def test_the_speed_is_that_of_the_last_seconds_and_tells_the_time_left() -> None:
    pulls = Pulls().adding("a").starting("a")
    for second in range(20):
        pulls = pulls.after(event(10 * second if second < 10 else 100 + 50 * (second - 10)), second)
    [pull] = pulls.pulls
    assert pull.bytes_per_second == pytest.approx(50)
    assert pull.seconds_left == pytest.approx((1000 - 550) / 50)
    assert pulls.pausing("a").pulls[0].bytes_per_second is None


def test_a_pull_that_waits_says_why_and_has_no_speed() -> None:
    pulls = Pulls().adding("a").starting("a").after(event(10), 0.0).after(event(20), 1.0)
    [pull] = pulls.after(Waited("a", "the line dropped", 2.0), 2.0).pulls
    assert pull.note == "the line dropped"
    assert pull.bytes_per_second is None
    assert pull.done_bytes == 20


names = st.sampled_from("abc")
steps = st.lists(
    st.tuples(st.sampled_from(["add", "start", "pause", "fail", "drop", "go"]), names), max_size=30
)


@given(steps)
def test_however_it_goes_one_runs_at_a_time_and_none_is_listed_twice(
    taken: list[tuple[str, str]],
) -> None:
    pulls = Pulls()
    for verb, name in taken:
        if verb == "add":
            pulls = pulls.adding(name)
        elif verb == "start" and pulls.running is None and pulls.waiting:
            pulls = pulls.starting(pulls.waiting[0].model)
        elif verb == "pause":
            pulls = pulls.pausing(name)
        elif verb == "fail":
            pulls = pulls.failing(name, "why", "what to do")
        elif verb == "drop":
            pulls = pulls.without(name)
        elif verb == "go":
            pulls = pulls.after(event(500), 1.0)
        listed = [pull.model for pull in pulls.pulls]
        assert len(set(listed)) == len(listed)
        assert sum(pull.under_way for pull in pulls.pulls) <= 1
        assert all(pull.share is None or 0 <= pull.share <= 1 for pull in pulls.pulls)
