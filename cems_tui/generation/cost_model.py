"""What a picture of each function takes on this machine, learnt from the runs made here.

It knows nothing about devices or databases: observations go in, expectations come out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from cems_tui.domain.function import Expected, GenerationFunction, Provenance
from cems_tui.domain.pricing import Cost, Pricing
from cems_tui.domain.step_line import StepLine, net_and_steps, step_line
from cems_tui.generation.machine_speed import (
    BELIEF_FIGURES,
    BELIEF_NOISE,
    LEAST_WEIGHT,
    TO_DEVIATION,
    Z_90,
    MachineSpeed,
    OriginSpeed,
    Reference,
    weighted_median,
)

GROWTH_BYTES = 12
"""By how much drawing grows at most with each number that its widest layers must hold: three times
the four bytes it can have. The decoders of the pack take 2.2 times, and Stable Diffusion's by
the arithmetic of its layers 1.5 times."""

WINDOW = 20
"""Runs of one kind that count: the latest ones, as drivers, load and settings change."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One finished run on this machine. None is not measured."""

    function: str
    """`<model>@<steps>`."""

    width: int
    height: int
    encode_seconds: float
    denoise_seconds: float
    decode_seconds: float
    load_seconds: float | None = None
    """0.0 when the model was resident."""

    memory_bytes: int | None = None
    """Peak device bytes of the run, weights included."""

    load_bytes: int | None = None
    """Bytes of weights that loading brought; 0 when the model was resident."""

    contention: float | None = None
    """Share of its time that the run waited for a processor that others had."""

    precision: str | None = None
    """What the weights were held in; None where it was not recorded."""

    @property
    def model(self) -> str:
        return self.function.rpartition("@")[0]

    @property
    def steps(self) -> int | None:
        """The step count in the function's name; None when it says none."""
        place = net_and_steps(self.function)
        return None if place is None else place[1]

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def billed_seconds(self) -> float:
        """Encode + denoise + decode: what the price counts."""
        return self.encode_seconds + self.denoise_seconds + self.decode_seconds

    @property
    def weight(self) -> float:
        """1 of a run that never waited for a processor, less of one that did."""
        return max(LEAST_WEIGHT, 1.0 - (self.contention or 0.0))

    @property
    def undisturbed_seconds(self) -> float:
        """What is billed, without the time it waited for a processor that others had."""
        return self.billed_seconds * self.weight

    @property
    def settled(self) -> bool:
        """Whether the model was on the device before: the first picture after a load is slower."""
        return not self.load_seconds


@dataclass(frozen=True, slots=True)
class _Load:
    """A load as the machine's speed learns of it: a picture of one pixel."""

    function: str
    undisturbed_seconds: float
    weight: float
    pixels: int = 1
    settled: bool = True

    @classmethod
    def of(cls, run: Observation) -> _Load:
        """The load of a run; as little or much disturbed as the run after it."""
        return cls(run.function, (run.load_seconds or 0.0) * run.weight, run.weight)


@dataclass(frozen=True, slots=True)
class _Typical:
    """Medians over runs of one function at one size, without what they waited."""

    steps: int | None
    pixels: int
    around_seconds: float
    """Encode + decode."""

    denoise_seconds: float
    seconds: float
    memory_bytes: int | None
    noise: float
    """Standard deviation of the logarithm of one run's seconds."""

    runs: int


@dataclass(frozen=True, slots=True)
class Certainty:
    """How sure the price of a function is."""

    function: str
    provenance: Provenance | None
    """None where its seconds are unknown."""

    runs: int
    """Pictures of it here, as far as they are remembered."""

    settled_runs: int
    """Of those made with its model at rest."""

    reach: float | None
    """The 90 % interval of its seconds goes up to this many times what is expected; None where no
    run here could tell."""


class CostModel:
    """Expectations from observations, with the catalog's figures where there are none.

    For `predict` the best source wins:

    1. somebody told what the function takes, and runs here say how much slower or faster this
       machine is than theirs: the told seconds times that factor, `measured` where the function
       itself was run at this size, else `estimated`. So all prices of one card are on one scale;
    2. the model was run here at this size: the line through its runs, so much once and so much a
       step; `measured` where the function itself was among them, else `estimated`;
    3. the catalog has figures for the function and this is its own size: those, as published;
    4. the model was run here at another size: also scaled by the pixels, `estimated`;
    5. the catalog's figures scaled by the pixels, `estimated`;
    6. nothing is known: every field None.

    Of the runs of a function those count that were made with its model at rest, where there is
    one: the first picture after a load takes longer.
    """

    def __init__(
        self,
        observations: Iterable[Observation] = (),
        pricing: Pricing | None = None,
        references: Mapping[str, Reference] | None = None,
        load_references: Mapping[str, Reference] | None = None,
        precisions: Mapping[str, str | None] | None = None,
    ) -> None:
        """Learn from `observations`, oldest first.

        Args:
            pricing: CEMS's unless given.
            references: what was told of functions on other machines, by name.
            load_references: what was told of loading their models.
            precisions: what the weights of each model are held in here and now. A run in another
                precision took other seconds and bytes, and is not learnt from.
        """
        self._load_speed = MachineSpeed(load_references or {})
        self._speed = MachineSpeed(references or {})
        self._pricing = pricing or Pricing()
        self._precisions = precisions or {}
        self._runs: dict[tuple[str, int, int], list[Observation]] = defaultdict(list)
        self._loads: dict[str, list[Observation]] = defaultdict(list)
        self._typical: dict[tuple[str, int, int], _Typical] = {}
        """Of the runs, until one more of their kind is learnt."""

        for observation in observations:
            self.learn(observation)

    def learn(self, observation: Observation) -> None:
        """Take one more run into account, unless its model is held in another precision now."""
        precision = self._precisions.get(observation.model)
        if precision is not None and observation.precision not in (precision, None):
            return
        key = (observation.function, observation.width, observation.height)
        _keep_latest(self._runs[key], observation)
        self._typical.pop(key, None)
        if observation.load_seconds:
            _keep_latest(self._loads[observation.model], observation)
            self._load_speed.learn(_Load.of(observation))
        self._speed.learn(observation)

    def origins(self) -> list[OriginSpeed]:
        """How fast this machine is beside those that the catalog's figures are of."""
        return self._speed.origins()

    def certainty(self, function: GenerationFunction) -> Certainty:
        """How sure the price of a picture at the function's own size is."""
        expected, ends = self.predict(function), self.predict(function).seconds_interval
        runs = [one for key, kept in self._runs.items() if key[0] == function.name for one in kept]
        return Certainty(
            function=function.name,
            provenance=None if expected.seconds is None else expected.provenance,
            runs=len(runs),
            settled_runs=sum(one.settled for one in runs),
            reach=ends[1] / expected.seconds if ends and expected.seconds else None,
        )

    def predict(
        self, function: GenerationFunction, width: int | None = None, height: int | None = None
    ) -> Expected:
        """What one picture of the function takes, at its own size unless another is given.

        Load seconds and bytes are the model's. Where somebody told how long it takes to load,
        that times what loads here take beside what was told; else the median of its loads here.
        Where a measured run has no memory figure the catalog's stands in, and the whole is
        `estimated`.
        """
        width, height = width or function.width, height or function.height
        own_size = (width, height) == (function.width, function.height)
        expected = (
            self._told(function, width, height)
            or self._on_line(function, width, height)
            or (function.expected if own_size and _says_something(function.expected) else None)
            or self._from_another_size(function, width * height)
            or _resized(function, width * height)
            or Expected()
        )
        return self._with_load(function, expected)

    def cost(
        self, function: GenerationFunction, width: int | None = None, height: int | None = None
    ) -> Cost:
        """The expected price of one picture; unpriced when it cannot be known."""
        return self._pricing.of(self.predict(function, width, height))

    def load_usd(self, function: GenerationFunction, *, resident: bool) -> float | None:
        """The expected price of loading the function's model: 0 when resident."""
        expected = self.predict(function)
        return self._pricing.load_usd(expected.load_seconds, expected.load_bytes, resident=resident)

    def _told(self, function: GenerationFunction, width: int, height: int) -> Expected | None:
        """Told seconds on this machine's scale; None where nothing was told, or nothing drawn."""
        speed, told = self._speed.of(function.name), function.expected.seconds
        if speed is None or told is None:
            return None
        area = width * height / (function.width * function.height)
        measured = self._measured(function, width, height)
        own = measured or _resized(function, width * height) or function.expected
        if measured is None and (memory := self._drawn_memory(function, width * height)):
            own = replace(own, memory_bytes=memory)
        low, high = speed.interval
        return replace(
            own,
            seconds=told * area * speed.factor,
            seconds_interval=(told * area * low, told * area * high),
            provenance="estimated" if measured is None else measured.provenance,
            source=f"{'' if measured is None else f'{measured.source}; '}"
            f"{speed.factor:.2g} × what was told, by {_runs_here(speed.runs)}"
            f"{'' if speed.settled else ', the first after a load'}",
        )

    def _drawn_memory(self, function: GenerationFunction, pixels: int) -> int | None:
        """Peak bytes of a picture of so many pixels, by the runs of its model at the nearest size:
        steps take none. None where there is none."""
        kinds = [
            self._kind(key)
            for key, runs in self._runs.items()
            if runs and runs[0].model == function.model.name
        ]
        known = [one for one in kinds if one.memory_bytes is not None]
        if not known:
            return None
        near = min(known, key=lambda one: _ratio(one.pixels, pixels))
        return _scaled_memory(
            near.memory_bytes,
            self._weights(function),
            (near.pixels, pixels),
            function.capabilities.numbers_per_pixel,
        )

    def _weights(self, function: GenerationFunction) -> int:
        """Bytes of a peak that do not grow with the picture; 0 where that is unknown."""
        return self._load_bytes(function) or function.model.footprint.weights_bytes or 0

    def _kind(self, key: tuple[str, int, int]) -> _Typical:
        """What the runs of a function at a size are like; there must be one."""
        if key not in self._typical:
            self._typical[key] = _typical(self._runs[key])
        return self._typical[key]

    def _measured(self, function: GenerationFunction, width: int, height: int) -> Expected | None:
        """The runs of this function at this size; None where there is none."""
        key = (function.name, width, height)
        if not self._runs.get(key):
            return None
        typical = self._kind(key)
        told = Expected(
            seconds=typical.seconds,
            memory_bytes=typical.memory_bytes,
            provenance="measured",
            source=f"median of {_runs_here(typical.runs)}",
            seconds_interval=_interval(typical.seconds, typical.noise, typical.runs),
        )
        if typical.memory_bytes is not None:
            return told
        return replace(
            told,
            memory_bytes=function.expected.memory_bytes,
            provenance="estimated",
            source=f"{told.source}; memory from the catalog",
        )

    def _on_line(self, function: GenerationFunction, width: int, height: int) -> Expected | None:
        """What the line through the model's runs at this size says of the function's steps."""
        kinds = {
            key: self._kind(key)
            for key, runs in self._runs.items()
            if runs and key[1:] == (width, height) and runs[0].model == function.model.name
        }
        measured = self._measured(function, width, height)
        stepped = {key: one for key, one in kinds.items() if one.steps is not None}
        line = _line(list(stepped.values()))
        if line is None or (measured is not None and (function.name, width, height) not in stepped):
            return measured
        if measured is not None and len({one.steps for one in stepped.values()}) == 1:
            return measured
        near = min(stepped, key=lambda key: _ratio(stepped[key].steps or 1, function.steps))
        seconds = line.at(function.steps)
        runs = sum(one.runs for one in stepped.values())
        noise = max(one.noise for one in stepped.values())
        if measured is not None:
            return replace(
                measured,
                seconds=seconds,
                source=f"{measured.source}, on the line of {_runs_here(runs)} of its model",
                seconds_interval=_interval(seconds, noise, runs),
            )
        stretch = math.log(_ratio(stepped[near].steps or 1, function.steps)) / 8.0
        memory = stepped[near].memory_bytes
        return Expected(
            seconds=seconds,
            memory_bytes=memory,
            source=f"scaled from {near[0]} at {near[1]}x{near[2]}",
            seconds_interval=_interval(seconds, math.hypot(noise, stretch), runs),
        )

    def _from_another_size(self, function: GenerationFunction, pixels: int) -> Expected | None:
        """From runs of the same model at other sizes, and other steps; None where there is none."""
        known = {
            key: self._kind(key)
            for key, runs in self._runs.items()
            if runs
            and runs[0].model == function.model.name
            and (key[0] == function.name or runs[0].steps is not None)
        }
        if not known:
            return None
        key = min(known, key=lambda k: _distance(known[k], function.steps, pixels))
        near, area = known[key], pixels / known[key].pixels
        steps_ratio = 1.0 if key[0] == function.name else function.steps / (near.steps or 1)
        return Expected(
            seconds=(near.around_seconds + near.denoise_seconds * steps_ratio) * area,
            memory_bytes=_scaled_memory(
                near.memory_bytes,
                self._weights(function),
                (near.pixels, pixels),
                function.capabilities.numbers_per_pixel,
            ),
            source=f"scaled from {key[0]} at {key[1]}x{key[2]}",
        )

    def _load_bytes(self, function: GenerationFunction) -> int | None:
        loads = [o.load_bytes for o in self._loads.get(function.model.name, ()) if o.load_bytes]
        return int(median(loads)) if loads else function.expected.load_bytes

    def _with_load(self, function: GenerationFunction, expected: Expected) -> Expected:
        told, speed = function.expected.load_seconds, self._load_speed.of(function.name)
        loads = self._loads.get(function.model.name, ())
        seconds = [load.load_seconds * load.weight for load in loads if load.load_seconds]
        if told is not None and speed is not None:
            here: float | None = told * speed.factor
        else:
            here = weighted_median(seconds, [load.weight for load in loads]) if seconds else told
        return replace(
            expected,
            load_seconds=here,
            load_bytes=self._load_bytes(function),
        )


def _keep_latest(runs: list[Observation], observation: Observation) -> None:
    runs.append(observation)
    del runs[:-WINDOW]


def _typical(runs: Sequence[Observation]) -> _Typical:
    settled = [run for run in runs if run.settled]
    believed = settled or list(runs)
    weights = [run.weight for run in believed]
    memory = [run.memory_bytes for run in runs if run.memory_bytes is not None]

    def middle(values: list[float]) -> float:
        kept = [value * weight for value, weight in zip(values, weights, strict=True)]
        return weighted_median(kept, weights)

    seconds = middle([run.billed_seconds for run in believed])
    return _Typical(
        steps=runs[0].steps,
        pixels=runs[0].pixels,
        around_seconds=middle([run.encode_seconds + run.decode_seconds for run in believed]),
        denoise_seconds=middle([run.denoise_seconds for run in believed]),
        seconds=seconds,
        memory_bytes=int(median(memory)) if memory else None,
        noise=_noise([run.undisturbed_seconds for run in believed], weights, seconds),
        runs=len(believed),
    )


def _noise(seconds: Sequence[float], weights: Sequence[float], middle: float) -> float:
    """The deviation of one run, as a logarithm, with the belief before it."""
    away = [abs(math.log(one / middle)) for one in seconds if one > 0 < middle]
    seen = TO_DEVIATION * weighted_median(away, weights) if len(away) == len(weights) else 0.0
    figures = max(0, len(away) - 1)
    whole = BELIEF_FIGURES * BELIEF_NOISE**2 + figures * seen**2
    return math.sqrt(whole / (BELIEF_FIGURES + figures))


def _interval(seconds: float, noise: float, runs: int) -> tuple[float, float]:
    """90 % interval of one more run."""
    reach = math.exp(Z_90 * noise * math.sqrt(1.0 + 1.0 / runs))
    return seconds / reach, seconds * reach


def _line(kinds: Sequence[_Typical]) -> StepLine | None:
    """So much once and so much a step; of one step count by what was measured around denoising."""
    stepped = [(one.steps, one) for one in kinds if one.steps is not None]
    if not stepped:
        return None
    if len({steps for steps, _ in stepped}) == 1:
        steps, one = stepped[0]
        return StepLine(one.around_seconds, one.denoise_seconds / steps)
    return step_line((steps, one.seconds, float(one.runs)) for steps, one in stepped)


def _distance(typical: _Typical, steps: int, pixels: int) -> tuple[float, float]:
    """How far a kind of run is from the one asked for: sizes first, then steps, as ratios."""
    return (_ratio(typical.pixels, pixels), _ratio(typical.steps or steps, steps))


def _ratio(one: int, other: int) -> float:
    return max(one, other) / max(1, min(one, other))


def _says_something(expected: Expected) -> bool:
    return expected.seconds is not None or expected.memory_bytes is not None


def _resized(function: GenerationFunction, pixels: int) -> Expected | None:
    expected = function.expected
    if not _says_something(expected):
        return None
    area = pixels / (function.width * function.height)
    weights = expected.load_bytes or function.model.footprint.weights_bytes or 0
    return Expected(
        seconds=None if expected.seconds is None else expected.seconds * area,
        memory_bytes=_scaled_memory(
            expected.memory_bytes,
            weights,
            (function.width * function.height, pixels),
            function.capabilities.numbers_per_pixel,
        ),
        source=f"scaled from {function.width}x{function.height}: {expected.source}",
    )


def _scaled_memory(
    memory_bytes: int | None,
    weight_bytes: int,
    pixels: tuple[int, int],
    numbers_per_pixel: int | None = None,
) -> int | None:
    """Peak bytes at another size: the weights stay, the rest grows with the pixels.

    Of a small picture most of the rest is what any picture takes. So it grows by no more than
    what the widest layers can hold, where that is known, and what is left over stays.

    Args:
        pixels: of the picture that took so much, and of the other one.
        numbers_per_pixel: what drawing holds for a pixel at the very least.
    """
    if memory_bytes is None:
        return None
    one, other = pixels
    weights = min(weight_bytes, memory_bytes)
    rest = memory_bytes - weights
    each = rest / one
    if numbers_per_pixel is not None:
        each = min(each, numbers_per_pixel * GROWTH_BYTES)
    return weights + int(rest + each * (other - one))


def _runs_here(count: int) -> str:
    return "1 run here" if count == 1 else f"{count} runs here"
