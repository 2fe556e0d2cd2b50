"""What is to be expected of the queue: who is next, when, and what all of it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from cems_tui.domain.bill import Bill, BillLine, bill_of
from cems_tui.domain.job import PRIORITIES, Foreseen, QueuedJob
from cems_tui.services.queue.turn_order import Order, Taken, Waiting, in_turn

if TYPE_CHECKING:
    from cems_tui.store.queue import JobPlace, Queue

SHOWN = 200
"""Jobs that are told one by one unless all are asked for."""

UNKNOWN_SECONDS = 1.0
"""Of a job nobody knows anything of, where not one other is known."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One job of the queue with what is to be expected of it."""

    job: QueuedJob
    position: int | None = None
    """1 is next; None of one that does not wait."""

    starts_in_seconds: float | None = None
    """When its turn comes; None where that cannot be told."""

    loads: bool = False
    """Whether its weights have to be brought to the device for it."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The queue as it stands."""

    jobs: tuple[Expectation, ...] = ()
    """What runs, what waits in the order of turns, what is paused, what failed: the first
    of them, see `left_out`."""

    counts: tuple[tuple[str, int], ...] = ()
    """How many jobs there are by state."""

    bill: Bill | None = None
    """Of all that waits and runs, each model loaded once; None when nothing does."""

    held: bool = False
    """Whether nothing more is begun until the user says so."""

    problem: str = ""
    """Why the rows cannot be read or written now."""

    @property
    def left_out(self) -> int:
        """Unfinished and failed jobs that are not told one by one."""
        told = sum(self.count(state) for state in ("running", "waiting", "paused", "failed"))
        return max(0, told - len(self.jobs))

    def count(self, state: str) -> int:
        """How many jobs are in a state."""
        return dict(self.counts).get(state, 0)

    def of(self, job_id: str) -> Expectation | None:
        """The job of that id, if it is told."""
        return next((one for one in self.jobs if one.job.id == job_id), None)


def outlook(
    queue: Queue,
    resident: frozenset[str] = frozenset(),
    order: Order = "family",
    *,
    taken: Sequence[Taken] = (),
    most: int = SHOWN,
    held: bool = False,
) -> Outlook:
    """The queue as it stands and is going to go on.

    Args:
        resident: names of the models on the device.
        taken: the turns before.
        most: jobs that are told one by one.

    Raises:
        StorageError: the database cannot be read.
    """
    running = queue.jobs(("running",))
    places = queue.places()
    by_number = {place.number: place for place in places}
    told: list[Expectation] = [Expectation(job) for job in running[:most]]
    turns = islice(in_turn(waiting_of(places), order, resident, taken), most - len(told))
    clock: float | None = _left(running)
    there = set(resident) | {job.foreseen.model for job in running if job.foreseen.model}
    starts: dict[int, tuple[int, float | None, bool]] = {}
    for position, turn in enumerate(turns, 1):
        place = by_number[turn.number]
        loads = place.model is not None and place.model not in there
        starts[turn.number] = (position, clock, loads)
        clock = _after(clock, place, loads)
        if place.model is not None:
            there.add(place.model)
    jobs = {job.number: job for job in queue.numbered(list(starts))}
    told += [
        Expectation(jobs[number], *start) for number, start in starts.items() if number in jobs
    ]
    if len(told) < most:
        others = queue.jobs(("paused", "failed"), most=most - len(told))
        others.sort(key=lambda job: job.state == "failed")
        told += [Expectation(job) for job in others]
    lines = [*(line_of(job.foreseen) for job in running), *(_place_line(place) for place in places)]
    return Outlook(
        tuple(told),
        tuple(sorted(queue.counts().items())),
        bill_of(lines, loads_included=False) if lines else None,
        held,
    )


def models_wanted(queue: Queue, resident: frozenset[str] = frozenset()) -> list[str]:
    """The models that what waits needs, in the order of turns, as far as that matters.

    Raises:
        StorageError: the database cannot be read.
    """
    turns = in_turn(waiting_of(queue.places()), there=resident)
    return list(dict.fromkeys(turn.family for turn in islice(turns, SHOWN) if turn.family))


def waiting_of(places: Sequence[JobPlace]) -> list[Waiting]:
    """The jobs that wait, as the order sees them.

    What is unknown is taken for as long as the longest: what is known of goes first.
    """
    seconds = max((p.seconds for p in places if p.seconds), default=UNKNOWN_SECONDS)
    load = max((p.load_seconds for p in places if p.load_seconds), default=0.0)
    return [
        Waiting(
            number=place.number,
            submission=place.submission,
            group=(place.tier, _class(place.priority)),
            family=place.model or "",
            seconds=place.seconds or seconds,
            load_seconds=load if place.load_seconds is None else place.load_seconds,
        )
        for place in places
    ]


def _class(priority: str) -> int:
    return PRIORITIES.index(priority) if priority in PRIORITIES else len(PRIORITIES)


def _left(running: Sequence[QueuedJob]) -> float | None:
    """Until what runs is done: all of it, as nobody tells how far it is."""
    seconds = [job.foreseen.seconds for job in running]
    known = [one for one in seconds if one is not None]
    return sum(known, 0.0) if len(known) == len(seconds) else None


def _after(clock: float | None, place: JobPlace, loads: bool) -> float | None:
    if clock is None or place.seconds is None:
        return None
    if not loads:
        return clock + place.seconds
    return None if place.load_seconds is None else clock + place.seconds + place.load_seconds


def line_of(seen: Foreseen) -> BillLine:
    """What a job adds to a bill."""
    return BillLine(
        seen.model or "", seen.cost_usd, seen.seconds, seen.load_cost_usd, seen.load_seconds
    )


def _place_line(place: JobPlace) -> BillLine:
    return BillLine(
        place.model or "", place.cost_usd, place.seconds, place.load_cost_usd, place.load_seconds
    )
