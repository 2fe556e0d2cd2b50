"""The app's side of the queue: asked in order off the UI's thread, told whole, refusals said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from cems_tui.domain.job import QueuedJob
from cems_tui.errors import StorageError
from cems_tui.services.queue.outlook import Expectation, Outlook
from tests.screens.fakes_screens import make_app, until


class Rows:
    """Remembers what was asked of it; tells what a test says."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.threads: set[str] = set()
        self.tell: Callable[[Outlook], None] = lambda told: None
        self.problem: Exception | None = None

    def listen(self, listener: Callable[[Outlook], None]) -> None:
        self.tell = listener

    def _ask(self, *asked: object) -> None:
        self.threads.add(threading.current_thread().name)
        if self.problem is not None:
            raise self.problem
        self.asked.append(asked)

    def hold(self, held: bool) -> None:
        self._ask("hold", held)

    def resume(self, ids: Sequence[str] = ()) -> None:
        self._ask("resume", ids)

    def pause(self, ids: Sequence[str]) -> None:
        self._ask("pause", ids)

    def cancel_rows(self, ids: Sequence[str]) -> None:
        self._ask("cancel", ids)

    def cancel_all(self) -> None:
        self._ask("cancel all")

    def retry(self, ids: Sequence[str]) -> None:
        self._ask("retry", ids)

    def move(self, ids: Sequence[str], *, first: bool) -> None:
        self._ask("move", ids, first)

    def remove(self, ids: Sequence[str]) -> None:
        self._ask("remove", ids)


async def test_what_is_asked_of_the_queue_is_done_in_order_off_the_uis_thread() -> None:
    rows = Rows()
    app = make_app(queue=rows)
    async with app.run_test() as pilot:
        queue = app.services.queue
        assert queue is not None
        queue.hold(True)
        queue.move(["one"], first=True)
        queue.cancel(["two"])
        queue.pause(["three"])
        queue.resume(["three"])
        queue.retry(["four"])
        queue.remove(["five"])
        queue.cancel_all()
        await until(pilot, lambda: len(rows.asked) == 8)
        assert [asked[0] for asked in rows.asked] == [
            *("hold", "move", "cancel", "pause", "resume", "retry", "remove", "cancel all"),
        ]
        assert threading.current_thread().name not in rows.threads


async def test_a_change_of_the_queue_reaches_whoever_shows_it() -> None:
    rows, heard = Rows(), []
    app = make_app(queue=rows)
    async with app.run_test() as pilot:
        queue = app.services.queue
        assert queue is not None
        queue.changed.subscribe(app, heard.append)
        told = Outlook((Expectation(QueuedJob("A" * 26, "A" * 26, "a red car"), 1, 0.0),))
        await pilot.pause()
        rows.tell(told)
        await until(pilot, lambda: queue.state == told)
        assert heard == [told]


async def test_what_the_queue_refuses_is_told_and_the_app_goes_on() -> None:
    rows = Rows()
    app = make_app(queue=rows)
    async with app.run_test() as pilot:
        queue = app.services.queue
        assert queue is not None
        for rows.problem in (StorageError("the disk is full", "Free some."), ValueError("odd")):
            said = len(app._notifications)
            queue.cancel_all()
            await until(pilot, lambda said=said: len(app._notifications) > said)  # type: ignore[misc]
        rows.problem = None
        queue.cancel_all()
        await until(pilot, lambda: rows.asked)
