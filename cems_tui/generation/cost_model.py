"""What a picture of each function takes on this machine, learnt from the runs made here.

It knows nothing about devices or databases: observations go in, expectations come out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from cems_tui.domain.function import (
    ESTIMATE_REACH,
    MEASURED_REACH,
    STAGES,
    UNMEASURED,
    Expected,
    GenerationFunction,
    Model,
    Provenance,
    Stage,
    StageBytes,
)
from cems_tui.domain.pricing import Cost, Pricing
from cems_tui.domain.step_line import StepLine, net_and_steps, step_line
from cems_tui.generation.admission import Weights
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

MOST_GROWTH_BYTES = 24
"""By how much at the very most: a decoder of 32 channels was seen to grow by 19."""

_GROWTH_LEAST_BYTES = 4
"""By how much it grows at least: in and out of its widest layers in 16 bits."""

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
    """Bytes of weights that loading brought: nothing of what was there, 0 when all was."""

    held_bytes: int | None = None
    """Device bytes that the model's weights held, shared or not."""

    stage_bytes: StageBytes = UNMEASURED
    """Peak device bytes of each stage beside the weights."""

    contention: float | None = None
    """Share of its time that the run waited for a processor that others had."""

    precision: str | None = None
    """What the weights were held in; None where it was not recorded."""

    energy_wh: float | None = None
    """What the device took of electricity, encoding to decoding."""

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
    def loaded_whole(self) -> bool:
        """Whether all of the model was loaded, as far as it was told; else part was there."""
        return self.load_bytes is None or self.load_bytes >= (self.held_bytes or 0)

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
    encode_seconds: float
    decode_seconds: float
    denoise_seconds: float
    seconds: float
    memory_bytes: int | None
    held_bytes: int | None
    """Of the weights, in the runs whose peak is known."""

    stage_bytes: StageBytes
    most_beside_bytes: int | None
    """The most that a run took beside the weights; None where its stages were not measured."""

    noise: float
    """Standard deviation of the logarithm of one run's seconds."""

    runs: int

    @property
    def around_seconds(self) -> float:
        """Encode + decode."""
        return self.encode_seconds + self.decode_seconds

    def beside_bytes(self, weights: int | None) -> StageBytes | None:
        """What its stages took beside the weights; None where only a peak of weights unknown is.

        Args:
            weights: what the model's weights hold, of a run that did not say.
        """
        if self.stage_bytes.peak is not None:
            return self.stage_bytes
        held = weights if self.held_bytes is None else self.held_bytes
        if self.memory_bytes is None or held is None:
            return None
        return StageBytes(0, 0, max(0, self.memory_bytes - held))


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
        precision_of: Callable[[str], str | None] = lambda model: None,
        weights: Callable[[GenerationFunction], Weights | None] = lambda function: None,
    ) -> None:
        """Learn from `observations`, oldest first.

        Args:
            pricing: CEMS's unless given.
            references: what was told of functions on other machines, by name.
            load_references: what was told of loading their models.
            precision_of: what the weights of a model are held in here and now; asked once a model
                that was run. A run in another precision took other seconds and bytes, and is not
                learnt from.
            weights: what the networks of a function's model hold, by content, as the headers of
                its files say; None where nothing tells. Asked once a model.
        """
        self._weights_of = weights
        self._known_weights: dict[Model, Weights | None] = {}
        self._speed = MachineSpeed(references or {})
        self._load_speed = MachineSpeed(load_references or {}, beside=self._speed)
        self._pricing = pricing or Pricing()
        self._precision_of = precision_of
        self._precisions: dict[str, str | None] = {}
        self._runs: dict[tuple[str, int, int], list[Observation]] = defaultdict(list)
        self._loads: dict[str, list[Observation]] = defaultdict(list)
        self._typical: dict[tuple[str, int, int], _Typical] = {}
        """Of the runs, until one more of their kind is learnt."""

        for observation in observations:
            self.learn(observation)

    def learn(self, observation: Observation) -> None:
        """Take one more run into account, unless its model is held in another precision now."""
        model = observation.model
        if model not in self._precisions:
            self._precisions[model] = self._precision_of(model)
        precision = self._precisions[model]
        if precision is not None and observation.precision not in (precision, None):
            return
        key = (observation.function, observation.width, observation.height)
        _keep_latest(self._runs[key], observation)
        self._typical.pop(key, None)
        if observation.load_seconds:
            _keep_latest(self._loads[observation.model], observation)
            if observation.loaded_whole:
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
        self,
        function: GenerationFunction,
        width: int | None = None,
        height: int | None = None,
        there: Collection[str] = (),
    ) -> Expected:
        """What one picture of the function takes, at its own size unless another is given.

        Memory is the weights of its model and, beside them, the dearest stage: encoding takes
        the same at every size, denoising and decoding grow with the pixels. Load seconds and
        bytes are of what is missing. Where somebody told how long it takes to load, that times
        what loads here take beside what was told; else what the loads here say of so many bytes.
        Where a measured run has no memory figure the catalog's stands in, and the whole is
        `estimated`.

        Args:
            there: the networks on the device, by content.
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
        expected = self._with_memory(function, expected, width * height)
        expected = self._with_energy(function, expected)
        return self._with_load(function, expected, frozenset(there))

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

    def weights(self, function: GenerationFunction) -> Weights | None:
        """Device bytes of the networks of its model, by content; None where nothing tells."""
        if function.model not in self._known_weights:
            self._known_weights[function.model] = self._weights_of(function)
        return self._known_weights[function.model]

    def held_bytes(self, function: GenerationFunction) -> int | None:
        """Device bytes that the weights of its model hold, shared or not.

        By the headers of its files; where they are not here, as its runs here said, or the
        catalog; None where nobody does.
        """
        weights = self.weights(function)
        if weights is not None:
            return sum(weights.values())
        model = function.model.name
        runs = [one for key, kept in self._runs.items() if _model(key) == model for one in kept]
        told = [one.held_bytes for one in runs if one.held_bytes is not None]
        if told:
            return told[-1]
        brought = [one.load_bytes for one in self._loads.get(model, ()) if one.load_bytes]
        if brought:
            return max(brought)
        published = (function.expected.held_bytes, function.model.footprint.weights_bytes)
        said = [size for size in published if size is not None][:1]
        # published for other files: no weights are larger than a peak that was measured here
        peaks = [one.memory_bytes for one in runs if one.memory_bytes is not None]
        return min([*said, *peaks]) if said else None

    def _with_memory(
        self, function: GenerationFunction, expected: Expected, pixels: int
    ) -> Expected:
        """What the weights hold, and each stage beside them, by the runs of the model."""
        held = self.held_bytes(function)
        expected = replace(expected, held_bytes=held)
        kinds = [
            self._kind(key)
            for key, runs in self._runs.items()
            if runs and _model(key) == function.model.name
        ]
        beside = [
            (one.pixels, taken)
            for one in kinds
            if (taken := one.beside_bytes(held if held is not None else 0)) is not None
        ]
        if not beside:
            if held is None or expected.memory_bytes is None or expected.memory_bytes >= held:
                return expected
            return replace(expected, memory_bytes=None)  # a peak below the weights is of others
        stages = _stages_at(beside, pixels, function.capabilities.numbers_per_pixel)
        found = replace(
            expected,
            memory_bytes=(held or 0) + (stages.peak or 0),
            stage_bytes=stages,
            beside_reach=_reach(
                [one for one in kinds if one.pixels == pixels],
                stages.peak,
                _most_at(beside, pixels, function.capabilities.numbers_per_pixel),
            ),
        )
        if found.provenance != "published":
            return found
        return replace(found, provenance="estimated", source=f"{found.source}; memory by runs here")

    def _with_energy(self, function: GenerationFunction, expected: Expected) -> Expected:
        """As much a second as its model's pictures took here; unknown where none was measured."""
        rates = [
            one.energy_wh / one.billed_seconds
            for key, kept in self._runs.items()
            if _model(key) == function.model.name
            for one in kept
            if one.energy_wh is not None and one.billed_seconds > 0.0
        ]
        if not rates or expected.seconds is None:
            return expected
        return replace(expected, energy_wh=median(rates) * expected.seconds)

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
        return Expected(
            seconds=seconds,
            memory_bytes=stepped[near].memory_bytes,
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
        near = known[key]
        stepped = [one for one in known.values() if one.steps is not None]
        alike = [one for one in known.values() if one.steps == near.steps]
        if near.steps is None:
            denoise = _grown([(one.pixels, one.denoise_seconds, one.runs) for one in alike], pixels)
        else:
            points = [(o.pixels, o.denoise_seconds / (o.steps or 1), o.runs) for o in stepped]
            denoise = _grown(points, pixels) * function.steps
        decode = _grown([(o.pixels, o.decode_seconds, o.runs) for o in known.values()], pixels)
        encode = weighted_median(
            [one.encode_seconds for one in known.values()],
            [float(one.runs) for one in known.values()],
        )
        return Expected(
            seconds=encode + denoise + decode,
            memory_bytes=near.memory_bytes,
            source=f"scaled from {key[0]} at {key[1]}x{key[2]}",
        )

    def _with_load(
        self, function: GenerationFunction, expected: Expected, there: frozenset[str]
    ) -> Expected:
        weights, held = self.weights(function), expected.held_bytes
        missing = held
        if weights is not None:
            missing = sum(size for key, size in weights.items() if key not in there)
        told, speed = function.expected.load_seconds, self._load_speed.of(function.name)
        here: float | None
        if told is not None and speed is not None:
            here = told * speed.factor * _share(missing, held)
        else:
            here = self._load_seconds(function.model.name, missing)
            if here is None and told is not None:
                here = told * _share(missing, held)
        return replace(expected, load_seconds=here, load_bytes=missing)

    def _load_seconds(self, model: str, missing: int | None) -> float | None:
        """What bringing so many bytes of a model takes, by its loads here; None without one.

        Every load has a part that is the same for few bytes and many: what other models took
        tells it where this one always brought as many.
        """
        own = [load for load in self._loads.get(model, ()) if load.load_seconds]
        if not own:
            return None
        weights = [load.weight for load in own]
        seconds = [(load.load_seconds or 0.0) * load.weight for load in own]
        if missing is None:
            return weighted_median(seconds, weights)
        line = step_line(
            (load.load_bytes, (load.load_seconds or 0.0) * load.weight, load.weight)
            for loads in self._loads.values()
            for load in loads
            if load.load_bytes is not None
        ) or StepLine(0.0, 1.0)
        apart = [
            (took / line.at(load.load_bytes), load.weight)
            for load, took in zip(own, seconds, strict=True)
            if load.load_bytes is not None and line.at(load.load_bytes) > 0.0
        ]
        if not apart:
            return weighted_median(seconds, weights)
        return line.at(missing) * weighted_median(*map(list, zip(*apart, strict=True)))


def _keep_latest(runs: list[Observation], observation: Observation) -> None:
    runs.append(observation)
    del runs[:-WINDOW]


def _typical(runs: Sequence[Observation]) -> _Typical:
    settled = [run for run in runs if run.settled]
    believed = settled or list(runs)
    weights = [run.weight for run in believed]
    memory = [run.memory_bytes for run in runs if run.memory_bytes is not None]
    held = [
        run.held_bytes
        for run in runs
        if run.memory_bytes is not None and run.held_bytes is not None
    ]

    def middle(values: list[float]) -> float:
        kept = [value * weight for value, weight in zip(values, weights, strict=True)]
        return weighted_median(kept, weights)

    seconds = middle([run.billed_seconds for run in believed])
    return _Typical(
        steps=runs[0].steps,
        pixels=runs[0].pixels,
        encode_seconds=middle([run.encode_seconds for run in believed]),
        decode_seconds=middle([run.decode_seconds for run in believed]),
        denoise_seconds=middle([run.denoise_seconds for run in believed]),
        seconds=seconds,
        memory_bytes=int(median(memory)) if memory else None,
        held_bytes=int(median(held)) if held else None,
        stage_bytes=_median_stages([run.stage_bytes for run in runs]),
        most_beside_bytes=max((run.stage_bytes.peak or 0 for run in runs), default=0) or None,
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
    weights = expected.held_bytes or function.model.footprint.weights_bytes or 0
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
    """A peak at another size: the weights stay, the rest grows with the pixels.

    Args:
        pixels: of the picture that took so much, and of the other one.
        numbers_per_pixel: what drawing holds for a pixel at the very least.
    """
    if memory_bytes is None:
        return None
    one, other = pixels
    weights = min(weight_bytes, memory_bytes)
    beside = [(one, memory_bytes - weights)]
    return weights + int(_grown_bytes(beside, other, numbers_per_pixel))


def _median_stages(found: Sequence[StageBytes]) -> StageBytes:
    """Stage by stage; of runs that were measured."""
    known = [one for one in found if one.peak is not None]
    if not known:
        return StageBytes()
    return StageBytes(
        *(
            int(median(size for one in known if (size := one.to_json()[stage]) is not None))
            for stage in STAGES
        )
    )


def _reach(alike: Sequence[_Typical], foreseen: int | None, most: int) -> float:
    """How many times what is foreseen a picture may take.

    Args:
        alike: the runs of its size, which know best.
        foreseen: bytes beside the weights.
        most: what those of other sizes may come to at it.
    """
    seen = max((one.most_beside_bytes or 0 for one in alike), default=0)
    if not foreseen:
        return ESTIMATE_REACH
    return max(MEASURED_REACH, seen / foreseen if seen else MEASURED_REACH * most / foreseen)


def _most_at(
    beside: Sequence[tuple[int, StageBytes]], pixels: int, numbers_per_pixel: int | None
) -> int:
    """The upper end of what the dearest stage takes at a size, from the nearest size alone.

    A larger picture takes at most as much more as it has pixels, or as its widest layers can hold
    `MOST_GROWTH_BYTES` for each number; a smaller one no more than the larger.
    """
    one = min((at for at, _ in beside), key=lambda at: _ratio(at, pixels))
    taken = max(stages.peak or 0 for at, stages in beside if at == one)
    each = taken / one
    if numbers_per_pixel is not None:
        each = min(each, numbers_per_pixel * MOST_GROWTH_BYTES)
    return int(taken + each * max(0, pixels - one))


def _stages_at(
    beside: Sequence[tuple[int, StageBytes]], pixels: int, numbers_per_pixel: int | None
) -> StageBytes:
    """What each stage takes at a size, from what it took at others.

    Args:
        beside: pixels, and what the stages took; at least one.
        numbers_per_pixel: what drawing holds for a pixel at the very least.
    """

    def grown(stage: Stage, least: int) -> int:
        points = [(one, size) for one, taken in beside if (size := taken.to_json()[stage])]
        return int(_grown_bytes(points, pixels, numbers_per_pixel, least)) if points else 0

    encode = [taken.encode for _, taken in beside if taken.encode is not None]
    return StageBytes(
        max(encode, default=0), grown("denoise", 1), grown("decode", _GROWTH_LEAST_BYTES)
    )


def _grown_bytes(
    points: Sequence[tuple[int, int]],
    pixels: int,
    numbers_per_pixel: int | None,
    least: int = _GROWTH_LEAST_BYTES,
) -> float:
    """Bytes at a size, from (pixels, bytes) at others; the nearest size speaks.

    Of a small picture most is what any picture takes. So it grows by no more than what the
    widest layers can hold, where that is known, and by no more than the line through several
    sizes says; what is left over stays.

    Args:
        least: bytes by which it grows with each number that the widest layers hold.
    """
    one = min((at for at, _ in points), key=lambda at: _ratio(at, pixels))
    beside = int(median(size for at, size in points if at == one))
    each = beside / one
    if numbers_per_pixel is not None:
        line = step_line((at, float(size), 1.0) for at, size in points)
        slope = each if line is None else line.per_step
        slope = min(max(slope, numbers_per_pixel * least), numbers_per_pixel * GROWTH_BYTES)
        each = min(each, slope)
    return beside + each * (pixels - one)


def _grown(points: Sequence[tuple[int, float, int]], pixels: int) -> float:
    """Seconds at a size, from (pixels, seconds, runs) at others.

    By the line through several sizes, so much for any picture and so much a pixel; it passes
    through what the nearest size took. From one size by the pixels alone.
    """
    near = min((at for at, _, _ in points), key=lambda at: _ratio(at, pixels))
    here = weighted_median(
        [took for at, took, _ in points if at == near],
        [float(runs) for at, _, runs in points if at == near],
    )
    line = step_line((at, took, float(runs)) for at, took, runs in points)
    if line is None or line.at(near) <= 0.0:
        return here * pixels / near
    return here * line.at(pixels) / line.at(near)


def _share(missing: int | None, held: int | None) -> float:
    """Of a model's bytes those that are missing; 1 where that is not known."""
    return missing / held if missing is not None and held else 1.0


def _model(kind: tuple[str, int, int]) -> str:
    return kind[0].rpartition("@")[0]


def _runs_here(count: int) -> str:
    return "1 run here" if count == 1 else f"{count} runs here"
