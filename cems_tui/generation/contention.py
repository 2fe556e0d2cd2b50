"""How much of a stretch of work was spent waiting for a processor that others had.

Seconds by the clock say what a picture took; in a busy hour that is several times what it takes.
Linux tells of every thread how long it ran and how long it stood ready without a processor
(`/proc/self/task/*/schedstat`). Where nobody tells, a process that drew on the processor for fewer
seconds than the clock counted was kept waiting for the rest. What a quota of the process's own
group withheld is no busy hour: it is so tomorrow too, and nothing is said then.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

_THREADS = Path("/proc/self/task")
_GROUP = Path("/sys/fs/cgroup/cpu.stat")
_WITHHELD = "throttled_usec"


@dataclass(frozen=True, slots=True)
class _Clocks:
    """What was used until now."""

    wall: float
    processor: float
    """Seconds all threads of the process ran."""

    ready: dict[str, tuple[int, int]] | None
    """By thread: nanoseconds it ran, and stood ready without a processor; None is not told."""

    withheld: int | None
    """Microseconds that a quota kept the process's group from running; None is not told."""


class Contention:
    """Measures on a CPU from `start` on; elsewhere the device's own queue is not seen."""

    def __init__(self, device_type: str) -> None:
        self._measures = device_type == "cpu"
        self._began: _Clocks | None = None

    def start(self) -> None:
        """Begin to measure."""
        self._began = _clocks() if self._measures else None

    def share(self) -> float | None:
        """The share of its time since `start` that the work waited; None when not measured."""
        return None if self._began is None else _share(self._began, _clocks())


def _share(began: _Clocks, ended: _Clocks) -> float | None:
    if (
        began.withheld is not None
        and ended.withheld is not None
        and ended.withheld > began.withheld
    ):
        return None
    if began.ready is not None and ended.ready is not None:
        ran = waited = 0
        for thread, (running, standing) in ended.ready.items():
            before = began.ready.get(thread, (0, 0))
            ran += max(0, running - before[0])
            waited += max(0, standing - before[1])
        return waited / (ran + waited) if ran + waited > 0 else 0.0
    wall, processor = ended.wall - began.wall, ended.processor - began.processor
    return max(0.0, 1.0 - processor / wall) if wall > 0.0 else None


def _clocks() -> _Clocks:
    return _Clocks(time.perf_counter(), time.process_time(), _ready(), _withheld())


def _ready() -> dict[str, tuple[int, int]] | None:
    """None where the kernel does not tell."""
    found = {}
    try:
        threads = list(_THREADS.iterdir())
    except OSError:
        return None
    for thread in threads:
        try:
            ran, waited, _ = (thread / "schedstat").read_text().split()
        except ProcessLookupError:
            continue  # the thread has ended
        except FileNotFoundError:
            if thread.exists():
                return None
            continue
        except (OSError, ValueError):
            return None
        found[thread.name] = (int(ran), int(waited))
    return found


def _withheld() -> int | None:
    """None where the process is in no group with a quota, or the kernel does not tell."""
    try:
        lines = _GROUP.read_text().splitlines()
    except OSError:
        return None
    return next((int(one.split()[1]) for one in lines if one.startswith(_WITHHELD)), None)
