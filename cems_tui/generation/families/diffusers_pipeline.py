"""Runs a loaded diffusers pipeline: the plain call, watched, timed and stoppable.

The picture is the one that `pipe(prompt, …)` alone would make, bit for bit: nothing is
computed beside that call, its phases are only watched from inside.
"""

from __future__ import annotations

import gc
from math import lcm
from threading import Lock
from typing import Any

from cems_tui.errors import CemsError, GenerationError, OutOfMemory, UsageError
from cems_tui.generation.device import free_memory_bytes
from cems_tui.generation.families.anatomy import Anatomy
from cems_tui.generation.families.translate import drawing_error
from cems_tui.generation.families.watch import Watch, call_after
from cems_tui.generation.meter import MemoryMeter
from cems_tui.generation.pipeline import Job, OnStep, Picture, Stop
from cems_tui.generation.threads import use_threads

_LARGEST_SEED = 2**64 - 1


class DiffusersPipeline:
    """A diffusers pipeline on its device.

    One thread at a time draws, the others wait: a diffusers pipeline keeps state of its run.
    """

    def __init__(
        self, pipe: Any, model: str, anatomy: Anatomy | None = None, *, threads: int | None = None
    ) -> None:
        """Take over `pipe`: its encoding and decoding are watched from now on.

        Args:
            pipe: a loaded pipeline on its device.
            model: the model's name, for messages.
            anatomy: where its parts are.
            threads: CPU threads while drawing; None chooses by the size of the weights.
        """
        self._pipe = pipe
        self._model = model
        self._anatomy = anatomy or Anatomy()
        self._threads = threads
        self._busy = Lock()
        self._schedulers: dict[str | None, Any] = {None: pipe.scheduler}
        self._watch: Watch | None = None
        self._weight_bytes = _weight_bytes(pipe)
        self._meter = MemoryMeter(pipe.device.type)
        self._decoder = getattr(pipe, self._anatomy.decoder)
        call_after(self._decoder, "decode", self._decoded)
        if self._anatomy.encodes_prompt:
            call_after(pipe, "encode_prompt", self._encoded)
        else:
            call_after(pipe.scheduler, "set_timesteps", self._encoded)

    @property
    def weight_bytes(self) -> int:
        """Device bytes its weights hold: parameters and buffers, shared storage once."""
        return self._weight_bytes

    @property
    def size_multiple(self) -> int:
        """Pixels that width and height must be multiples of."""
        return lcm(self._anatomy.size_multiple, self._pipe.vae_scale_factor)

    def generate(self, job: Job, on_step: OnStep, stop: Stop) -> Picture:
        """Draw one picture; see `Pipeline.generate` for what is raised."""
        with self._busy:
            self._check(job)
            self._pipe.scheduler = self._scheduler(job.scheduler)
            return self._generate(job, on_step, stop)

    def close(self) -> None:
        """Leave the device."""
        self._pipe = self._decoder = None
        self._schedulers = {}
        gc.collect()
        self._meter.give_back()

    def _generate(self, job: Job, on_step: OnStep, stop: Stop) -> Picture:
        watch = self._watch = Watch(self._pipe.device.type, on_step, stop)
        try:
            watch.pass_gate()
            image, extra_bytes = self._draw(job, watch)
        finally:
            self._watch = None
        return Picture(
            image=image,
            encode_seconds=watch.encode.seconds,
            denoise_seconds=watch.denoise.seconds,
            decode_seconds=watch.decode.seconds,
            extra_bytes=extra_bytes,
            sampler=type(self._pipe.scheduler).__name__,
        )

    def _draw(self, job: Job, watch: Watch) -> tuple[Any, int | None]:
        failure: CemsError
        use_threads(self._pipe.device.type, self._weight_bytes, self._threads)
        try:
            with self._meter.measure((job.width, job.height, job.guidance > 1)) as usage:
                watch.encode.start()
                image = self._call(job, watch)
                watch.decode.stop()
            return image, usage.extra_bytes
        except Exception as error:
            if error is watch.foreign:
                raise
            failure = drawing_error(error, self._model)
            if failure is error:
                raise
            if not isinstance(failure, OutOfMemory):
                raise failure from error
        # Raised outside the handler: the traceback would keep the run's tensors alive.
        self._meter.give_back()
        raise failure

    def _call(self, job: Job, watch: Watch) -> Any:
        import torch

        made = self._pipe(
            job.prompt,
            height=job.height,
            width=job.width,
            num_inference_steps=job.steps,
            guidance_scale=job.guidance,
            negative_prompt=job.negative or None,
            generator=torch.Generator("cpu").manual_seed(job.seed),
            **watch.callbacks(self._pipe),
        )
        return made.images[0]

    def _encoded(self, _result: Any) -> None:
        if self._watch is not None:
            self._watch.encoded()

    def _decoded(self, result: Any) -> None:
        if self._watch is not None and not _is_finite(result):
            raise GenerationError(f"{self._model} drew numbers that are no picture (NaN)")

    def _check(self, job: Job) -> None:
        multiple = self.size_multiple
        if any(side < multiple or side % multiple for side in (job.width, job.height)):
            raise UsageError(
                f"{self._model} cannot draw {job.width}x{job.height}",
                f"Width and height must be multiples of {multiple}, such as "
                f"{_nearest(job.width, multiple)}x{_nearest(job.height, multiple)}.",
            )
        if job.steps < 1:
            raise UsageError(f"{self._model} cannot draw in {job.steps} steps", "Use 1 or more.")
        if not 0 <= job.seed <= _LARGEST_SEED:
            raise UsageError(f"the seed {job.seed} is out of range", "Use 0 to 2**64 - 1.")
        self._check_room(job)

    def _check_room(self, job: Job) -> None:
        """On a CPU the kernel would kill the process where a card's allocator says no."""
        if self._pipe.device.type != "cpu":
            return
        least = _least_run_bytes(self._pipe, self._decoder.config, job)
        free = free_memory_bytes()
        if least > free:
            raise OutOfMemory(
                f"{job.width}x{job.height} needs more than {least / 1e9:,.1f} GB to draw, and "
                f"{free / 1e9:,.1f} GB is free"
            )

    def _scheduler(self, name: str | None) -> Any:
        if name not in self._schedulers:
            if self._anatomy.own_scheduler:
                raise UsageError(
                    f"{self._model} cannot draw with the scheduler {name}", "Leave it out."
                )
            self._schedulers[name] = _make_scheduler(name, self._schedulers[None].config)
        return self._schedulers[name]


def _make_scheduler(name: str | None, config: Any) -> Any:
    import diffusers

    scheduler_class: Any = getattr(diffusers, name or "", None)
    if scheduler_class is None or not hasattr(scheduler_class, "set_timesteps"):
        raise UsageError(
            f"there is no scheduler named {name!r}",
            "Use a diffusers scheduler class, such as EulerDiscreteScheduler.",
        )
    return scheduler_class.from_config(config)


def _is_finite(decoded: Any) -> bool:
    pixels = decoded[0] if isinstance(decoded, tuple) else decoded.sample
    return bool(pixels.isfinite().all())


def _least_run_bytes(pipe: Any, decoder: Any, job: Job) -> int:
    """What the largest layers of denoising and decoding hold at the very least: in and out."""
    pixels = job.width * job.height
    batch = 2 if job.guidance > 1 else 1
    channels = getattr(decoder, "decoder_block_out_channels", decoder.block_out_channels)
    largest = min(channels) * pixels
    if hasattr(pipe, "unet"):
        latents = pixels // pipe.vae_scale_factor**2
        largest = max(largest, batch * pipe.unet.config.block_out_channels[0] * latents)
    return int(2 * largest * pipe.dtype.itemsize)


def _weight_bytes(pipe: Any) -> int:
    import torch

    storages = {}
    for network in pipe.components.values():
        if isinstance(network, torch.nn.Module):
            for tensor in (*network.parameters(), *network.buffers()):
                storage = tensor.untyped_storage()
                storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def _nearest(side: int, multiple: int) -> int:
    return max(1, round(side / multiple)) * multiple
