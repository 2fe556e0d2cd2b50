"""Seconds of one phase, on the device's clock."""

from __future__ import annotations

from time import perf_counter


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
