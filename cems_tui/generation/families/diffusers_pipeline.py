"""Runs a loaded diffusers pipeline: the plain call, watched, timed and stoppable.

The picture is the one that `pipe(prompt, …)` alone would make, bit for bit: nothing is
computed beside that call, its phases are only watched from inside.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from inspect import signature
from math import ceil
from typing import Any

from cems_tui.cancel import Stop
from cems_tui.domain.function import Stage, StageBytes
from cems_tui.errors import CemsError, GenerationError, Interrupted, OutOfMemory, UsageError
from cems_tui.generation.contention import Contention
from cems_tui.generation.device import free_device_bytes, use_threads
from cems_tui.generation.energy import EnergyMeter
from cems_tui.generation.families.anatomy import Anatomy
from cems_tui.generation.families.library_errors import drawing_error
from cems_tui.generation.families.patient_decoder import PatientDecoder, can_tile
from cems_tui.generation.families.requests import (
    abilities_of,
    check,
    check_room,
    guidance_arguments,
    unread,
)
from cems_tui.generation.meter import MemoryMeter, Stopwatch
from cems_tui.generation.networks import Shelf
from cems_tui.generation.pipeline import Job, MakeRoom, OnStep, Picture, nothing_to_free

_MORE_ROOM = 1.1
"""How many times the free memory of a failure is another situation."""


class DiffusersPipeline:
    """A diffusers pipeline on its device.

    One thread at a time draws, the others wait: a diffusers pipeline keeps state of its run,
    and so do the networks it may share with others.
    """

    def __init__(
        self,
        pipe: Any,
        model: str,
        anatomy: Anatomy,
        shelf: Shelf,
        keys: Mapping[str, str],
        precision: str,
        device: str,
        *,
        layers: Mapping[str, int] | None = None,
        threads: int | None = None,
    ) -> None:
        """Take over `pipe`.

        Args:
            pipe: a loaded pipeline, whose networks may belong to others too.
            model: the model's name, for messages.
            anatomy: where its parts are and what it can be asked.
            shelf: where its networks come from; one of its pipelines draws at a time.
            keys: component to what its content is called there; of those on the device.
            precision: what its weights are held in.
            device: the torch device type that draws.
            layers: device bytes of the layers that are brought in turn, by content.
            threads: CPU threads while drawing; None chooses by the size of the weights.
        """
        self._pipe = pipe
        self._model = model
        self._anatomy = anatomy
        self._abilities = abilities_of(pipe, anatomy)
        self._precision = precision
        self._threads = threads
        self._drawing = shelf.drawing
        self._schedulers: dict[str | None, Any] = {None: pipe.scheduler}
        self._too_large: dict[tuple[int, int, int], int] = {}
        """Free bytes when latents of a kind could not be decoded whole."""
        self._device = device
        self._held = {key: _weight_bytes(pipe.components[name]) for name, key in keys.items()}
        self._layers = layers or {}
        self._names = _by_content(keys) | dict.fromkeys(self._layers, "layers in turn")
        self._meter = MemoryMeter(device)

    @property
    def weights(self) -> Mapping[str, int]:
        """Device bytes of each of its networks, by content: equal keys are shared memory.

        What layers in turn may take while it draws is set aside for them.
        """
        return {**self._held, **self._layers}

    @property
    def names(self) -> Mapping[str, str]:
        """The component of each of its networks, by content."""
        return self._names

    @property
    def weight_bytes(self) -> int:
        """Device bytes its weights hold: parameters and buffers, shared storage once."""
        return sum(self._held.values())

    @property
    def size_multiple(self) -> int:
        """Pixels that width and height must be multiples of."""
        return self._abilities.capabilities.size_multiple or 1

    def generate(
        self, job: Job, on_step: OnStep, stop: Stop, make_room: MakeRoom = nothing_to_free
    ) -> Picture:
        """Draw one picture; see `Pipeline.generate` for what is raised."""
        with self._drawing:
            check(job, self._abilities, self._model)
            decoder = self._decoder
            whole = check_room(
                job, self._abilities, self._pipe, decoder, self._device, tiles=can_tile(decoder)
            )
            self._pipe.scheduler = self._scheduler(job.scheduler)
            patient = PatientDecoder(
                decoder,
                self._model,
                job.width,
                job.height,
                make_room,
                self._meter.give_back,
                tiled_from_start=not whole or self._was_too_large(job),
            )
            picture = self._generate(job, on_step, stop, patient)
            if patient.side is not None and not patient.tiled_from_start:
                self._too_large[self._kind(job)] = free_device_bytes(self._device)
            return picture

    def close(self) -> None:
        """Leave the device, but for what others hold."""
        self._pipe = None
        self._schedulers = {}
        gc.collect()
        self._meter.give_back()

    @property
    def _decoder(self) -> Any:
        return getattr(self._pipe, self._anatomy.decoder)

    def _kind(self, job: Job) -> tuple[int, int, int]:
        """What runs that need the same memory have in common."""
        return (job.width, job.height, self._abilities.passes(job))

    def _was_too_large(self, job: Job) -> bool:
        """Whether such latents did not decode whole when there was about as much room as now."""
        then = self._too_large.get(self._kind(job))
        now = free_device_bytes(self._device)
        return then is not None and now <= then * _MORE_ROOM

    def _generate(self, job: Job, on_step: OnStep, stop: Stop, patient: PatientDecoder) -> Picture:
        watch = Watch(self._device, on_step, stop)
        watch.pass_gate()
        contention = Contention(self._device)
        energy = EnergyMeter(self._device)
        energy.start()
        contention.start()
        image, stage_bytes = self._draw(job, watch, patient)
        waited = contention.share()
        return Picture(
            image=image,
            encode_seconds=watch.encode.seconds,
            denoise_seconds=watch.denoise.seconds,
            decode_seconds=watch.decode.seconds,
            extra_bytes=stage_bytes.peak,
            stage_bytes=stage_bytes,
            sampler=type(self._pipe.scheduler).__name__,
            precision=self._precision,
            fallback=tuple(patient.rungs),
            notes=unread(self._pipe, self._anatomy, job),
            contention=waited,
            energy_wh=energy.watt_hours(),
        )

    def _draw(self, job: Job, watch: Watch, patient: PatientDecoder) -> tuple[Any, StageBytes]:
        failure: CemsError
        use_threads(self._device, self.weight_bytes, self._threads)
        kind = (*self._kind(job), patient.tiled_from_start)
        try:
            with self._meter.measure(kind) as usage, self._watched(watch, job, patient):
                watch.on_stage = usage.enter
                watch.encode.start()
                image = self._call(job, watch)
                watch.decode.stop()
            return image, usage.stage_bytes
        except Exception as error:
            if error is watch.foreign:
                raise
            cause = watch.failure or error
            watch.failure = None
            failure = drawing_error(cause, self._model)
            if failure is error:
                raise
            if not isinstance(failure, OutOfMemory):
                raise failure from cause
            del cause
        # Raised outside the handler: the traceback would keep the run's tensors alive.
        self._meter.give_back()
        raise failure

    @contextmanager
    def _watched(self, watch: Watch, job: Job, patient: PatientDecoder) -> Iterator[None]:
        """The block's call is followed by `watch`; the decoder ends as it began."""
        pipe, decoder = self._pipe, self._decoder
        encoder = (pipe, "encode_prompt") if self._anatomy.encodes_prompt else None
        owner, name = encoder or (pipe.scheduler, "set_timesteps")
        dtype = decoder.dtype
        with ExitStack() as stack:
            stack.callback(_cast_back, decoder, dtype)
            stack.enter_context(watched(decoder, "decode", self._decoded, watch, patient.decode))
            stack.enter_context(watched(owner, name, lambda _: watch.encoded(), watch))
            if job.clip_skip is not None:
                stack.enter_context(_nested_text_model())
            yield

    def _call(self, job: Job, watch: Watch) -> Any:
        import torch

        skip = {} if job.clip_skip is None else {"clip_skip": job.clip_skip}
        made = self._pipe(
            prompt=job.prompt,
            height=job.height,
            width=job.width,
            num_inference_steps=job.steps,
            generator=torch.Generator("cpu").manual_seed(job.seed),
            **guidance_arguments(job, self._abilities),
            **skip,
            **self._anatomy.arguments,
            **watch.callbacks(self._pipe),
        )
        return made.images[0]

    def _decoded(self, result: Any) -> None:
        if not _is_finite(result):
            raise GenerationError(f"{self._model} drew numbers that are no picture (NaN)")

    def _scheduler(self, name: str | None) -> Any:
        if name is not None and name not in self._schedulers:
            self._schedulers[name] = make_scheduler(name, self._schedulers[None].config)
        return self._schedulers[name]


def _cast_back(decoder: Any, dtype: Any) -> None:
    """SDXL and aMUSEd decode in float32 and do not cast back when that fails or is stopped."""
    if decoder.dtype != dtype:
        decoder.to(dtype)


@contextmanager
def _nested_text_model() -> Iterator[None]:
    """Let diffusers find the `text_model` that CLIPTextModel had before transformers 5.6.

    Its StableDiffusionPipeline looks for it when layers are skipped. Elsewhere diffusers takes
    its presence for that older transformers, so it is there during one call only.
    """
    from transformers import CLIPTextModel

    text_model_class: Any = CLIPTextModel
    text_model_class.text_model = property(lambda network: network)
    try:
        yield
    finally:
        del text_model_class.text_model


def _is_finite(decoded: Any) -> bool:
    pixels = decoded[0] if isinstance(decoded, tuple) else decoded.sample
    return bool(pixels.isfinite().all())


def _weight_bytes(network: Any) -> int:
    """Of its parameters and buffers; what several layers share counts once."""
    tensors = (*network.parameters(), *network.buffers())
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values())


def _by_content(keys: Mapping[str, str]) -> dict[str, str]:
    """Content to component; where several hold the same, the names of all."""
    names: dict[str, str] = {}
    for name, key in keys.items():
        names[key] = f"{names[key]}, {name}" if key in names else name
    return names


# Schedulers by name: `EulerDiscreteScheduler`, or with settings of their own in brackets.
#
# `EulerDiscreteScheduler(timestep_spacing=trailing)` is what SDXL-Lightning was distilled for,
# while the scheduler of SDXL, whose folder it is put into, begins elsewhere.

_NAME = re.compile(r"(?P<name>\w+)\s*(?:\((?P<settings>.*)\))?")
_WAY_OUT = (
    "Use a diffusers scheduler class, such as EulerDiscreteScheduler or "
    "EulerDiscreteScheduler(timestep_spacing=trailing)."
)


def make_scheduler(described: str, config: Any) -> Any:
    """A scheduler with the configuration of another and the settings in its brackets.

    Raises:
        UsageError: there is none of that name, or it has no such setting.
    """
    import diffusers

    match = _NAME.fullmatch(described.strip())
    scheduler_class: Any = getattr(diffusers, match["name"], None) if match else None
    if match is None or not hasattr(scheduler_class, "set_timesteps"):
        raise UsageError(f"there is no scheduler named {described!r}", _WAY_OUT)
    settings = dict(_setting(part) for part in _parts(match["settings"]))
    known = signature(scheduler_class.__init__).parameters
    if unknown := [name for name in settings if name not in known]:
        raise UsageError(f"{match['name']} has no setting {unknown[0]!r}", _WAY_OUT)
    try:
        return scheduler_class.from_config(config, **settings)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise UsageError(f"{described} cannot be made: {error}", _WAY_OUT) from error


def _parts(settings: str | None) -> list[str]:
    return [part.strip() for part in (settings or "").split(",") if part.strip()]


def _setting(text: str) -> tuple[str, Any]:
    """`name=value`; the value is a number, true, false or null, else a word."""
    name, _, value = (part.strip() for part in text.partition("="))
    try:
        return name, json.loads(value.lower())
    except ValueError:
        return name, value


# Follows a diffusers call from inside: when its phases end, and whether to stop it.


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
        self.on_stage: Callable[[Stage], None] = lambda stage: None
        """Told of every stage that begins after the first."""
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
        self.on_stage("denoise")
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
            self.on_stage("decode")
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
def watched(
    owner: Any,
    name: str,
    then: Callable[[Any], None],
    watch: Watch,
    attempt: Callable[[Callable[[], Any], Any], Any] | None = None,
) -> Iterator[None]:
    """Within the block `owner.name(…)` calls `then` with its result before returning it.

    With `attempt` it is that which makes the call, given it and its first argument.

    What `owner.name` itself raises is noted: SANA turns a decoder's lack of memory into a
    warning, and fails of something else. Afterwards `owner` is as it was: it may be shared.
    """
    method = getattr(owner, name)
    replaced = vars(owner).get(name)

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            if attempt is None:
                result = method(*args, **kwargs)
            else:
                result = attempt(lambda: method(*args, **kwargs), args[0])
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
