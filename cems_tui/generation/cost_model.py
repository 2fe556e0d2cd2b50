"""What a picture of each function takes on this machine, learnt from the runs made here.

It knows nothing about devices or databases: observations go in, expectations come out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from cems_tui.domain.function import Expected, GenerationFunction
from cems_tui.domain.pricing import Cost, Pricing
from cems_tui.generation.machine_speed import MachineSpeed, Reference

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

    @property
    def model(self) -> str:
        return self.function.rpartition("@")[0]

    @property
    def steps(self) -> int | None:
        """The step count in the function's name; None when it says none."""
        text = self.function.rpartition("@")[2]
        return int(text) if text.isdigit() and int(text) > 0 else None

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def billed_seconds(self) -> float:
        """Encode + denoise + decode: what the price counts."""
        return self.encode_seconds + self.denoise_seconds + self.decode_seconds

    @property
    def settled(self) -> bool:
        """Whether the model was on the device before: the first picture after a load is slower."""
        return not self.load_seconds


@dataclass(frozen=True, slots=True)
class _Typical:
    """Medians over runs of one function at one size."""

    steps: int | None
    pixels: int
    around_seconds: float
    """Encode + decode."""

    denoise_seconds: float
    seconds: float
    memory_bytes: int | None


class CostModel:
    """Expectations from observations, with the catalog's figures where there are none.

    For `predict` the best source wins:

    1. somebody told what the function takes, and runs here say how much slower or faster this
       machine is than theirs: the told seconds times that factor, `measured` where the function
       itself was run at this size, else `estimated`. So all prices of one card are on one scale;
    2. this function at this size was run here: medians of its latest runs, `measured`;
    3. another step count of its model was run at this size: denoising scaled by the steps,
       `estimated`;
    4. the catalog has figures for the function and this is its own size: those, as published;
    5. the function or its model was run here at another size: also scaled by the pixels,
       `estimated`;
    6. the catalog's figures scaled by the pixels, `estimated`;
    7. nothing is known: every field None.
    """

    def __init__(
        self,
        observations: Iterable[Observation] = (),
        pricing: Pricing | None = None,
        references: Mapping[str, Reference] | None = None,
    ) -> None:
        """Learn from `observations`, oldest first.

        Args:
            pricing: CEMS's unless given.
            references: what was told of functions on other machines, by name.
        """
        self._speed = MachineSpeed(references or {})
        self._pricing = pricing or Pricing()
        self._runs: dict[tuple[str, int, int], list[Observation]] = defaultdict(list)
        self._loads: dict[str, list[Observation]] = defaultdict(list)
        for observation in observations:
            self.learn(observation)

    def learn(self, observation: Observation) -> None:
        """Take one more run into account."""
        key = (observation.function, observation.width, observation.height)
        _keep_latest(self._runs[key], observation)
        if observation.load_seconds:
            _keep_latest(self._loads[observation.model], observation)
        self._speed.learn(observation)

    def predict(
        self, function: GenerationFunction, width: int | None = None, height: int | None = None
    ) -> Expected:
        """What one picture of the function takes, at its own size unless another is given.

        Load seconds and bytes are the model's: the medians of its loads here, else the
        catalog's. Where a measured run has no memory figure the catalog's stands in, and the
        whole is `estimated`.
        """
        width, height = width or function.width, height or function.height
        own_size = (width, height) == (function.width, function.height)
        expected = (
            self._told(function, width, height)
            or self._measured(function, width, height)
            or self._rescaled(function, [(width, height)], width * height)
            or (function.expected if own_size and _says_something(function.expected) else None)
            or self._rescaled(function, None, width * height)
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
        return replace(
            own,
            seconds=told * area * speed.factor,
            provenance="estimated" if measured is None else measured.provenance,
            source=f"{'' if measured is None else f'{measured.source}; '}"
            f"{speed.factor:.2g} × what was told, by {_runs_here(speed.runs)}"
            f"{'' if speed.settled else ', the first after a load'}",
        )

    def _measured(self, function: GenerationFunction, width: int, height: int) -> Expected | None:
        runs = self._runs.get((function.name, width, height))
        if not runs:
            return None
        typical = _typical(runs)
        if typical.memory_bytes is not None:
            return Expected(
                seconds=typical.seconds,
                memory_bytes=typical.memory_bytes,
                provenance="measured",
                source=f"median of {_runs_here(len(runs))}",
            )
        return Expected(
            seconds=typical.seconds,
            memory_bytes=function.expected.memory_bytes,
            provenance="estimated",
            source=f"median of {_runs_here(len(runs))}; memory from the catalog",
        )

    def _rescaled(
        self,
        function: GenerationFunction,
        sizes: Sequence[tuple[int, int]] | None,
        pixels: int,
    ) -> Expected | None:
        """From runs of the same model with other steps, and other sizes when `sizes` is None."""
        known = {
            key: _typical(runs)
            for key, runs in self._runs.items()
            if runs[0].model == function.model.name
            and (sizes is None or key[1:] in sizes)
            and (key[0] == function.name or runs[0].steps is not None)
        }
        if not known:
            return None
        key = min(known, key=lambda k: _distance(known[k], function.steps, pixels))
        near, area = known[key], pixels / known[key].pixels
        steps_ratio = 1.0 if key[0] == function.name else function.steps / (near.steps or 1)
        return Expected(
            seconds=(near.around_seconds + near.denoise_seconds * steps_ratio) * area,
            memory_bytes=_scaled_memory(near.memory_bytes, self._load_bytes(function) or 0, area),
            source=f"scaled from {key[0]} at {key[1]}x{key[2]}",
        )

    def _load_bytes(self, function: GenerationFunction) -> int | None:
        loads = [o.load_bytes for o in self._loads.get(function.model.name, ()) if o.load_bytes]
        return int(median(loads)) if loads else function.expected.load_bytes

    def _with_load(self, function: GenerationFunction, expected: Expected) -> Expected:
        seconds = [
            o.load_seconds for o in self._loads.get(function.model.name, ()) if o.load_seconds
        ]
        return replace(
            expected,
            load_seconds=median(seconds) if seconds else function.expected.load_seconds,
            load_bytes=self._load_bytes(function),
        )


def _keep_latest(runs: list[Observation], observation: Observation) -> None:
    runs.append(observation)
    del runs[:-WINDOW]


def _typical(runs: Sequence[Observation]) -> _Typical:
    memory = [run.memory_bytes for run in runs if run.memory_bytes is not None]
    around = [run.encode_seconds + run.decode_seconds for run in runs]
    denoise = [run.denoise_seconds for run in runs]
    return _Typical(
        steps=runs[0].steps,
        pixels=runs[0].pixels,
        around_seconds=median(around),
        denoise_seconds=median(denoise),
        seconds=median(a + d for a, d in zip(around, denoise, strict=True)),
        memory_bytes=int(median(memory)) if memory else None,
    )


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
    return Expected(
        seconds=None if expected.seconds is None else expected.seconds * area,
        memory_bytes=_scaled_memory(expected.memory_bytes, expected.load_bytes or 0, area),
        source=f"scaled from {function.width}x{function.height}: {expected.source}",
    )


def _scaled_memory(memory_bytes: int | None, weight_bytes: int, area: float) -> int | None:
    """Peak bytes at another size: the weights stay, the rest grows with the pixels."""
    if memory_bytes is None:
        return None
    weights = min(weight_bytes, memory_bytes)
    return weights + int((memory_bytes - weights) * area)


def _runs_here(count: int) -> str:
    return "1 run here" if count == 1 else f"{count} runs here"
