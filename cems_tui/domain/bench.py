"""What a benchmark asks for: prompts, functions, seeds, and the cells they make."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

from cems_tui.domain.score import Score
from cems_tui.domain.step_line import net_of
from cems_tui.errors import UsageError

MOST_PASSES = 8
"""How many times a model is loaded at most, where the device does not hold all at once."""

PASS_PICTURES = 20
"""Pictures of a function in a pass, at least."""

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
    contention: float | None = None
    """Share of its time that it waited for a processor that others had."""


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

    def keys(self, groups: Sequence[Sequence[str]] = ()) -> Iterator[CellKey]:
        """Every cell, functions interleaved, so that no hour enters the price of one alone.

        Prompt by prompt within what the device holds at once. Where that is not all of them the
        prompts are passed through in a few stretches, in each of them every model loaded once.

        Args:
            groups: functions whose models are held together; others stand with those of their
                net alone.
        """
        grouped = self._grouped(groups)
        passes = 1 if len(grouped) < 2 else self._passes()
        stretch = -(-len(self.prompts) // passes) if self.prompts else 1
        for number, start in enumerate(range(0, len(self.prompts), stretch)):
            # every other pass runs backwards: it begins with what is loaded
            for group in grouped if number % 2 == 0 else reversed(grouped):
                for prompt in self.prompts[start : start + stretch]:
                    for seed in self.seeds:
                        for function in group:
                            yield CellKey(prompt.id, function, seed)

    def left(
        self, done: Collection[CellKey], groups: Sequence[Sequence[str]] = ()
    ) -> list[CellKey]:
        """The cells that are not done, in the order they are run; `groups` as in `keys`."""
        return [key for key in self.keys(groups) if key not in done]

    def _grouped(self, groups: Sequence[Sequence[str]]) -> list[list[str]]:
        kept = [[name for name in group if name in self.functions] for group in groups]
        grouped = {name for group in kept for name in group}
        nets: dict[str, list[str]] = {}
        for name in self.functions:
            if name not in grouped:
                nets.setdefault(net_of(name), []).append(name)
        return [group for group in [*kept, *nets.values()] if group]

    def _passes(self) -> int:
        """A load must not outweigh what is drawn between two, so a pass has some pictures."""
        pictures = len(self.prompts) * len(self.seeds)
        return max(1, min(MOST_PASSES, len(self.prompts), pictures // PASS_PICTURES))

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
