"""How much memory a run needed on top of the weights.

On CUDA the allocator counts. On a Linux CPU the kernel keeps the process's peak resident size
and can reset it. Memory that an earlier run freed stays with the process and would hide what a
later one needs, so the first run of each kind starts from a trimmed heap and later runs of the
same kind report the largest figure seen. Elsewhere nothing is measured and the answer is None.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
"""The value that makes the kernel forget the peak resident size."""


@dataclass(slots=True)
class Usage:
    """Filled in when the run is over."""

    extra_bytes: int | None = None
    """Peak bytes above what was held when the run began; None when not measured."""


class MemoryMeter:
    """Measures runs on one device; `kind` groups runs that need the same memory."""

    def __init__(self, device_type: str) -> None:
        self._device_type = device_type
        self._largest: dict[Hashable, int] = {}

    @contextmanager
    def measure(self, kind: Hashable) -> Iterator[Usage]:
        """Measure the block; nothing is recorded when it raises."""
        usage = Usage()
        before = self._begin(first=kind not in self._largest)
        yield usage
        peak = self._peak_bytes()
        if before is not None and peak is not None:
            extra = max(0, peak - before, self._largest.get(kind, 0))
            usage.extra_bytes = self._largest[kind] = extra

    def give_back(self) -> None:
        """Return to the device what torch keeps for later."""
        if self._device_type == "cuda":
            import torch

            torch.cuda.empty_cache()
        elif self._device_type == "cpu":
            trim_heap()

    def _begin(self, *, first: bool) -> int | None:
        if self._device_type == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
            return int(torch.cuda.memory_allocated())
        if self._device_type != "cpu":
            return None
        if first:
            trim_heap()
        try:
            _RESET.write_text(_RESET_PEAK)
        except OSError:
            return None
        return _status_bytes("VmRSS")

    def _peak_bytes(self) -> int | None:
        if self._device_type == "cuda":
            import torch

            return int(torch.cuda.max_memory_allocated())
        return _status_bytes("VmHWM") if self._device_type == "cpu" else None


def trim_heap() -> None:
    """Give freed memory back to the system, where the C library can (glibc)."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _status_bytes(field: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    value = next((line for line in lines if line.startswith(f"{field}:")), None)
    return None if value is None else int(value.split()[1]) * 1024


# Seconds of one phase, on the device's clock.


class Stopwatch:
    """Measures from `start` to `stop`, waiting at both ends for what the device has queued."""

    def __init__(self, device_type: str) -> None:
        self._waits = device_type != "cpu"
        self._started = 0.0
        self.seconds = 0.0

    def start(self) -> None:
        self._wait()
        self._started = perf_counter()

    def stop(self) -> None:
        self._wait()
        self.seconds = perf_counter() - self._started

    def _wait(self) -> None:
        if self._waits:
            import torch

            torch.accelerator.synchronize()
