"""The app's queue: what is asked for is a row first, one at a time reaches the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pytest

from cems_tui.domain.decision import Policy
from cems_tui.domain.job import Foreseen, QueuedJob
from cems_tui.domain.request import Event, Failed, Generated, Request, Routed, new_id
from cems_tui.errors import GenerationError, StorageError
from cems_tui.services.engine.protocol import EngineLost, EngineReady, Started, Submitted
from cems_tui.services.queue.outlook import Outlook
from cems_tui.services.queue.owner import JobOwners
from cems_tui.services.queue.queued_engine import QueuedEngine
from cems_tui.store.database import Store, open_store
from tests.store.records import decision, generation

SEEN = Foreseen("starter-base@20", "starter-base", 0.4, 7e-6, 0.5, 1e-5)


class Process:
    """Remembers what it was given; says what a test says."""

    def __init__(self) -> None:
        self.given: list[Request] = []
        self.cancelled: list[str] = []
        self.gone = False
        self.said: SimpleQueue[Event | None] = SimpleQueue()

    def open(self) -> None: ...

    def submit(self, request: Request) -> None:
        if self.gone:
            raise GenerationError("the engine is not running")
        self.given.append(request)

    def cancel(self, request: str) -> None:
        self.cancelled.append(request)

    def restart(self) -> None:
        self.said.put(None)
        self.said, self.gone = SimpleQueue(), False

    def events(self) -> Iterator[Event]:
        said = self.said
        while (event := said.get()) is not None:
            yield event


class App:
    """An app's queue in a home, with what it was told."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process = Process()
        self.told: list[Outlook] = []
        self.engine = QueuedEngine(
            self.process, self.records, (home / "cems.db").exists, owners(home), lambda _: SEEN
        )
        self.engine._listener = self.told.append
        self.events = self.engine.events()
        self._next: list[Event] = []

    @contextmanager
    def records(self) -> Iterator[Store]:
        with open_store(self.home / "cems.db") as store:
            yield store

    def ask(self, prompt: str = "a red car") -> Request:
        request = Request(new_id(), prompt, Policy.balanced())
        self.engine.submit(request)
        return request

    def hear(self, wanted: Callable[[Event], bool]) -> Event:
        for event in self.events:
            if wanted(event):
                self.engine.hold(self.engine._held)  # behind whatever follows the event
                return event
        raise AssertionError("the events ended")

    def say(self, event: Event) -> None:
        self.process.said.put(event)
        self.hear(lambda heard: heard is event)

    def draw(self, request: Request) -> None:
        """The engine reports the picture, recorded as the session does."""
        with self.records() as store:
            made = replace(generation(store.session(), self.home), id=request.id)
            store.add_generation(made)
        self.say(Generated(request.id, made))


def owners(home: Path) -> JobOwners:
    return JobOwners(home / "state" / "queue")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    made = App(tmp_path)
    yield made
    made.engine.close()


def states(home: Path) -> dict[str, str]:
    with open_store(home / "cems.db") as store:
        found = store.queue.jobs(("waiting", "running", "paused", "done", "failed", "cancelled"))
        return {job.id: job.state for job in found}


def test_one_request_at_a_time_reaches_the_engine_in_the_order_asked(app: App) -> None:
    first, second = app.ask(), app.ask()
    assert app.process.given == [first]
    app.draw(first)
    assert app.process.given == [first, second]
    assert states(app.home) == {first.id: "done", second.id: "running"}


def test_what_waited_when_the_app_was_killed_comes_back_paused_to_the_next(
    app: App, tmp_path: Path
) -> None:
    first, second = app.ask(), app.ask()
    app.draw(first)
    app.engine._owner._lock.release()  # type: ignore[union-attr]  # as the kernel does it
    again = App(tmp_path)
    again.engine.look()
    assert again.process.given == [], "nothing is begun that nobody asked for now"
    assert [told.job.id for told in again.told[-1].jobs] == [second.id]
    again.engine.resume()
    assert [request.id for request in again.process.given] == [second.id]
    assert isinstance(again.hear(lambda event: isinstance(event, Submitted)), Submitted)
    again.engine.close()


def test_a_prompt_of_a_person_goes_before_a_batch_that_was_handed_in(app: App) -> None:
    batch = [Request(new_id(), f"car {n}", Policy.balanced()) for n in range(3)]
    with app.records() as store:
        store.queue.add([QueuedJob(one.id, batch[0].id, one.prompt, request=one) for one in batch])
    app.engine.resume()
    typed = app.ask("mine")
    app.draw(batch[0])
    assert [request.id for request in app.process.given] == [batch[0].id, typed.id]
    assert [told.job.id for told in app.told[-1].jobs] == [typed.id, batch[1].id, batch[2].id]
    assert [told.position for told in app.told[-1].jobs] == [None, 1, 2]


def test_what_waits_is_cancelled_without_reaching_the_engine(app: App) -> None:
    first, second = app.ask(), app.ask()
    app.engine.cancel(second.id)
    gone = app.hear(lambda event: event.request == second.id)
    assert isinstance(gone, Failed)
    assert gone.exit_code == 130
    app.draw(first)
    assert app.process.given == [first]
    assert states(app.home)[second.id] == "cancelled"


def test_what_runs_is_asked_to_end_and_the_next_begins(app: App) -> None:
    first, second = app.ask(), app.ask()
    app.say(Started(first.id))
    app.engine.cancel(first.id)
    assert app.process.cancelled == [first.id]
    app.say(Failed(first.id, "stopped", "", 130))
    assert states(app.home) == {first.id: "cancelled", second.id: "running"}


def test_another_process_may_cancel_what_runs(app: App) -> None:
    first = app.ask()
    with app.records() as store:
        store.queue.cancel([store.queue.find(first.id).number])
    app.engine.look()
    assert app.process.cancelled == [first.id]


def test_a_failure_is_kept_with_its_words_and_can_be_tried_again(app: App) -> None:
    first = app.ask()
    app.say(Failed(first.id, "no room", "Buy some.", 5))
    failed = app.told[-1].of(first.id)
    assert failed is not None
    assert (failed.job.state, failed.job.reason, failed.job.exit_code) == ("failed", "no room", 5)
    app.engine.retry([first.id])
    assert app.process.given == [first, first]


def test_a_held_queue_begins_nothing_until_it_goes_on(app: App) -> None:
    app.engine.hold(True)
    first = app.ask()
    assert app.process.given == []
    assert app.told[-1].held
    app.engine.hold(False)
    assert app.process.given == [first]


def test_what_a_lost_engine_drew_has_failed_and_what_waited_is_drawn_by_a_fresh_one(
    app: App,
) -> None:
    first, second = app.ask(), app.ask()
    app.say(Started(first.id))
    app.process.gone = True
    app.say(EngineLost(first.id, (), "the engine was killed (SIGKILL)"))
    third = app.ask()
    assert app.process.given == [first]
    assert states(app.home) == {first.id: "failed", second.id: "waiting", third.id: "waiting"}
    app.engine.restart()
    list(app.engine.events())  # as the app listens again
    assert app.process.given == [first, second]
    app.engine.submit(second)
    assert app.process.given == [first, second], "it has that one"
    app.draw(second)
    assert app.process.given == [first, second, third]


def test_what_the_engine_had_not_begun_when_it_was_lost_waits_again(app: App) -> None:
    first = app.ask()
    app.say(EngineLost("", (first.id,), "the engine ended by itself (exit 3)"))
    assert states(app.home) == {first.id: "waiting"}
    app.engine.restart()
    assert app.process.given == [first, first]


def test_what_is_foreseen_gives_times_and_a_bill(app: App) -> None:
    first, second = app.ask(), app.ask()
    app.engine.look()
    app.say(EngineReady("", frozenset({"starter-base"})))
    app.say(Routed(first.id, decision()))
    told = app.told[-1]
    assert told.bill is not None
    assert (told.bill.pictures, told.bill.cost_usd) == (2, pytest.approx(6.8e-6 + 7e-6))
    waiting = told.of(second.id)
    assert waiting is not None
    assert waiting.starts_in_seconds == pytest.approx(0.41)
    assert not waiting.loads


def test_leaving_the_app_pauses_what_is_not_done(app: App) -> None:
    first, second = app.ask(), app.ask()
    assert app.engine.close() == 2
    assert states(app.home) == {first.id: "paused", second.id: "paused"}


def test_an_app_that_only_looks_makes_no_database(app: App) -> None:
    app.engine.look()
    assert not (app.home / "cems.db").exists()


def test_rows_that_cannot_be_read_are_told_once(app: App) -> None:
    app.ask()
    app.engine._trouble(StorageError("the disk is full"))
    app.engine._trouble(StorageError("the disk is full"))
    assert [told.problem for told in app.told[-2:]] == ["", "the disk is full"]


def test_what_is_no_picture_is_not_for_the_app(app: App) -> None:
    name = new_id()
    with app.records() as store:
        store.queue.add([QueuedJob(name, name, "pull x", kind="pull", arguments=("pull", "x"))])
    app.engine.resume([name])
    failed = app.told[-1].of(name)
    assert failed is not None
    assert "cems queue run" in failed.job.hint
