"""What pictures of one net take by their steps: one line, so much once and so much a step.

Encoding and decoding are done once a picture, denoising once a step, so functions of one net that
differ in their steps alone share a line. Figures of each function by itself, measured in different
hours, may say that more steps are cheaper; the line cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class StepLine:
    """`fixed` + `per_step` × steps, in the unit of the figures it was drawn through."""

    fixed: float
    """Once a picture; at least 0."""

    per_step: float
    """Each step; at least 0."""

    def at(self, steps: int) -> float:
        """What a picture of so many steps takes."""
        return self.fixed + self.per_step * steps


def step_line(points: Iterable[tuple[int, float, float]]) -> StepLine | None:
    """The line through (steps, figure, weight) by least squares of the relative error.

    A line that would fall, or begin below 0, is held at 0 there. None of fewer than two step
    counts, or of figures that are not above 0.
    """
    known = [(steps, figure, weight) for steps, figure, weight in points if figure > 0 < weight]
    if len({steps for steps, _, _ in known}) < 2:
        return None
    shares = [(steps, figure, weight / figure**2) for steps, figure, weight in known]
    whole = sum(share for _, _, share in shares)
    middle = sum(share * steps for steps, _, share in shares) / whole
    mean = sum(share * figure for _, figure, share in shares) / whole
    across = sum(share * (steps - middle) ** 2 for steps, _, share in shares)
    rise = sum(share * (steps - middle) * (figure - mean) for steps, figure, share in shares)
    per_step = rise / across
    if per_step < 0.0:
        return StepLine(mean, 0.0)
    fixed = mean - per_step * middle
    if fixed >= 0.0:
        return StepLine(fixed, per_step)
    squares = sum(share * steps**2 for steps, _, share in shares)
    return StepLine(0.0, sum(share * steps * figure for steps, figure, share in shares) / squares)


# Functions by name: which are the same net at other steps, and whether their prices make sense.


def net_and_steps(function: str) -> tuple[str, int] | None:
    """`base@20` as its net and its steps; None where the name does not say."""
    net, at, steps = function.rpartition("@")
    if not (at and net and steps.isascii() and steps.isdigit() and int(steps) > 0):
        return None
    return net, int(steps)


def cheaper_with_more_steps(prices: Mapping[str, float | None]) -> list[tuple[str, str]]:
    """Pairs (more steps, fewer steps) of one net where the more are priced below the fewer."""
    nets: dict[str, list[tuple[int, str, float]]] = {}
    for name, price in prices.items():
        place = net_and_steps(name)
        if place is not None and price is not None:
            nets.setdefault(place[0], []).append((place[1], name, price))
    found = []
    for functions in nets.values():
        ordered = sorted(functions)
        found += [(more[1], fewer[1]) for fewer, more in pairwise(ordered) if more[2] < fewer[2]]
    return found


def on_one_line(prices: Mapping[str, float | None]) -> dict[str, float | None]:
    """The prices, those of a net where more steps are cheaper put on the line through them.

    A net whose prices do not rise at all is told by one price for all its steps.
    """
    told = dict(prices)
    for net in {net_of(more) for more, _ in cheaper_with_more_steps(prices)}:
        steps = {
            name: place[1]
            for name, price in prices.items()
            if price is not None and (place := net_and_steps(name)) and place[0] == net
        }
        line = step_line((count, prices[name] or 0.0, 1.0) for name, count in steps.items())
        if line is not None:
            told |= {name: line.at(count) for name, count in steps.items()}
    return told


def net_of(function: str) -> str:
    """The net of a function whose name tells its steps; else the name itself."""
    place = net_and_steps(function)
    return function if place is None else place[0]
