"""Follows a diffusers call from inside: when its phases end, and whether to stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from math import ceil
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
        self.failure: Exception | None = None
        """What a watched part of the pipeline raised first."""
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
        """The prompt, or another of two, is encoded; denoising begins."""
        self.encode.stop()
        self.pass_gate()
        self.denoise.start()

    def step_ended(self, step: int, steps: int) -> None:
        """Step `step` of `steps` is done; after the last one decoding begins."""
        if step == steps:
            self.denoise.stop()
        try:
            self._on_step(step, steps)
        except Exception as error:
            self.foreign = error
            raise
        self.pass_gate()
        if step == steps:
            self.decode.start()

    def callbacks(self, pipe: Any) -> dict[str, Any]:
        """The arguments that have `pipe` report its steps here, in the way its class knows."""

        def ended(pipe: Any, index: int, _time: Any, tensors: dict[str, Any]) -> Any:
            self.step_ended(index + 1, pipe.num_timesteps)
            return tensors

        def ended_in_old_classes(index: int, _time: Any, _latents: Any) -> None:
            scheduler = pipe.scheduler  # of second order: two evaluations are one step to them
            self.step_ended(index + 1, ceil(len(scheduler.timesteps) / scheduler.order))

        if "callback_on_step_end" in signature(type(pipe).__call__).parameters:
            return {"callback_on_step_end": ended, "callback_on_step_end_tensor_inputs": []}
        return {"callback": ended_in_old_classes, "callback_steps": 1}


@contextmanager
def watched(owner: Any, name: str, then: Callable[[Any], None], watch: Watch) -> Iterator[None]:
    """Within the block `owner.name(…)` calls `then` with its result before returning it.

    What `owner.name` itself raises is noted: SANA turns a decoder's lack of memory into a
    warning, and fails of something else. Afterwards `owner` is as it was: it may be shared.
    """
    method = getattr(owner, name)
    replaced = vars(owner).get(name)

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            result = method(*args, **kwargs)
        except Exception as error:
            watch.failure = error
            raise
        then(result)
        return result

    setattr(owner, name, call)
    try:
        yield
    finally:
        if replaced is None:
            delattr(owner, name)
        else:
            setattr(owner, name, replaced)
