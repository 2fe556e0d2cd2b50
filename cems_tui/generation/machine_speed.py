"""How fast this machine is, as one factor on the figures that others told of their own machine.

A price that was measured here and one that was told elsewhere are not on one scale: a busy hour,
or the first picture after a load, would make what was drawn look dear beside what was not. So
every run here teaches one factor for all figures of one origin, and a model departs from it only
as far as its own runs, drawn with its weights at rest, bear out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from cems_tui.domain.function import GenerationFunction

RUNS = 60
"""Runs that tell how fast the machine is: the latest ones, as drivers, load and settings change."""

BELIEF_RUNS = 6
"""Settled runs after which a model's own departure from the factor counts half."""


class Run(Protocol):
    """One finished run on this machine."""

    @property
    def function(self) -> str: ...

    @property
    def pixels(self) -> int: ...

    @property
    def billed_seconds(self) -> float: ...

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
        return run.billed_seconds / (self.seconds_per_pixel * run.pixels)


@dataclass(frozen=True, slots=True)
class Speed:
    """A factor on told seconds."""

    factor: float
    spread: float
    """Half the runs are within `factor` × or ÷ this; 1.0 where one run was all."""

    runs: int
    settled: bool
    """Whether settled runs said so; the first pictures after a load alone overstate it."""


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


class MachineSpeed:
    """The factors of every origin, learnt from runs; oldest first."""

    def __init__(self, references: Mapping[str, Reference]) -> None:
        self._references = references
        self._runs: dict[str, list[tuple[str, bool, float]]] = defaultdict(list)
        """By origin: model, settled, ratio."""

    def learn(self, run: Run) -> None:
        """Take one more run into account."""
        reference = self._references.get(run.function)
        if reference is not None and run.billed_seconds > 0:
            runs = self._runs[reference.origin]
            runs.append((reference.model, run.settled, reference.ratio(run)))
            del runs[:-RUNS]

    def of(self, function: str) -> Speed | None:
        """The factor for a function, drawn here or not; None where no run of its origin was."""
        reference = self._references.get(function)
        runs = self._runs.get(reference.origin, []) if reference is not None else []
        if reference is None or not runs:
            return None
        settled = [(model, ratio) for model, at_rest, ratio in runs if at_rest]
        believed = settled or [(model, ratio) for model, _, ratio in runs]
        machine = median(ratio for _, ratio in believed)
        own = [ratio for model, ratio in settled if model == reference.model]
        factor = machine * _departure(own, machine)
        return Speed(factor, _spread([r for _, r in believed], machine), len(runs), bool(settled))


def _departure(own: Sequence[float], machine: float) -> float:
    """How a model departs from the machine's factor, shrunk to 1 where few runs say so."""
    if not own:
        return 1.0
    share = len(own) / (len(own) + BELIEF_RUNS)
    return math.exp(share * math.log(median(own) / machine))


def _spread(ratios: Sequence[float], middle: float) -> float:
    return math.exp(median(abs(math.log(ratio / middle)) for ratio in ratios))
