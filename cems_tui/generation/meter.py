"""How much memory a run needed on top of the weights, stage by stage.

On an accelerator the allocator counts. On a Linux CPU the kernel keeps the process's peak resident
size and can reset it. Memory that an earlier run freed stays with the process and would hide what
a later one needs, so the first run of each kind starts from a trimmed heap and later runs of the
same kind report the largest figure seen. Elsewhere nothing is measured and the answer is None.

Weights that lie in a file mapping count as resident only once they were touched. They are
therefore brought in when they are loaded (`bring_in`): else the first run would be billed for
them a second time, and a load would seem to cost nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from cems_tui.domain.function import STAGES, UNMEASURED, Stage, StageBytes

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
"""The value that makes the kernel forget the peak resident size."""

_COUNTING = ("cuda", "xpu")
"""Devices whose allocator keeps its peak."""


@dataclass(slots=True)
class Usage:
    """What a run took so far: filled in stage by stage, and whole when the run is over."""

    counter: _Counter
    before: int | None
    """Bytes held when the run began; None where nothing is measured."""

    peaks: dict[Stage, int] = field(default_factory=dict)
    stage: Stage = "encode"
    stage_bytes: StageBytes = UNMEASURED
    """Peak bytes of each stage above what was held when the run began."""

    @property
    def extra_bytes(self) -> int | None:
        """Peak bytes of the run above what was held when it began; None when not measured."""
        return self.stage_bytes.peak

    def enter(self, stage: Stage) -> None:
        """A stage begins. One that begins again had not begun before: two prompts are encoded."""
        ended = self.stage
        if stage == ended and STAGES.index(stage) > 0:
            ended = STAGES[STAGES.index(stage) - 1]
        self._note(ended)
        self.stage = stage
        self.counter.reset()

    def end(self) -> None:
        """The run is over."""
        self._note(self.stage)

    def _note(self, stage: Stage) -> None:
        peak = self.counter.peak()
        if self.before is not None and peak is not None:
            self.peaks[stage] = max(self.peaks.get(stage, 0), peak - self.before)


class _Counter:
    """The peak that a device, or the kernel, keeps of what this process holds."""

    def __init__(self, device_type: str) -> None:
        self._device_type = device_type

    def held(self) -> int | None:
        """Bytes held now; None where nobody tells."""
        if self._device_type in _COUNTING:
            import torch

            return int(torch.accelerator.memory_allocated())
        return _status_bytes("VmRSS") if self._device_type == "cpu" else None

    def peak(self) -> int | None:
        """The most bytes held since `reset`; None where nobody tells."""
        if self._device_type in _COUNTING:
            import torch

            return int(torch.accelerator.max_memory_allocated())
        return _status_bytes("VmHWM") if self._device_type == "cpu" else None

    def reset(self) -> bool:
        """The peak is what is held now; False where it cannot be reset."""
        if self._device_type in _COUNTING:
            import torch

            torch.accelerator.reset_peak_memory_stats()
            return True
        if self._device_type != "cpu":
            return False
        try:
            _RESET.write_text(_RESET_PEAK)
        except OSError:
            return False
        return True


class MemoryMeter:
    """Measures runs on one device; `kind` groups runs that need the same memory."""

    def __init__(self, device_type: str) -> None:
        self._device_type = device_type
        self._counter = _Counter(device_type)
        self._largest: dict[Hashable, dict[Stage, int]] = {}

    @contextmanager
    def measure(self, kind: Hashable) -> Iterator[Usage]:
        """Measure the block, which tells when a stage begins; nothing is kept when it raises."""
        if kind not in self._largest and self._device_type == "cpu":
            trim_heap()
        before = self._counter.held() if self._counter.reset() else None
        usage = Usage(self._counter, before)
        yield usage
        usage.end()
        if not usage.peaks:
            return
        known = self._largest.setdefault(kind, {})
        for stage, size in usage.peaks.items():
            known[stage] = max(size, known.get(stage, 0))
        usage.stage_bytes = StageBytes(**known)

    def give_back(self) -> None:
        """Return to the device what torch keeps for later."""
        if self._device_type in _COUNTING:
            import torch

            torch.accelerator.empty_cache()
        elif self._device_type == "cpu":
            trim_heap()


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


# Weights that lie in a mapping of their file.

_PAGE_BYTES = 4096
_POPULATE_READ = 22
"""MADV_POPULATE_READ, of Linux 5.14 and later."""


def bring_in(network: Any) -> None:
    """Have every byte of a network's weights in memory: those of a mapped file are read now."""
    import torch

    seen: set[int] = set()
    for tensor in (*network.parameters(), *network.buffers()):
        storage = tensor.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        if tensor.device.type != "cpu" or place in seen or not size:
            continue
        seen.add(place)
        if not _populated(place, size):
            torch.empty(0, dtype=torch.uint8).set_(storage)[::_PAGE_BYTES].max()
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def _populated(place: int, size: int) -> bool:
    """Whether the kernel brought in these bytes by itself."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    begin = place - place % _PAGE_BYTES
    length = place + size - begin
    library = ctypes.CDLL(None, use_errno=True)
    library.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return bool(library.madvise(begin, length, _POPULATE_READ) == 0)


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
