"""What a benchmark is made of: prompts × functions × seeds, in which order, at which price.

Pure: it neither draws nor stores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cems_tui.bench.prompts import PromptLine
from cems_tui.domain.bench import BenchPlan, BenchPrompt, CellKey
from cems_tui.domain.bill import Bill, BillLine, bill_of
from cems_tui.errors import UsageError


@dataclass(frozen=True, slots=True)
class CellEstimate:
    """What one picture of a function is expected to take. None is unknown, never 0."""

    seconds: float | None
    cost_usd: float | None
    load_seconds: float | None = None
    load_cost_usd: float | None = None
    load_bytes: int | None = None
    model: str = ""
    """Whose weights it needs; empty is a model of its own."""


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
    """What these cells would take, by the estimate of each function.

    Loading is not billed to benchmarks.
    """
    estimates: dict[str, CellEstimate] = {}

    def line(key: CellKey) -> BillLine:
        if key.function not in estimates:
            estimates[key.function] = estimate(key.function)
        one = estimates[key.function]
        model = one.model or key.function
        return BillLine(model, one.cost_usd, one.seconds, one.load_cost_usd, one.load_seconds)

    return bill_of(map(line, keys), loads_included=False)


HELD_SHARE = 0.8
"""Of the memory for weights that the models of a benchmark may hold at once: the rest is for
scorers, and for what an estimate left out."""


def held_together(
    estimates: Mapping[str, CellEstimate], budget_bytes: int | None
) -> list[tuple[str, ...]]:
    """The functions in groups whose models the device holds at once, in their order.

    Args:
        estimates: by function.
        budget_bytes: what weights may hold; None where unknown: then each model stands alone.
    """
    models: dict[str, list[str]] = {}
    for name, one in estimates.items():
        models.setdefault(one.model or name, []).append(name)
    groups: list[tuple[str, ...]] = []
    held = float("inf")
    for functions in models.values():
        size = max((estimates[name].load_bytes or 0 for name in functions), default=0)
        room = None if budget_bytes is None else HELD_SHARE * budget_bytes
        known = all(estimates[name].load_bytes is not None for name in functions)
        if groups and known and room is not None and held + size <= room:
            groups[-1] += tuple(functions)
            held += size
        else:
            groups.append(tuple(functions))
            held = size if known else float("inf")
    return groups


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
