"""How fast this machine is, as one factor on the figures that others told of their own machine.

A price that was measured here and one that was told elsewhere are not on one scale: a busy hour,
or the first picture after a load, would make what was drawn look dear beside what was not. So
every run here teaches one factor for all figures of one origin, and a model departs from it only
as far as its own runs, drawn with its weights at rest, bear out. Loading is the same machine at
other work: it departs from how fast pictures are drawn only as far as loads here bear out. A run
that had to wait for a processor counts without the wait, and the less the longer it waited.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cems_tui.domain.function import GenerationFunction

RUNS = 60
"""Runs that tell how fast the machine is: the latest ones, as drivers, load and settings change."""

BELIEF_RUNS = 6
"""Settled runs after which a model's own departure from the factor counts half; and loads after
which the departure of loading from drawing does."""

Z_90 = 1.645
"""Standard deviations on either side of a 90 % interval."""

TO_DEVIATION = 1.4826
"""From the median absolute deviation to the standard deviation of what is normal."""

BELIEF_NOISE = 0.12
"""Standard deviation of the logarithm of one run of a model at rest, before runs here say."""

BELIEF_DEPARTURE = 0.15
"""Standard deviation, as a logarithm, of models about the one factor, before runs here say."""

COLD = 2.5
"""How many times longer the first picture after a load may take; where such runs are all that is
known, the interval reaches down as far."""

BELIEF_FIGURES = 4
"""How many figures the beliefs above are worth."""

LEAST_WEIGHT = 0.02
"""Of a run that did nothing but wait: where there are no others it still speaks."""


class Run(Protocol):
    """One finished run on this machine."""

    @property
    def function(self) -> str: ...

    @property
    def pixels(self) -> int: ...

    @property
    def undisturbed_seconds(self) -> float:
        """What is billed, without the time it waited for a processor that others had."""
        ...

    @property
    def weight(self) -> float:
        """1 of a run that never waited, less of one that did."""
        ...

    @property
    def settled(self) -> bool:
        """Whether its model had been on the device before: the first picture takes longer."""
        ...


@dataclass(frozen=True, slots=True)
class Reference:
    """What somebody told of a function, on a machine of theirs."""

    model: str
    origin: str
    """Who told it and where: figures of one origin are of one machine."""

    seconds_per_pixel: float

    def ratio(self, run: Run) -> float:
        """How many times longer the run took here."""
        return run.undisturbed_seconds / (self.seconds_per_pixel * run.pixels)


@dataclass(frozen=True, slots=True)
class Speed:
    """A factor on told seconds."""

    factor: float
    interval: tuple[float, float]
    """90 % interval of the factor that one more picture will show, its model at rest."""

    runs: int
    """Runs it was learnt from; where settled ones were among them, those alone."""

    settled: bool
    """Whether settled runs said so; the first pictures after a load alone overstate it."""


@dataclass(frozen=True, slots=True)
class OriginSpeed:
    """How fast this machine is beside the one that an origin's figures are of."""

    origin: str
    factor: float
    spread: float
    """Half the runs are within `factor` × or ÷ this; 1.0 where one run was all."""

    runs: int
    settled_runs: int
    disturbed_runs: int
    """Of the runs believed, those that waited for a processor over a fifth of their time."""


DISTURBED = 0.8
"""The weight below which a run is called disturbed."""


def references_of(functions: Iterable[GenerationFunction]) -> dict[str, Reference]:
    """What the catalog tells of the functions; what was measured here is no reference."""
    return {
        function.name: Reference(
            function.model.name,
            f"{function.expected.provenance}: {function.expected.source}",
            function.expected.seconds / (function.width * function.height),
        )
        for function in functions
        if function.expected.seconds and function.expected.provenance != "measured"
    }


def load_references_of(functions: Iterable[GenerationFunction]) -> dict[str, Reference]:
    """What the catalog tells of loading their models, a load standing for a picture of a pixel."""
    return {
        function.name: Reference(
            function.model.name,
            f"{function.expected.provenance}: {function.expected.source}",
            function.expected.load_seconds,
        )
        for function in functions
        if function.expected.load_seconds and function.expected.provenance != "measured"
    }


@dataclass(frozen=True, slots=True)
class _Ratio:
    """One run beside what was told of its function."""

    model: str
    settled: bool
    value: float
    weight: float


class MachineSpeed:
    """The factors of every origin, learnt from runs; oldest first."""

    def __init__(
        self, references: Mapping[str, Reference], beside: MachineSpeed | None = None
    ) -> None:
        """Learn beside another.

        Args:
            references: what was told of functions, by name.
            beside: how fast the machine is at other work, which is believed of this work too until
                runs bear out that they differ.
        """
        self._references = references
        self._beside = beside
        self._runs: dict[str, list[_Ratio]] = defaultdict(list)
        """By origin."""

        self._known: dict[tuple[str, str, float | None], Speed] = {}
        """By origin, model and what is believed beside, until one more run is learnt."""

    def learn(self, run: Run) -> None:
        """Take one more run into account."""
        reference = self._references.get(run.function)
        if reference is not None and run.undisturbed_seconds > 0:
            runs = self._runs[reference.origin]
            weight = max(LEAST_WEIGHT, run.weight)
            runs.append(_Ratio(reference.model, run.settled, reference.ratio(run), weight))
            del runs[:-RUNS]
            self._known.clear()

    def of(self, function: str) -> Speed | None:
        """The factor for a function, drawn here or not; None where no run of its origin was."""
        reference = self._references.get(function)
        if reference is None or not self._runs.get(reference.origin):
            return None
        believed = None if self._beside is None else self._beside.machine(reference.origin)
        key = (reference.origin, reference.model, believed)
        if key not in self._known:
            self._known[key] = _speed(self._runs[reference.origin], reference.model, believed)
        return self._known[key]

    def machine(self, origin: str) -> float | None:
        """The one factor of an origin, whatever the model; None where no run of it was."""
        runs = self._runs.get(origin)
        return _middle(_believed(runs)) if runs else None

    def origins(self) -> list[OriginSpeed]:
        """What is known of every origin, in the order of its first run."""
        return [_origin(name, runs) for name, runs in self._runs.items() if runs]


def weighted_median(values: Sequence[float], weights: Sequence[float]) -> float:
    """The value below which half the weight lies; between two of equal weight their mean.

    Args:
        values: at least one.
        weights: above 0, one a value.
    """
    ordered = sorted(zip(values, weights, strict=True))
    half, below = sum(weights) / 2.0, 0.0
    for place, (value, weight) in enumerate(ordered):
        below += weight
        if below > half * (1.0 + 1e-12):
            return value
        if below >= half * (1.0 - 1e-12) and place + 1 < len(ordered):
            return (value + ordered[place + 1][0]) / 2.0
    return ordered[-1][0]


def _speed(runs: Sequence[_Ratio], model: str, beside: float | None) -> Speed:
    believed = _believed(runs)
    settled = believed[0].settled
    machine = _middle(believed) if beside is None else beside * _departure(believed, beside)
    models = {one.model: [run for run in believed if run.model == one.model] for one in believed}
    own = models.get(model, []) if settled else []
    factor = machine * _departure(own, machine)
    noise = _noise(believed, models if settled else {})
    doubt = noise**2 * (1.0 + 1.0 / len(believed)) + _doubt_of_model(own, models, machine, noise)
    reach = math.exp(Z_90 * math.sqrt(doubt))
    low = factor / (reach if settled else reach * COLD)
    return Speed(factor, (low, factor * reach), len(believed), settled)


def _believed(runs: Sequence[_Ratio]) -> Sequence[_Ratio]:
    """The settled runs, where there is one; else all."""
    return [run for run in runs if run.settled] or runs


def _middle(runs: Sequence[_Ratio]) -> float:
    return weighted_median([run.value for run in runs], [run.weight for run in runs])


def _departure(own: Sequence[_Ratio], machine: float) -> float:
    """How runs depart from the machine's factor, shrunk to 1 where few say so."""
    if not own:
        return 1.0
    weight = sum(run.weight for run in own)
    return math.exp(weight / (weight + BELIEF_RUNS) * math.log(_middle(own) / machine))


def _noise(runs: Sequence[_Ratio], models: Mapping[str, Sequence[_Ratio]]) -> float:
    """The deviation of one run about its model, as a logarithm, with the belief before it."""
    middles = {name: _middle(own) for name, own in models.items()}
    whole = _middle(runs)
    errors = [abs(math.log(run.value / middles.get(run.model, whole))) for run in runs]
    seen = TO_DEVIATION * weighted_median(errors, [run.weight for run in runs])
    return _believing(BELIEF_NOISE, seen, len(runs) - max(1, len(middles)))


def _doubt_of_model(
    own: Sequence[_Ratio], models: Mapping[str, Sequence[_Ratio]], machine: float, noise: float
) -> float:
    """The variance of what is not known of how the model departs from the machine's factor."""
    away = [abs(math.log(_middle(runs) / machine)) for runs in models.values()]
    seen = TO_DEVIATION * weighted_median(away, [1.0] * len(away)) if away else 0.0
    departure = _believing(BELIEF_DEPARTURE, seen, len(away) - 1)
    if not own:
        return departure**2
    return 1.0 / (1.0 / departure**2 + len(own) / noise**2)


def _believing(belief: float, seen: float, figures: int) -> float:
    """A deviation between what was believed of it and what so many figures show."""
    figures = max(0, figures)
    return math.sqrt((BELIEF_FIGURES * belief**2 + figures * seen**2) / (BELIEF_FIGURES + figures))


def _origin(name: str, runs: Sequence[_Ratio]) -> OriginSpeed:
    believed = _believed(runs)
    factor = _middle(believed)
    errors = [abs(math.log(run.value / factor)) for run in believed]
    return OriginSpeed(
        origin=name,
        factor=factor,
        spread=math.exp(weighted_median(errors, [run.weight for run in believed])),
        runs=len(runs),
        settled_runs=sum(run.settled for run in runs),
        disturbed_runs=sum(run.weight < DISTURBED for run in believed),
    )
