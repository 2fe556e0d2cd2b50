"""The app's engine behind the queue: what is asked for is a row first, and drawn in its turn.

One request at a time goes down to the engine's process. The rows tell what is left when the app,
the engine or the machine ends; what other processes do to rows is seen within a second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from cems_tui import log
from cems_tui.domain.generation import now
from cems_tui.domain.job import FINISHED, UNFINISHED, Foreseen, QueuedJob
from cems_tui.domain.request import Event, Failed, Generated, Request, Routed
from cems_tui.errors import CemsError, Interrupted
from cems_tui.services.engine.protocol import EngineLost, EngineReady, Started, Submitted
from cems_tui.services.queue.foresight import decided
from cems_tui.services.queue.outlook import SHOWN, Outlook, outlook, waiting_of
from cems_tui.services.queue.owner import JobOwner, JobOwners
from cems_tui.services.queue.turn_order import Order, Turns, Waiting

if TYPE_CHECKING:
    from cems_tui.store.database import Store
    from cems_tui.store.queue import Queue

LOOK_SECONDS = 0.5
"""How often it is looked whether others changed rows."""

FORESEEN_AT_ONCE = 20
"""Prices that are asked for between two looks: each takes milliseconds of the app's process."""


class Process(Protocol):
    """The engine's process."""

    def open(self) -> None: ...
    def submit(self, request: Request) -> None: ...
    def cancel(self, request: str) -> None: ...
    def restart(self) -> None: ...
    def events(self) -> Iterator[Event]: ...


class QueuedEngine:
    """What the app asks of the engine, and of the queue; every call may wait for the disk.

    Any thread may call. Nothing is opened or written before the first request, resumption or
    look at a database that is there.
    """

    def __init__(
        self,
        process: Process,
        records: Callable[[], AbstractContextManager[Store]],
        exists: Callable[[], bool],
        owners: JobOwners,
        foresee: Callable[[Request], Foreseen],
        order: Order = "family",
    ) -> None:
        """Nothing is read yet.

        Args:
            records: opens the database for writing.
            exists: whether there is one: looking makes none.
            foresee: what a picture is expected to take here.
        """
        self._process = process
        self._records = records
        self._exists = exists
        self._owners = owners
        self._foresee = foresee
        self._order: Order = order
        self._turns = Turns(order)
        self._turn: Waiting | None = None
        self._turn_began = 0.0
        self._lock = threading.RLock()
        self._stack = ExitStack()
        self._queue: Queue | None = None
        self._owner: JobOwner | None = None
        self._running: QueuedJob | None = None
        """The one that the process has."""

        self._begun = False
        """Whether the process has taken that one up."""

        self._lost = False
        """Whether the process is gone, and no other was started yet."""

        self._mine: dict[str, int] = {}
        """Requests that the app was told of and that are not finished, and their rows."""

        self._held = False
        self._resident: frozenset[str] = frozenset()
        self._asked: set[int] = set()
        """Jobs whose price was asked for."""

        self._unforeseen = True
        """Whether there may be jobs whose price was not asked for."""

        self._outlook = Outlook()
        self._problem = ""
        self._seen: tuple[int, int] | None = None
        self._listener: Callable[[Outlook], None] = lambda told: None
        self._told: SimpleQueue[Event | None] = SimpleQueue()
        self._heard = False
        self._closing = threading.Event()
        self._looking: threading.Thread | None = None

    # As the engine's process.

    def open(self) -> None:
        """Have the process open its session."""
        self._process.open()

    def submit(self, request: Request) -> None:
        """A request becomes a row, and is drawn in its turn; one that is a row goes on.

        Raises:
            StorageError: the row cannot be written.
        """
        with self._lock:
            queue, owner = self._opened()
            if request.id not in self._mine:
                job = QueuedJob(
                    id=request.id,
                    submission=request.id,
                    title=request.prompt,
                    priority="interactive",
                    request=request,
                    owner=owner.name,
                    created=now(),
                )
                self._mine |= queue.add([job])
                self._unforeseen = True
            self._go_on()

    def cancel(self, request: str) -> None:
        """Ask politely: what runs ends at its next step, what waits never begins.

        Raises:
            StorageError: the row cannot be written.
        """
        with self._lock:
            queue, _ = self._opened()
            if (number := self._mine.get(request)) is not None:
                queue.cancel([number])
                self._see(queue)
            self._go_on()

    def restart(self) -> None:
        """A fresh process in the place of a lost or stuck one; what ran is given up."""
        with self._lock:
            self._lost = True
            self._give_up("the engine was ended while it drew", "")
        self._process.restart()
        with self._lock:
            self._lost = False
            self._go_on()

    def events(self) -> Iterator[Event]:
        """Every event, waiting for each, until the engine is closed. Call it from a thread.

        Call it again after a restart: the first caller is told what the fresh process reports.
        """
        threading.Thread(target=self._listen, name="queued-engine", daemon=True).start()
        with self._lock:
            heard, self._heard = self._heard, True
        while not heard and (event := self._told.get()) is not None:
            yield event

    # As the queue.

    def listen(self, listener: Callable[[Outlook], None]) -> None:
        """Tell this one how the queue stands, now and whenever that changes."""
        self._listener = listener
        if self._looking is None:
            self._looking = threading.Thread(target=self._watch, name="queue", daemon=True)
            self._looking.start()

    def look(self) -> None:
        """See what others did to rows, and foresee what nobody foresaw yet; told if it is new.

        Raises:
            StorageError: the rows cannot be read or written.
        """
        with self._lock:
            if self._closing.is_set() or (self._queue is None and not self._exists()):
                return
            queue, _ = self._opened()
            if queue.version() == self._seen and not self._unforeseen:
                return
            self._foresee_some(queue)
            queue.settle(self._owners.alive)
            self._see(queue)
            self._go_on()

    def hold(self, held: bool) -> None:
        """Begin nothing more, or go on."""
        with self._lock:
            self._held = held
            self._go_on()

    def resume(self, ids: Sequence[str] = ()) -> None:
        """Take jobs and work on them in their turn: those named, or all that anybody may take.

        Raises:
            CemsError: the rows cannot be written, or one is not there.
        """
        with self._lock:
            queue, owner = self._opened()
            self._held = False
            if ids:
                queue.resume(_numbers(queue, ids), owner.name)
            else:
                queue.adopt(owner.name)
            self._go_on()

    def pause(self, ids: Sequence[str]) -> None:
        """Keep jobs from starting; what runs ends at its next step."""
        with self._lock:
            queue, _ = self._opened()
            queue.pause(_numbers(queue, ids))
            self._see(queue)
            self._go_on()

    def cancel_rows(self, ids: Sequence[str]) -> None:
        """Take jobs out of the queue; what runs ends at its next step."""
        with self._lock:
            queue, _ = self._opened()
            queue.cancel(_numbers(queue, ids))
            self._see(queue)
            self._go_on()

    def cancel_all(self) -> None:
        """Take everything out of the queue that is not finished."""
        with self._lock:
            queue, _ = self._opened()
            queue.cancel(queue.numbers(UNFINISHED))
            self._see(queue)
            self._go_on()

    def retry(self, ids: Sequence[str]) -> None:
        """Try failed jobs again."""
        with self._lock:
            queue, owner = self._opened()
            queue.retry(_numbers(queue, ids), owner.name)
            self._go_on()

    def move(self, ids: Sequence[str], *, first: bool) -> None:
        """Put jobs before, or behind, all others."""
        with self._lock:
            queue, _ = self._opened()
            queue.move(_numbers(queue, ids), first=first)
            self._go_on()

    def remove(self, ids: Sequence[str]) -> None:
        """Forget jobs that do not run."""
        with self._lock:
            queue, _ = self._opened()
            queue.remove(_numbers(queue, ids))
            self._go_on()

    def close(self) -> int:
        """Leave the queue when the process has ended: what is not done comes back paused.

        Returns:
            How many jobs that is.
        """
        left = 0
        self._closing.set()
        self._told.put(None)
        with self._lock:
            if self._queue is not None and self._owner is not None:
                try:
                    left = self._queue.leave(self._owner.name)
                except CemsError as error:
                    log.error("the queue was left as it is: %s", error)
            self._stack.close()
            self._queue = self._owner = None
        return left

    # How it goes on.

    def _opened(self) -> tuple[Queue, JobOwner]:
        if self._closing.is_set():
            raise Interrupted("the app is closing", hint="")
        if self._queue is None or self._owner is None:
            store = self._stack.enter_context(self._records())
            self._owner = self._stack.enter_context(self._owners.enter())
            self._queue = store.queue
            self._queue.settle(self._owners.alive)
        return self._queue, self._owner

    def _go_on(self) -> None:
        """Give the process the next job if it has none, and tell how things stand."""
        queue, owner = self._opened()
        while self._running is None and not (self._held or self._lost):
            mine = [place for place in queue.places() if place.owner == owner.name]
            turn = self._turns.next(waiting_of(mine), self._resident)
            if turn is None:
                break
            job = queue.claim(turn.number, owner.name)
            if job is not None:
                self._turn, self._turn_began = turn, monotonic()
                self._begin(queue, job)
        self._tell()

    def _begin(self, queue: Queue, job: QueuedJob) -> None:
        if job.request is None:
            reason = job.reason or f"a {job.kind} is not drawn by the app"
            queue.fail(job.number, reason, job.hint or "`cems queue run` does it.", 2)
            return
        if job.id not in self._mine:
            self._mine[job.id] = job.number
            self._told.put(Submitted(job.id, job.request))
        self._running, self._begun = job, False
        try:
            self._process.submit(job.request)
        except CemsError as error:
            self._end(job.id, Failed(job.id, str(error), error.hint, error.exit_code))

    def _listen(self) -> None:
        for event in self._process.events():
            self._told.put(event)
            try:
                self._follow(event)
            except CemsError as error:
                self._trouble(error)

    def _follow(self, event: Event) -> None:
        with self._lock:
            if self._closing.is_set():
                return
            match event:
                case EngineReady(resident=resident):
                    self._resident = resident
                case Started():
                    self._begun = True
                case Routed(decision=decision) if self._running and self._queue:
                    self._queue.foresee([(self._running.number, decided(decision))])
                    self._tell()
                case Generated() | Failed():
                    self._end(event.request, event)
                    self._go_on()
                case EngineLost(message=message, hint=hint):
                    self._lost = True
                    self._give_up(message, hint)
                    self._tell()

    def _give_up(self, message: str, hint: str) -> None:
        """The process is gone: what it drew has failed, what it had not begun waits again."""
        job = self._running
        if job is None or self._queue is None:
            return
        if self._begun:
            self._end(job.id, Failed(job.id, message, hint))
        else:
            self._running = None
            self._queue.put_back(job.number)

    def _end(self, name: str, event: Generated | Failed) -> None:
        """The job that ran has ended: its row says how."""
        job, self._running = self._running, None
        self._mine.pop(name, None)
        if job is None or self._queue is None or job.id != name:
            return
        if self._turn is not None:
            self._turns.took(self._turn, monotonic() - self._turn_began)
        match event:
            case Generated():
                self._queue.finish(job.number)
            case Failed(exit_code=code) if code == Interrupted.exit_code:
                self._queue.stopped(job.number)
            case Failed(message=message, hint=hint, exit_code=code):
                self._queue.fail(job.number, message, hint, code)

    def _tell_gone(self, name: str, message: str) -> None:
        self._mine.pop(name, None)
        self._told.put(Failed(name, message, Interrupted.hint, Interrupted.exit_code))

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            try:
                self.look()
            except CemsError as error:
                self._trouble(error)

    def _see(self, queue: Queue) -> None:
        """Follow what was asked of rows: what runs ends, what is gone is told."""
        if self._running is not None and queue.wish(self._running.number) is not None:
            self._process.cancel(self._running.id)
        there = {job.number: job.state for job in queue.numbered(list(self._mine.values()))}
        for name, number in list(self._mine.items()):
            if there.get(number, "cancelled") in FINISHED:
                self._tell_gone(name, "cancelled before it began")

    def _foresee_some(self, queue: Queue) -> None:
        """Ask for prices that nobody asked for yet; the next look goes on where this one ends."""
        unknown = [
            place.number
            for place in queue.places()
            if place.model is None and place.number not in self._asked
        ]
        self._unforeseen = len(unknown) > FORESEEN_AT_ONCE
        told = []
        for job in queue.numbered(unknown[:FORESEEN_AT_ONCE]):
            self._asked.add(job.number)
            if job.request is not None:
                told.append((job.number, self._foresee(job.request)))
        if told:
            queue.foresee(told)

    def _trouble(self, error: CemsError) -> None:
        """The rows cannot be read or written: told once, whatever is tried again and again."""
        if not self._closing.is_set() and str(error) != self._problem:
            self._problem = str(error)
            log.error("the queue: %s", error)
            self._listener(replace(self._outlook, problem=self._problem))

    def _tell(self) -> None:
        if self._queue is not None:
            version = self._queue.version()
            self._outlook = outlook(
                self._queue,
                self._resident,
                self._order,
                taken=self._turns.taken,
                most=SHOWN,
                held=self._held,
            )
            self._problem, self._seen = "", version
            self._listener(self._outlook)


def _numbers(queue: Queue, ids: Sequence[str]) -> list[int]:
    return [queue.find(one).number for one in ids]
