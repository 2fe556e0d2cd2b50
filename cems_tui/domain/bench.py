"""What a benchmark asks for: prompts, functions, seeds, and the cells they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Literal

from cems_tui.domain.function import UNMEASURED, GenerationFunction, StageBytes
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
class Parts:
    """Where the time of one picture went: what prices are learnt from."""

    width: int
    """Pixels."""

    height: int
    """Pixels."""

    encode_seconds: float
    denoise_seconds: float
    decode_seconds: float
    load_seconds: float | None = None
    """0.0 when the model was on the device."""

    load_bytes: int | None = None
    held_bytes: int | None = None
    """Device bytes of the model's weights, whether loaded for this picture or not."""

    stage_bytes: StageBytes = UNMEASURED
    """Peak device bytes of each stage beside the weights."""

    precision: str | None = None
    """What the model's weights were held in."""

    energy_wh: float | None = None
    """What the device took of electricity, encoding to decoding."""


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """The file of a picture, named from the home."""

    image: str
    image_bytes: int


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

    parts: Parts | None = None
    picture: KeptPicture | None = None
    """None when it was not kept."""

    score_seconds: float | None = None
    score_error: str | None = None
    """Why it was drawn and not read; then there are no scores."""


@dataclass(frozen=True, slots=True)
class CellState:
    """What is kept of a cell that was tried."""

    tried: frozenset[str] = frozenset()
    """The metrics that were read off it, or that nothing could read."""

    picture: str | None = None
    """The file of its picture, named from the home."""

    failed: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """One thing that is left to do."""

    key: CellKey
    picture: str | None = None
    """The kept picture that is read; None: it has to be drawn."""

    metrics: tuple[str, ...] = ()
    """What is read off the kept picture."""


Making = Mapping[str, str | int | float | None]
"""How a function makes pictures: weights, steps, guidance, …; None is not known."""


def making_of(function: GenerationFunction) -> dict[str, str | int | float | None]:
    """What must be the same for two pictures to be pictures of one function."""
    return {
        "weights": function.model.digest,
        "steps": function.steps,
        "guidance": function.guidance,
        "size": f"{function.width}x{function.height}",
        "scheduler": function.scheduler or "its own",
        "clip_skip": function.clip_skip or 0,
    }


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """A benchmark: every prompt on every function with every seed, read on every metric."""

    name: str
    prompts: tuple[BenchPrompt, ...]
    functions: tuple[str, ...]
    seeds: tuple[int, ...]
    metrics: tuple[str, ...]
    makings: Mapping[str, Making] = field(default_factory=dict)
    """By function; of one that is not in it nothing is known."""

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

    def tasks(
        self,
        kept: Mapping[CellKey, CellState],
        groups: Sequence[Sequence[str]] = (),
        *,
        retry_failed: bool = False,
    ) -> list[Task]:
        """What is left to do, in the order it is done; pictures that are kept are not drawn again.

        Args:
            kept: what is there of the cells that were tried.
            groups: as in `keys`.
            retry_failed: try those again that failed.
        """
        found = []
        for key in self.keys(groups):
            state = kept.get(key)
            if state is None or (state.failed and retry_failed and state.picture is None):
                found.append(Task(key))
            elif state.picture is not None and (retry_failed or not state.failed):
                tried = frozenset[str]() if state.failed else state.tried
                if missing := tuple(one for one in self.metrics if one not in tried):
                    found.append(Task(key, state.picture, missing))
        return found

    def unreadable(self, kept: Mapping[CellKey, CellState]) -> int:
        """How many cells lack a metric of the plan and have no picture to read it off."""
        wanted = set(self.metrics)
        return sum(
            state.picture is None and not state.failed and not wanted <= state.tried
            for state in kept.values()
        )

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
            "makings": {name: dict(making) for name, making in self.makings.items()},
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
            makings=spec.get("makings", {}),
        )


def continued(old: BenchPlan, new: BenchPlan, *, resume: bool) -> BenchPlan:
    """The plan to run when `old` is already there under the name.

    The same plan goes on where it stopped. With `resume` the plan may grow: it becomes all
    prompts × functions × seeds × metrics of both.

    Raises:
        UsageError: the plans differ in what may not differ, or a function is not what it was.
    """
    if not resume and (other := differences(old, new)):
        raise UsageError(
            f"the benchmark {old.name!r} exists with other {' and '.join(other)}",
            "Add --resume to let it grow, or use another --name.",
        )
    for name, making in new.makings.items():
        refuse_changed(old, name, making)
    known = {prompt.id for prompt in old.prompts}
    return replace(
        old,
        prompts=(*old.prompts, *(p for p in new.prompts if p.id not in known)),
        functions=tuple(dict.fromkeys((*old.functions, *new.functions))),
        seeds=tuple(dict.fromkeys((*old.seeds, *new.seeds))),
        metrics=tuple(dict.fromkeys((*old.metrics, *new.metrics))),
        makings={**new.makings, **old.makings},
    )


def refuse_changed(plan: BenchPlan, function: str, making: Making) -> None:
    """Refuse a function that makes pictures in another way than when the benchmark began.

    Raises:
        UsageError: it does.
    """
    if changes := changes_of(plan.makings.get(function, {}), making):
        raise UsageError(
            f"{function} is not the function that the benchmark {plan.name!r} began with: "
            f"{', '.join(changes)}",
            "Pictures of two versions are never mixed: use another --name, or leave the "
            "function out with --functions.",
        )


def changes_of(old: Making, new: Making) -> list[str]:
    """`steps 4 → 8`: what is known of both and differs."""
    return [
        f"{part} {_short(old[part])} → {_short(new[part])}"
        for part in old
        if part in new and None not in (old[part], new[part]) and old[part] != new[part]
    ]


def _short(value: str | int | float | None) -> str:
    """A digest by its first letters."""
    text = f"{value:g}" if isinstance(value, int | float) else str(value)
    return text[:19] if text.startswith("sha256:") else text[:80]


def differences(old: BenchPlan, new: BenchPlan) -> list[str]:
    """Which of prompts, functions, seeds and metrics are not the same sets."""
    pairs = {
        "prompts": ({p.id for p in old.prompts}, {p.id for p in new.prompts}),
        "functions": (set(old.functions), set(new.functions)),
        "seeds": (set(old.seeds), set(new.seeds)),
        "metrics": (set(old.metrics), set(new.metrics)),
    }
    return [what for what, (before, after) in pairs.items() if before != after]
