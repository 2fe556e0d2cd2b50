"""Working on jobs of the queue in this process: each is taken, done, and its end written down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic

from cems_tui.cancel import Stop
from cems_tui.domain.generation import now
from cems_tui.domain.job import Foreseen, Priority, QueuedJob
from cems_tui.domain.request import Request
from cems_tui.errors import CemsError, DeviceBusy, Interrupted, StorageError
from cems_tui.services.planner import Planner
from cems_tui.services.queue.foresight import foreseen
from cems_tui.services.queue.outlook import waiting_of
from cems_tui.services.queue.owner import JobOwner
from cems_tui.services.queue.turn_order import Order, Turns, Waiting
from cems_tui.store.queue import Queue

ASK_SECONDS = 0.25
"""How often a job that runs is asked after in the database."""

FORESEEN_AT_ONCE = 50
"""Prices that are asked for before a turn is given."""

LEAVES_IT_WAITING = (Interrupted, StorageError, DeviceBusy)
"""Errors that say nothing of the job: it is given back, not failed."""


class JobGone(Interrupted):
    """Somebody cancelled or paused the job while it ran."""


class QueueRunner:
    """The jobs that are this process's to do."""

    def __init__(self, queue: Queue, owner: JobOwner, order: Order = "family") -> None:
        self._queue = queue
        self._owner = owner
        self._turns = Turns(order)
        self._turn: Waiting | None = None
        self._asked: set[int] = set()

    def add(self, jobs: Sequence[QueuedJob]) -> dict[str, int]:
        """Append jobs that are this process's; their numbers by their ids.

        Raises:
            StorageError: they cannot be written.
        """
        return self._queue.add([replace(job, owner=self._owner.name) for job in jobs])

    def leave(self) -> int:
        """Give back what was not done; how many jobs wait for somebody to go on with them."""
        return self._queue.leave(self._owner.name)

    def adopt(self) -> None:
        """Take what anybody may take.

        Raises:
            StorageError: the rows cannot be written.
        """
        self._queue.adopt(self._owner.name)

    def next(self, resident: frozenset[str]) -> QueuedJob | None:
        """Begin the job whose turn it is; None when none of this process's waits.

        Args:
            resident: names of the models on the device.

        Raises:
            StorageError: the rows cannot be written.
        """
        while True:
            mine = [one for one in self._queue.places() if one.owner == self._owner.name]
            self._turn = self._turns.next(waiting_of(mine), resident)
            if self._turn is None:
                return None
            if (job := self._queue.claim(self._turn.number, self._owner.name)) is not None:
                return job

    def begin(self, number: int) -> QueuedJob | None:
        """Begin one job; None when somebody took it out of the queue, or paused it."""
        return self._queue.claim(number, self._owner.name)

    def foresee(self, planner: Planner) -> None:
        """Ask for some prices that nobody asked for yet, of what waits first."""
        unknown = [
            place.number
            for place in self._queue.places()
            if place.model is None and place.number not in self._asked
        ][:FORESEEN_AT_ONCE]
        self._asked.update(unknown)
        told = [
            (job.number, foreseen(planner, job.request))
            for job in self._queue.numbered(unknown)
            if job.request is not None
        ]
        if told:
            self._queue.foresee(told)

    @contextmanager
    def work(self, job: QueuedJob, stop: Stop) -> Iterator[Stop]:
        """A block that does the job, given what to ask whether to stop; its end is written down.

        Raises:
            JobGone: it was cancelled or paused by somebody else, and ended for that.
        """
        asked = _Asked(self._queue, job.number, stop)
        began = monotonic()
        try:
            yield asked
        except LEAVES_IT_WAITING as error:
            if isinstance(error, Interrupted) and asked.gone and not stop():
                self._queue.stopped(job.number)
                raise JobGone(f"{job.id} was taken out of the queue", hint="") from error
            raise
        except CemsError as error:
            self._queue.fail(job.number, str(error), error.hint, error.exit_code)
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"[:300]
            self._queue.fail(job.number, text, "The log has the details.", 1)
            raise
        finally:
            if self._turn is not None:
                self._turns.took(self._turn, monotonic() - began)
        self._queue.finish(job.number)


class _Asked:
    """Whether to stop: the process's own reasons, and what is asked of the row."""

    def __init__(self, queue: Queue, number: int, stop: Stop) -> None:
        self._queue = queue
        self._number = number
        self._stop = stop
        self._next = monotonic() + ASK_SECONDS
        self.gone = False

    def __call__(self) -> bool:
        if self._stop() or self.gone:
            return True
        if monotonic() >= self._next:
            self._next = monotonic() + ASK_SECONDS
            self.gone = self._queue.wish(self._number) is not None
        return self.gone


def jobs_of(
    requests: Sequence[Request],
    told: Sequence[Foreseen],
    *,
    priority: Priority = "batch",
    budget_usd: float | None = None,
) -> list[QueuedJob]:
    """Requests that are handed in together, as jobs.

    Args:
        told: what each is expected to take; all unknown where it is empty.
    """
    created = now()
    return [
        QueuedJob(
            id=request.id,
            submission=requests[0].id,
            title=request.prompt,
            priority=priority,
            request=request,
            budget_usd=budget_usd,
            created=created,
            foreseen=told[place] if told else Foreseen(),
        )
        for place, request in enumerate(requests)
    ]
