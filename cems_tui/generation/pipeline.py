"""What the engine asks of a loaded model: one job in, one picture out, stoppable at any step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from cems_tui.cancel import Stop
from cems_tui.domain.function import UNMEASURED, StageBytes
from cems_tui.domain.note import Note

if TYPE_CHECKING:
    from PIL.Image import Image

    from cems_tui.domain.function import GenerationFunction

MakeRoom = Callable[[], list[str]]
"""Takes what nobody uses off the device; the names of what left."""


def nothing_to_free() -> list[str]:
    """The `MakeRoom` of somebody who holds nothing else."""
    return []


OnStep = Callable[[int, int], None]
"""Called after every denoising step with the steps done (from 1) and the steps there are."""


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that decides what one picture looks like, beside the weights."""

    prompt: str
    seed: int
    """0 … 2**64 − 1."""

    steps: int
    guidance: float
    """Classifier-free guidance scale; 0 or 1 switches it off."""

    width: int
    """Pixels."""

    height: int
    """Pixels."""

    negative: str = ""
    scheduler: str | None = None
    """A diffusers scheduler class name, perhaps with settings in brackets, such as
    `EulerDiscreteScheduler(timestep_spacing=trailing)`; None keeps the model's own."""

    clip_skip: int | None = None
    """Last layers of the CLIP text encoder that are left out; None leaves out none."""

    @classmethod
    def of(
        cls,
        function: GenerationFunction,
        prompt: str,
        seed: int,
        *,
        negative: str = "",
        width: int | None = None,
        height: int | None = None,
    ) -> Job:
        """The job that draws `prompt` with a function, at its own size unless another is given."""
        return cls(
            prompt=prompt,
            seed=seed,
            steps=function.steps,
            guidance=function.guidance,
            width=width or function.width,
            height=height or function.height,
            negative=negative,
            scheduler=function.scheduler,
            clip_skip=function.clip_skip,
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture and what it took."""

    image: Image
    encode_seconds: float
    """From the call until the prompt is encoded."""

    denoise_seconds: float
    decode_seconds: float
    """From the last step until the picture is in memory, conversion to pixels included."""

    extra_bytes: int | None
    """Peak device bytes the run needed on top of the weights; None when it cannot be measured."""

    sampler: str
    """The diffusers scheduler class that drew it."""

    notes: tuple[Note, ...] = ()
    """What the user should know about it, such as what of the prompt was not read."""

    contention: float | None = None
    """Share of its time that it waited for a processor that others had; None is not measured."""

    fallback: tuple[str, ...] = ()
    """What was tried beyond the plain way, as the device had no room, in words."""

    stage_bytes: StageBytes = UNMEASURED
    """Peak device bytes of each stage on top of the weights."""

    precision: str | None = None
    """What its model's weights were held in, such as `float32`; None is not known."""

    energy_wh: float | None = None
    """What the device took of electricity meanwhile; None where nothing measures it."""

    @property
    def seconds(self) -> float:
        """What is billed: encode + denoise + decode."""
        return self.encode_seconds + self.denoise_seconds + self.decode_seconds


Wording = Callable[[str], str]
"""A prompt as the user gave it → as a model that knows few words is given it."""


class Pipeline(Protocol):
    """A model on the device, ready to draw."""

    @property
    def weights(self) -> Mapping[str, int]:
        """Device bytes of each of its networks, by content: equal keys are shared memory."""
        ...

    @property
    def names(self) -> Mapping[str, str]:
        """What each of its networks is called in it, by content, such as `text_encoder`."""
        ...

    @property
    def weight_bytes(self) -> int:
        """Device bytes its weights hold, whether it shares them or not."""
        ...

    def generate(
        self, job: Job, on_step: OnStep, stop: Stop, make_room: MakeRoom = nothing_to_free
    ) -> Picture:
        """Draw one picture. The pipeline stays usable whatever happens.

        Where memory runs out when the steps are done, the latents are kept: `make_room` is asked,
        and they are decoded again, in tiles if need be.

        Raises:
            Interrupted: `stop` said so; noticed before and after encoding, at every step and
                before decoding.
            UsageError: the job cannot be followed: its size, steps, seed or scheduler, or a
                guidance, negative prompt or clip skip that the model has no use for.
            OutOfMemory: the device has no room for the run.
            GenerationError: the model failed.
        """
        ...

    def close(self) -> None:
        """Leave the device. Safe to call twice; `generate` must not be called afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class WordedPipeline:
    """A pipeline whose model is given every prompt in words it was taught."""

    pipeline: Pipeline
    wording: Wording

    @property
    def weights(self) -> Mapping[str, int]:
        """As of the pipeline."""
        return self.pipeline.weights

    @property
    def names(self) -> Mapping[str, str]:
        """As of the pipeline."""
        return self.pipeline.names

    @property
    def weight_bytes(self) -> int:
        """As of the pipeline."""
        return self.pipeline.weight_bytes

    def generate(
        self, job: Job, on_step: OnStep, stop: Stop, make_room: MakeRoom = nothing_to_free
    ) -> Picture:
        """Draw the job with its texts reworded; raises as the pipeline does."""
        prompt, negative = self.wording(job.prompt), self.wording(job.negative)
        reworded = replace(job, prompt=prompt, negative=negative)
        return self.pipeline.generate(reworded, on_step, stop, make_room)

    def close(self) -> None:
        """Leave the device, as the pipeline does."""
        self.pipeline.close()
