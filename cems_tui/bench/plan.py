"""What a benchmark is made of: prompts × functions × seeds, in which order, at which price.

Pure: it neither draws nor stores.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

from cems_tui.bench.prompt_sets import PromptLine
from cems_tui.errors import UsageError
from cems_tui.quality.score import Score

Status = Literal["running", "done", "stopped", "imported"]


@dataclass(frozen=True, slots=True)
class BenchPrompt:
    """A prompt under a name that stays the same when the set grows."""

    id: str
    prompt: str
    group: str | None = None
    """The source data set; used for stratified splits."""

    @classmethod
    def of(cls, prompt: str, group: str | None = None) -> BenchPrompt:
        """A prompt named by the digest of its text: the same text is the same prompt."""
        return cls(sha256(prompt.encode()).hexdigest()[:16], prompt, group)


@dataclass(frozen=True, slots=True)
class CellKey:
    """One picture of a benchmark."""

    prompt_id: str
    function: str
    seed: int


@dataclass(frozen=True, slots=True)
class Cell:
    """What one picture of a benchmark took, and how it scored. None is not measured."""

    seconds: float | None
    """Encode + denoise + decode."""

    memory_bytes: int | None
    cost_usd: float | None
    scores: tuple[Score, ...]


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


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """A benchmark: every prompt on every function with every seed, read on every metric."""

    name: str
    prompts: tuple[BenchPrompt, ...]
    functions: tuple[str, ...]
    seeds: tuple[int, ...]
    metrics: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many cells there are."""
        return len(self.prompts) * len(self.functions) * len(self.seeds)

    def keys(self) -> Iterator[CellKey]:
        """Every cell, one function after the other: each model is loaded once."""
        for function in self.functions:
            for prompt in self.prompts:
                for seed in self.seeds:
                    yield CellKey(prompt.id, function, seed)

    def left(self, done: Collection[CellKey]) -> list[CellKey]:
        """The cells that are not done, in the order they are run."""
        return [key for key in self.keys() if key not in done]

    def spec(self) -> dict[str, Any]:
        """The plan as JSON, as the database keeps it."""
        return {
            "prompts": [[p.id, p.prompt, p.group] for p in self.prompts],
            "functions": list(self.functions),
            "seeds": list(self.seeds),
            "metrics": list(self.metrics),
        }

    @classmethod
    def from_spec(cls, name: str, spec: dict[str, Any]) -> BenchPlan:
        """The plan that `spec` wrote."""
        return cls(
            name=name,
            prompts=tuple(BenchPrompt(*prompt) for prompt in spec["prompts"]),
            functions=tuple(spec["functions"]),
            seeds=tuple(spec["seeds"]),
            metrics=tuple(spec["metrics"]),
        )


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


def continued(old: BenchPlan, new: BenchPlan, *, resume: bool) -> BenchPlan:
    """The plan to run when `old` is already there under the name.

    The same plan goes on where it stopped. With `resume` the plan may grow: it becomes all
    prompts × functions × seeds of both. Metrics never change, as pictures are not kept to be
    read again.

    Raises:
        UsageError: the plans differ in what may not differ.
    """
    if set(old.metrics) != set(new.metrics):
        raise UsageError(
            f"the benchmark {old.name!r} is read on {', '.join(old.metrics) or 'no metric'}, "
            f"not on {', '.join(new.metrics) or 'no metric'}",
            "Use the same --metrics, or another --name.",
        )
    if not resume and (other := differences(old, new)):
        raise UsageError(
            f"the benchmark {old.name!r} exists with other {' and '.join(other)}",
            "Add --resume to let it grow, or use another --name.",
        )
    known = {prompt.id for prompt in old.prompts}
    return replace(
        old,
        prompts=(*old.prompts, *(p for p in new.prompts if p.id not in known)),
        functions=tuple(dict.fromkeys((*old.functions, *new.functions))),
        seeds=tuple(dict.fromkeys((*old.seeds, *new.seeds))),
    )


def differences(old: BenchPlan, new: BenchPlan) -> list[str]:
    """Which of prompts, functions and seeds are not the same sets."""
    pairs = {
        "prompts": ({p.id for p in old.prompts}, {p.id for p in new.prompts}),
        "functions": (set(old.functions), set(new.functions)),
        "seeds": (set(old.seeds), set(new.seeds)),
    }
    return [what for what, (before, after) in pairs.items() if before != after]


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
