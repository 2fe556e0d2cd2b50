"""Whose turn it is: in which order jobs that wait are worked on. It knows no rows and no clock.

Between jobs that share weights and jobs that do not, the family index decides: serve the weights
with the largest m ÷ (loading + seconds of its m shortest jobs), its shortest job first. Loading
counts twice what it drives away: weights on the device that somebody still waits for are taken
to leave, and to be loaded again. Between submissions the older one
may be overtaken, but only by so much work: `patience_seconds`. That bound is in seconds of work
done and not of time gone by, so no clock can break it, and it grows with what loading takes:
where loads are slow grouping is worth more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from heapq import heapify, heappop
from itertools import groupby
from typing import Literal

Order = Literal["family", "fifo"]

LEAST_PATIENCE_SECONDS = 20.0
JOBS_OF_PATIENCE = 2
LOADS_OF_PATIENCE = 20
"""Chosen on replays of other mixes than those it is judged by (`tests.benchmarks queue`)."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits, as the order sees it."""

    number: int
    """In the order of adding."""

    submission: str
    """The jobs that were handed in together have one."""

    group: tuple[int, int]
    """Lower ones go first, strictly: where the user moved it, then its priority."""

    family: str
    """The weights it needs; jobs of one family share them."""

    seconds: float
    """Expected, without loading; above 0."""

    load_seconds: float
    """Of bringing its weights to the device."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A job that had its turn, and the seconds of work it took, loading included."""

    job: Waiting
    seconds: float


def in_turn(
    waiting: Iterable[Waiting],
    order: Order = "family",
    there: AbstractSet[str] = frozenset(),
    taken: Sequence[Taken] = (),
) -> Iterator[Waiting]:
    """The jobs in the order they are worked on, as far as it can be foreseen.

    Only the first is certain; what follows takes for granted that everything takes what is
    expected, and that weights which were loaded stay.

    Args:
        there: the families on the device.
        taken: the turns before, as far as a job that waits was overtaken in them.
    """
    ranked = sorted(waiting, key=lambda job: (job.group, job.number))
    if order == "fifo":
        yield from ranked
        return
    here = set(there)
    for _, jobs in groupby(ranked, key=lambda job: job.group):
        yield from _by_index(list(jobs), here, taken)


def patience_seconds(waiting: Sequence[Waiting], there: AbstractSet[str]) -> float:
    """How much work of younger submissions an older one lets pass before it."""
    loads = {job.family: job.load_seconds for job in waiting if job.family not in there}
    mean = sum(job.seconds for job in waiting) / len(waiting)
    load = sum(loads.values()) / len(loads) if loads else 0.0
    return max(LEAST_PATIENCE_SECONDS, JOBS_OF_PATIENCE * mean + LOADS_OF_PATIENCE * load)


class Turns:
    """Gives turns one after the other, and remembers by whom older jobs were overtaken."""

    def __init__(self, order: Order) -> None:
        self._order: Order = order
        self._taken: list[Taken] = []

    def next(self, waiting: Sequence[Waiting], there: AbstractSet[str]) -> Waiting | None:
        """Whose turn it is now; None when nothing waits.

        Args:
            there: the families on the device.
        """
        oldest = min((job.number for job in waiting), default=None)
        self._taken = [
            turn for turn in self._taken if oldest is not None and turn.job.number > oldest
        ]
        return next(in_turn(waiting, self._order, there, self._taken), None)

    @property
    def taken(self) -> tuple[Taken, ...]:
        """The turns that somebody who waits was overtaken in."""
        return tuple(self._taken)

    def took(self, job: Waiting, seconds: float) -> None:
        """A job had its turn."""
        self._taken.append(Taken(job, max(0.0, seconds)))


def _by_index(jobs: list[Waiting], there: set[str], taken: Sequence[Taken]) -> Iterator[Waiting]:
    """Jobs of one group, from oldest to youngest when they come."""
    patience = patience_seconds(jobs, there)
    everybody = _Families(jobs)
    submissions: dict[str, list[Waiting]] = {}
    for job in jobs:
        submissions.setdefault(job.submission, []).append(job)
    older = {name: _Families(those) for name, those in submissions.items()}
    overtaking = _Overtaking(jobs, taken)
    done: set[int] = set()
    for oldest in jobs:
        overtaking.now_oldest(oldest)
        while oldest.number not in done:
            late = overtaking.seconds >= patience
            job = (older[oldest.submission] if late else everybody).best(there, done)
            overtaking.add(job, job.seconds + (0.0 if job.family in there else job.load_seconds))
            there.add(job.family)
            done.add(job.number)
            yield job


class _Overtaking:
    """The work of younger submissions that was done before the oldest job that still waits."""

    def __init__(self, jobs: Sequence[Waiting], taken: Sequence[Taken]) -> None:
        mine = [turn for turn in taken if turn.job.group == jobs[0].group]
        numbers: dict[str, int] = {}
        for job in sorted((*(turn.job for turn in mine), *jobs), key=lambda job: job.number):
            numbers.setdefault(job.submission, job.number)
        self._place = {name: place for place, name in enumerate(numbers)}
        self._work = [0.0] * len(numbers)
        self._oldest = -1
        self.seconds = 0.0
        for turn in mine:
            self.add(turn.job, turn.seconds)

    def add(self, job: Waiting, seconds: float) -> None:
        """A job had its turn."""
        place = self._place[job.submission]
        self._work[place] += seconds
        if place > self._oldest:
            self.seconds += seconds

    def now_oldest(self, job: Waiting) -> None:
        """All jobs before this one are done."""
        while self._oldest < self._place[job.submission]:
            self._oldest += 1
            self.seconds -= self._work[self._oldest]


@dataclass(slots=True)
class _Family:
    """The jobs of one family, shortest first."""

    load_seconds: float
    jobs: list[tuple[float, int, Waiting]] = field(default_factory=list)
    rank: tuple[float, float] | None = None
    """What else its loading costs, and its index then; None has to be worked out."""

    def index(self, again_seconds: float, done: AbstractSet[int]) -> float:
        """Its index while it is not on the device.

        Args:
            again_seconds: of loading what is on the device again.
        """
        if self.rank is None or self.rank[0] != again_seconds:
            left = sorted(one[0] for one in self.jobs if one[1] not in done)
            self.rank = (again_seconds, _index(self.load_seconds + again_seconds, left))
        return self.rank[1]


class _Families:
    """Jobs by the weights they need, to be asked again and again for the best one left."""

    def __init__(self, jobs: Iterable[Waiting]) -> None:
        self._families: dict[str, _Family] = {}
        for job in jobs:
            family = self._families.setdefault(job.family, _Family(job.load_seconds))
            family.jobs.append((job.seconds, job.number, job))
        for family in self._families.values():
            heapify(family.jobs)

    def best(self, there: AbstractSet[str], done: AbstractSet[int]) -> Waiting:
        """The shortest job of the family with the largest index; there has to be one."""
        for name, family in list(self._families.items()):
            while family.jobs and family.jobs[0][1] in done:
                heappop(family.jobs)
                family.rank = None
            if not family.jobs:
                del self._families[name]
        again = sum(one.load_seconds for name, one in self._families.items() if name in there)

        def place(name: str, family: _Family) -> tuple[float, int]:
            seconds, number, _ = family.jobs[0]
            rank = 1.0 / seconds if name in there else family.index(again, done)
            return (-rank, number)

        best = min(self._families, key=lambda name: place(name, self._families[name]))
        return self._families[best].jobs[0][2]


def _index(load_seconds: float, seconds: Sequence[float]) -> float:
    """The largest m ÷ (loading + the m shortest); `seconds` ascend."""
    total, best = load_seconds, 0.0
    for count, one in enumerate(seconds, 1):
        total += one
        if count / total < best:
            break  # from here on each is longer than the mean so far
        best = count / total
    return best
