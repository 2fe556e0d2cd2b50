"""What a benchmark is made of: prompts × functions × seeds, in which order, at which price.

Pure: it neither draws nor stores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cems_tui.bench.prompts import PromptLine
from cems_tui.domain.bench import BenchPlan, BenchPrompt, CellKey
from cems_tui.errors import UsageError


@dataclass(frozen=True, slots=True)
class CellEstimate:
    """What one picture of a function is expected to take. None is unknown, never 0."""

    seconds: float | None
    cost_usd: float | None
    load_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What cells would take, before any work."""

    cells: int
    seconds: float
    """Of the cells whose time is known, with one load a function where that is known."""

    untimed: int
    """Cells whose seconds are unknown."""

    cost_usd: float
    """Of the cells whose price is known; loading is not billed to benchmarks."""

    unpriced: int
    """Cells whose price is unknown."""

    def to_json(self) -> dict[str, Any]:
        """The object `cems bench run --dry-run --json` prints; unknown sums are null."""
        known_time, known_price = self.cells > self.untimed, self.cells > self.unpriced
        return {
            "cells": self.cells,
            "seconds": self.seconds if known_time or not self.cells else None,
            "untimed": self.untimed,
            "cost_usd": self.cost_usd if known_price or not self.cells else None,
            "unpriced": self.unpriced,
        }


def plan_of(
    name: str,
    lines: Iterable[PromptLine],
    functions: Sequence[str],
    seeds: int,
    metrics: Sequence[str],
) -> BenchPlan:
    """A plan over the prompts of a file, with seeds 0, 1, …; repeated prompts count once.

    Raises:
        UsageError: nothing to run, a blank name, or a prompt line that says what the plan
            decides (function, seed, size, negative, tradeoff).
    """
    if not name.strip():
        raise UsageError("the benchmark has no name", "Give it one with --name.")
    if seeds < 1:
        raise UsageError(f"--seeds {seeds} is out of range", "Give 1 or more.")
    prompts: dict[str, BenchPrompt] = {}
    for line in lines:
        _refuse_settings(line)
        prompt = BenchPrompt.of(line.prompt, line.group)
        prompts.setdefault(prompt.id, prompt)
    if not prompts or not functions:
        missing = "functions" if prompts else "prompts"
        raise UsageError(f"the benchmark {name!r} has no {missing}", f"Give it {missing}.")
    return BenchPlan(
        name=name,
        prompts=tuple(prompts.values()),
        functions=tuple(dict.fromkeys(functions)),
        seeds=tuple(range(seeds)),
        metrics=tuple(dict.fromkeys(metrics)),
    )


def bill(keys: Iterable[CellKey], estimate: Callable[[str], CellEstimate]) -> Bill:
    """What these cells would take, by the estimate of each function."""
    estimates: dict[str, CellEstimate] = {}
    cells = untimed = unpriced = 0
    seconds = cost = 0.0
    for key in keys:
        if key.function not in estimates:
            estimates[key.function] = estimate(key.function)
            seconds += estimates[key.function].load_seconds or 0.0
        expected = estimates[key.function]
        cells += 1
        untimed += expected.seconds is None
        unpriced += expected.cost_usd is None
        seconds += expected.seconds or 0.0
        cost += expected.cost_usd or 0.0
    return Bill(cells, seconds, untimed, cost, unpriced)


def _refuse_settings(line: PromptLine) -> None:
    said = {
        "function": line.function,
        "seed": line.seed,
        "size": line.width,
        "negative": line.negative or None,
        "tradeoff": line.tradeoff,
    }
    for key, value in said.items():
        if value is not None:
            where = "" if line.line is None else f"line {line.line}: "
            raise UsageError(
                f"{where}a benchmark prompt cannot set its {key}",
                "Every prompt is drawn by every function with every seed; leave it out.",
            )
