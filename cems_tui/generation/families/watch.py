"""Follows a diffusers call from inside: when its phases end, and whether to stop it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cems_tui.errors import Interrupted
from cems_tui.generation.pipeline import OnStep, Stop
from cems_tui.generation.stopwatch import Stopwatch


class Watch:
    """Follows one call through its phases, and stops it when asked to."""

    def __init__(self, device_type: str, on_step: OnStep, stop: Stop) -> None:
        self.encode = Stopwatch(device_type)
        self.denoise = Stopwatch(device_type)
        self.decode = Stopwatch(device_type)
        self.foreign: Exception | None = None
        """What a callable of the caller raised; it is not the model's failure."""
        self._on_step = on_step
        self._stop = stop

    def pass_gate(self) -> None:
        """Go on unless the user wants to stop."""
        try:
            stopped = self._stop()
        except Exception as error:
            self.foreign = error
            raise
        if stopped:
            raise Interrupted("the picture was stopped before it was finished")

    def encoded(self) -> None:
        """The prompt is encoded; denoising begins."""
        self.encode.stop()
        self.pass_gate()
        self.denoise.start()

    def step_ended(self, pipe: Any, index: int, _time: Any, tensors: dict[str, Any]) -> Any:
        """A diffusers `callback_on_step_end`: tells the caller, and stops when asked to."""
        if index + 1 == pipe.num_timesteps:
            self.denoise.stop()
        try:
            self._on_step(index + 1, pipe.num_timesteps)
        except Exception as error:
            self.foreign = error
            raise
        self.pass_gate()
        if index + 1 == pipe.num_timesteps:
            self.decode.start()
        return tensors


def call_after(owner: Any, name: str, then: Callable[[Any], None]) -> None:
    """Have `owner.name(…)` call `then` with its result before returning it."""
    method = getattr(owner, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        then(result)
        return result

    setattr(owner, name, watched)
