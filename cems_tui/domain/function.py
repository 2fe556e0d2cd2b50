"""Generation functions: the ways this machine can turn a prompt into a picture.

A *model* is one set of weights; a *generation function* is a model with everything else
fixed (steps, guidance, size, scheduler), named `<model>@<steps>`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from cems_tui.domain.capabilities import UNKNOWN, Capabilities
from cems_tui.errors import UnknownName

Provenance = Literal["measured", "estimated", "published"]

Stage = Literal["encode", "denoise", "decode"]

STAGES: tuple[Stage, ...] = ("encode", "denoise", "decode")
"""In their order."""


@dataclass(frozen=True, slots=True)
class StageBytes:
    """Peak device bytes of each stage beside the weights; None is not measured."""

    encode: int | None = None
    """The same for every size: a prompt has no pixels."""

    denoise: int | None = None
    """Grows with the pixels; every step takes the same."""

    decode: int | None = None
    """Grows with the pixels."""

    @property
    def peak(self) -> int | None:
        """Of the dearest stage; None where one is not known."""
        parts = (self.encode, self.denoise, self.decode)
        known = [part for part in parts if part is not None]
        return max(known) if len(known) == len(parts) else None

    def to_json(self) -> dict[str, int | None]:
        """Every stage by its name."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any] | None) -> StageBytes:
        """What `to_json` wrote; None is of a picture older than the measurement."""
        return cls(**(row or {}))


UNMEASURED = StageBytes()
"""Nothing is known of any stage."""


ESTIMATE_REACH = 1.35
"""How many times what is foreseen beside the weights a picture may take where no picture of its
model and size was drawn here: an estimate was found 26 % too low."""

MEASURED_REACH = 1.1
"""The same where some were."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What one picture of a function takes, according to somebody. `None` is unknown, never 0."""

    seconds: float | None = None
    """Encode + denoise + decode seconds of one picture at the function's own size."""

    memory_bytes: int | None = None
    """Peak device bytes while it runs."""

    held_bytes: int | None = None
    """Device bytes that the weights of its model hold, whether they are shared or not."""

    load_seconds: float | None = None
    """Seconds until its model is ready, of which `load_bytes` are missing."""

    load_bytes: int | None = None
    """Bytes of weights that a load would bring now: what of the model is not on the device."""

    stage_bytes: StageBytes = UNMEASURED
    """Peak device bytes of each stage beside the weights."""

    energy_wh: float | None = None
    """What the device takes of electricity for it, in watt-hours."""

    beside_reach: float = ESTIMATE_REACH
    """How many times `beside_bytes` a picture may take."""

    provenance: Provenance = "estimated"
    """Who says so: measured here, estimated by us, or published by others."""

    source: str = ""
    """The paper, card or run these figures come from, for people."""

    seconds_interval: tuple[float, float] | None = None
    """90 % interval of the seconds of one picture of a model at rest, the machine's own; None
    where nothing was measured that could tell."""

    @property
    def beside_bytes(self) -> int | None:
        """Peak device bytes on top of the weights; None where nobody can tell them apart."""
        if self.memory_bytes is None or self.held_bytes is None:
            return None
        return max(0, self.memory_bytes - self.held_bytes)

    @property
    def most_beside_bytes(self) -> int | None:
        """The upper end of `beside_bytes`: what has to be free for it to fit."""
        beside = self.beside_bytes
        return None if beside is None else int(beside * self.beside_reach)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a model takes of a disk and of a device, according to somebody. `None` is unknown."""

    download_bytes: int | None = None
    """Bytes of all files that pulling it fetches."""

    weights_bytes: int | None = None
    """Device bytes of all its components held at once."""

    largest_bytes: int | None = None
    """Device bytes of its largest component: what must fit when each is loaded for its stage."""

    activation_bytes: int | None = None
    """Device bytes the dearest stage takes beside the weights, at the model's own size."""

    activation_reach: float = ESTIMATE_REACH
    """How many times `activation_bytes` a picture may take."""

    provenance: Provenance = "estimated"
    source: str = ""

    @property
    def most_activation_bytes(self) -> int | None:
        """The upper end of `activation_bytes`: what has to be free for it to fit."""
        beside = self.activation_bytes
        return None if beside is None else int(beside * self.activation_reach)


@dataclass(frozen=True, slots=True)
class Model:
    """One set of weights, installed or not."""

    name: str
    family: str
    """The adapter that runs it, e.g. `stable-diffusion`."""

    licence: str
    source: str
    """Where the weights come from: a Hub repo id, or the pack they are part of."""

    path: Path | None = None
    """The diffusers folder it loads from; None when it is not installed."""

    digest: str | None = None
    """`sha256:…` over the digests of its weight files; None when not known."""

    summary: str = ""

    footprint: Footprint = Footprint()

    gated: bool = False
    """Whether its repository asks to accept terms before it gives the files."""

    noncommercial: bool = False
    """Whether its licence forbids commercial use."""

    role: str = ""
    """What a model without functions is for: `scorer`, `text-tower` or `part` (of another);
    empty for one that draws."""

    @property
    def installed(self) -> bool:
        return self.path is not None


@dataclass(frozen=True, slots=True)
class GenerationFunction:
    """A model and the settings it runs with."""

    name: str
    model: Model
    steps: int
    guidance: float
    """Classifier-free guidance scale; 0 or 1 switches it off."""

    width: int
    """Pixels."""

    height: int
    """Pixels."""

    scheduler: str | None = None
    """A diffusers scheduler class name, perhaps with settings in brackets, such as
    `EulerDiscreteScheduler(timestep_spacing=trailing)`; None keeps the model's own."""

    clip_skip: int | None = None
    """Last layers of the CLIP text encoder that are left out; None leaves out none."""

    expected: Expected = Expected()

    capabilities: Capabilities = UNKNOWN

    @property
    def installed(self) -> bool:
        return self.model.installed


class Catalog(Mapping[str, GenerationFunction]):
    """The generation functions there are, installed or not, in a fixed order."""

    def __init__(
        self, functions: Iterable[GenerationFunction], others: Iterable[Model] = ()
    ) -> None:
        """Join functions, and models that have none (scorers, text towers)."""
        self._functions = {function.name: function for function in functions}
        self._others = {model.name: model for model in others}

    def __getitem__(self, name: str) -> GenerationFunction:
        return self._functions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def function(self, name: str) -> GenerationFunction:
        """The function of that name.

        Raises:
            UnknownName: nothing is called that; the hint suggests near names.
        """
        try:
            return self._functions[name]
        except KeyError:
            raise UnknownName.of("generation function", name, self._functions) from None

    def installed(self) -> list[GenerationFunction]:
        return [function for function in self._functions.values() if function.installed]

    def models(self) -> dict[str, Model]:
        """Every model, by name, in catalog order; those without functions last."""
        drawing = {function.model.name: function.model for function in self._functions.values()}
        return {**drawing, **self._others}

    def of_model(self, model: str) -> list[GenerationFunction]:
        """The functions of one model, in catalog order."""
        return [f for f in self._functions.values() if f.model.name == model]
