"""What a benchmark is made of: prompts × functions × seeds, in which order, at which price.

Pure: it neither draws nor stores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from cems_tui.bench.prompts import PromptLine
from cems_tui.domain.bench import BenchPlan, BenchPrompt, CellKey, Making, Task
from cems_tui.domain.bill import Bill, BillLine, bill_of
from cems_tui.errors import UsageError
from cems_tui.services.planner import Planner


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
    makings: Mapping[str, Making] | None = None,
) -> BenchPlan:
    """A plan over the prompts of a file, with seeds 0, 1, …; repeated prompts count once.

    Args:
        makings: how each function makes its pictures, so that a later run is held to it.

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
        makings=makings or {},
    )


def bill(
    tasks: Sequence[Task],
    estimate: Callable[[str], CellEstimate],
    groups: Sequence[Sequence[str]] = (),
) -> Bill:
    """What drawing these cells would take, by the estimate of each function.

    Loading is not billed to benchmarks; its time is in the seconds, as often as a model is loaded.

    Args:
        groups: functions whose models the device holds together.
    """
    drawn = [task.key.function for task in tasks if task.picture is None]
    estimates = {name: estimate(name) for name in dict.fromkeys(drawn)}

    def line(function: str) -> BillLine:
        one = estimates[function]
        model = one.model or function
        return BillLine(model, one.cost_usd, one.seconds, one.load_cost_usd, one.load_seconds)

    once = bill_of(map(line, drawn), loads_included=False)
    models = {line(name).model: estimates[name] for name in estimates}
    again = {model: times - 1 for model, times in _loads(drawn, line, groups).items()}
    return replace(
        once,
        seconds=once.seconds + sum((models[m].load_seconds or 0.0) * n for m, n in again.items()),
        load_cost_usd=once.load_cost_usd
        + sum((models[m].load_cost_usd or 0.0) * n for m, n in again.items()),
    )


def _loads(
    drawn: Iterable[str], line: Callable[[str], BillLine], groups: Sequence[Sequence[str]]
) -> Counter[str]:
    """How often each model is loaded: what is held leaves when another group's turn comes."""
    group_of = {name: number for number, group in enumerate(groups) for name in group}
    loads: Counter[str] = Counter()
    held: set[str] = set()
    turn: int | str | None = None
    for function in drawn:
        model = line(function).model
        group = group_of.get(function, model)
        if group != turn:
            held, turn = set(), group
        if model not in held:
            held.add(model)
            loads[model] += 1
    return loads


def sum_known(values: Iterable[float | None]) -> float | None:
    """The sum; None where one is unknown."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


RAW_BYTES_PER_PIXEL = 3
"""What a picture holds at most: lossless packing makes it smaller."""


@dataclass(frozen=True, slots=True)
class DiskBill:
    """What the pictures to come would hold on disk."""

    picture_bytes: int
    at_most: bool
    """Whether of some function no picture was kept yet: then its raw size stands in."""

    quota_left_bytes: int
    free_bytes: int

    @property
    def fits(self) -> bool:
        return self.picture_bytes <= min(self.quota_left_bytes, self.free_bytes)


def picture_bytes(
    functions: Iterable[str],
    typical: Callable[[str], float | None],
    pixels: Callable[[str], int],
) -> tuple[int, bool]:
    """The bytes of a picture of each of these functions together, and whether that is a bound.

    Args:
        typical: what a picture of a function held of late; None where none was kept.
        pixels: of a picture of a function.
    """
    total, bound = 0.0, False
    for function, count in Counter(functions).items():
        one = typical(function)
        bound = bound or one is None
        total += count * (RAW_BYTES_PER_PIXEL * pixels(function) if one is None else one)
    return round(total), bound


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


@dataclass(frozen=True, slots=True)
class Supply:
    """What prompts drawn with every function of a router would take: the pairs it lacks."""

    prompts: int
    functions: tuple[str, ...]
    """Those of its functions that are installed."""

    bill: Bill | None
    """None where fewer than two are installed: nothing to tell apart can be drawn here."""

    def to_json(self) -> dict[str, Any]:
        """With the bill of its pictures, null where they cannot be drawn here."""
        return {
            "prompts": self.prompts,
            "functions": list(self.functions),
            "bill": None if self.bill is None else self.bill.to_json(),
        }


def supply_of(planner: Planner, functions: Iterable[str], prompts: int) -> Supply:
    """So many prompts drawn with every installed one of these functions."""
    installed = {one.name for one in planner.catalog.installed()}
    drawn = tuple(name for name in functions if name in installed)
    if len(drawn) < 2:
        return Supply(prompts, drawn, None)

    def estimate(function: str) -> CellEstimate:
        known = planner.function(function)
        expected = planner.expected(known, known.width, known.height)
        priced = planner.pricing.of(expected)
        return CellEstimate(expected.seconds, priced.usd, expected.load_seconds)

    cells = [
        Task(CellKey(str(number), function, 0)) for function in drawn for number in range(prompts)
    ]
    return Supply(prompts, drawn, bill(cells, estimate))


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


# How much the machine changed its pace meanwhile. Functions are interleaved, so what is left of the
# hours is the same for all of them; it is told.

LEAST_PICTURES = 12
"""Pictures before a drift is told: of fewer it would be chance."""


def drift(seconds: Sequence[tuple[str, float]]) -> float | None:
    """How many times longer the last third took than the first, function by function.

    Args:
        seconds: (function, seconds) in the order they were drawn.

    Returns:
        The ratio of the medians of what each picture took beside its function's median; None of
        too few pictures, or where no function is in both thirds.
    """
    if len(seconds) < LEAST_PICTURES:
        return None
    third = len(seconds) // 3
    first, last = seconds[:third], seconds[-third:]
    both = {name for name, _ in first} & {name for name, _ in last}
    middles = {name: median(taken for other, taken in seconds if other == name) for name in both}
    ends = [
        [taken / middles[name] for name, taken in part if name in both and middles[name] > 0]
        for part in (first, last)
    ]
    if not all(ends) or median(ends[0]) <= 0:
        return None
    return median(ends[1]) / median(ends[0])
