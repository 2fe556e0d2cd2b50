"""The queue's order and the residency's rule, replayed on traces against restated rules of others.

A simulated device holds networks by content under a byte budget; loading takes bytes ÷ bandwidth
and a fixed time. What is ours is the product's own code (`Turns`, `admit`,
`weight_budget_bytes`); the others' rules are written from their documentation:

* first come, first served, with our residency;
* SwarmUI: what is loaded first, else the model with the most pressure, 10 × waiting + seconds;
* InvokeAI: the smallest leave first until 3 GiB beside the weights are free;
* diffusers' ComponentsManager: of all sets that make room for a network, the smallest leaves.

Sizes are counted from published configurations; service times are invented, and a job takes
something else than what was expected of it. Seeds and mixes are not those the order's numbers
were chosen on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import mean
from typing import Any

from cems_tui.generation.admission import Resident, admit, in_leaving_order
from cems_tui.generation.device import Device, weight_budget_bytes
from cems_tui.services.queue.turn_order import Turns, Waiting
from tests.benchmarks.row import median_ratio, row

GB = 10**9
GIB = 2**30
CONTEXT_BYTES = GB // 2
"""What a driver's context takes of a card."""

FLAT_RESERVE_BYTES = 3 * GIB
STAGE_RESERVE_BYTES = 1_600_000_000
"""What drawing takes beside the weights when decoding is tiled or in half precision: derived from
tensor sizes, measured nowhere yet."""

SEEDS = range(5_000, 5_030)

NETWORKS = {
    "clip-l": 0.246,
    "clip-bigg": 1.389,
    "clip-h": 0.681,
    "clip-l-projected": 0.247,
    "vae-xl": 0.167,
    "vae-sd": 0.167,
    "taesd": 0.005,
    "vq": 0.585,
    "unet-sdxl": 5.135,
    "unet-sdxl-turbo": 5.135,
    "unet-lightning": 5.135,
    "unet-ssd": 2.663,
    "unet-vega": 1.490,
    "unet-sd-turbo": 1.732,
    "unet-sd15": 1.719,
    "uvit-amused": 1.217,
}
"""GB in half precision; aMUSEd's VQ in single."""

_XL = ("clip-l", "clip-bigg", "vae-xl")
SETS: dict[str, tuple[str, ...]] = {
    "sdxl": (*_XL, "unet-sdxl"),
    "sdxl-turbo": (*_XL, "unet-sdxl-turbo"),
    "sd-turbo": ("clip-h", "vae-sd", "unet-sd-turbo"),
    "amused": ("uvit-amused", "vq", "clip-l-projected"),
    "sd15": ("clip-l", "unet-sd15", "taesd"),
    "lightning": (*_XL, "unet-lightning"),
    "ssd": (*_XL, "unet-ssd"),
    "vega": (*_XL, "unet-vega"),
}
SECONDS = {
    "sdxl@10": 5.0,
    "sdxl@25": 11.5,
    "sdxl@50": 22.5,
    "sdxl@100": 44.5,
    "sdxl-turbo@4": 1.1,
    "sd-turbo@1": 0.35,
    "amused@12": 2.4,
    "sd15@25": 3.8,
    "lightning@4": 2.6,
    "lightning@8": 4.2,
    "ssd@25": 7.0,
    "vega@25": 5.2,
}
MIXES: dict[str, dict[str, float]] = {
    "8 functions, quick ones mostly": {
        "sdxl-turbo@4": 5,
        "sd-turbo@1": 5,
        "amused@12": 3,
        "sd15@25": 3,
        "sdxl@10": 2,
        "sdxl@25": 2,
        "sdxl@50": 1,
        "sdxl@100": 0.3,
    },
    "8 functions, dear ones mostly": {
        "sdxl@25": 5,
        "sdxl@50": 3,
        "sdxl@100": 1,
        "sdxl@10": 2,
        "sdxl-turbo@4": 2,
        "sd15@25": 2,
        "sd-turbo@1": 1,
        "amused@12": 1,
    },
    "12 functions, none like another": {
        name: 1.0 / rank
        for rank, name in enumerate(
            [
                *("vega@25", "sd15@25", "lightning@4", "sdxl@25", "sd-turbo@1", "ssd@25"),
                *("amused@12", "sdxl-turbo@4", "lightning@8", "sdxl@10", "sdxl@50", "sdxl@100"),
            ],
            1,
        )
    },
}
BUDGETS = dict(zip(MIXES, (8.5, 8.5, 12.5), strict=True))
"""GB of weights; twelve functions on the larger card."""

Rule = Callable[["Line", "Card"], "Asked"]
Leavers = Callable[["Card", str, Sequence["Asked"]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A picture of a trace."""

    number: int
    function: str
    arrives: float
    expected: float
    seconds: float

    @property
    def model(self) -> str:
        return self.function.partition("@")[0]

    @property
    def networks(self) -> tuple[str, ...]:
        return SETS[self.model]


@dataclass
class Card:
    """A device with weights on it, by network."""

    budget_gb: float
    gb_per_second: float
    load_seconds: float
    leavers: Leavers
    """Which models, or networks, leave for a newcomer."""

    there: list[str] = field(default_factory=list)
    """Models on the device, the least recently used first."""

    moved_gb: float = 0.0
    loads: int = 0

    def networks(self, models: Iterable[str] | None = None) -> set[str]:
        return {one for model in (self.there if models is None else models) for one in SETS[model]}

    def missing_gb(self, model: str) -> float:
        here = self.networks()
        return sum(NETWORKS[one] for one in SETS[model] if one not in here)

    def load(self, model: str, next_up: Sequence[Asked]) -> float:
        """Bring a model to the device; the seconds that takes."""
        if model in self.there:
            self.there.remove(model)
            self.there.append(model)
            return 0.0
        missing = self.missing_gb(model)
        for left in self.leavers(self, model, next_up):
            self.there.remove(left)
        self.there.append(model)
        assert size_gb(self.networks()) <= self.budget_gb + 1e-9, "over its budget"
        self.moved_gb += missing
        self.loads += 1
        return self.load_seconds + missing / self.gb_per_second


def size_gb(networks: Iterable[str]) -> float:
    return sum(NETWORKS[one] for one in networks)


def ours(card: Card, model: str, next_up: Sequence[Asked]) -> Sequence[str]:
    """The product's rule, told what is wanted next."""
    residents = [Resident(one, _weights(one), False) for one in card.there]
    wanted = [asked.model for asked in next_up]
    found = admit(
        in_leaving_order(residents, wanted), _weights(model), int(card.budget_gb * GB) + 1
    )
    assert found.fits
    return found.evict


def _weights(model: str) -> Mapping[str, int]:
    return {one: int(NETWORKS[one] * GB) for one in SETS[model]}


def least_recently_used(card: Card, model: str, next_up: Sequence[Asked]) -> Sequence[str]:
    """The product's rule where nothing is known of what comes."""
    return ours(card, model, ())


@dataclass
class Networks:
    """A device of others, which moves networks one by one and draws in the order given."""

    room_gb: float
    combination: bool
    """Whether the smallest set that makes room leaves, else the smallest until there is room."""

    there: list[str] = field(default_factory=list)
    moved_gb: float = 0.0

    def draw(self, asked: Asked) -> None:
        for network in asked.networks:
            if network in self.there:
                continue
            idle = [one for one in self.there if one not in asked.networks]
            short = NETWORKS[network] + size_gb(self.there) - self.room_gb
            for one in self._leavers(idle, short):
                self.there.remove(one)
            self.there.append(network)
            self.moved_gb += NETWORKS[network]

    def _leavers(self, idle: list[str], short_gb: float) -> Sequence[str]:
        if short_gb <= 1e-9:
            return ()
        if not self.combination:
            leaving: list[str] = []
            for one in sorted(idle, key=NETWORKS.__getitem__):
                if size_gb(leaving) >= short_gb - 1e-9:
                    break
                leaving.append(one)
            return leaving
        sets = (some for count in range(len(idle) + 1) for some in combinations(idle, count))
        enough = [some for some in sets if size_gb(some) >= short_gb - 1e-9]
        return min(enough, key=size_gb) if enough else idle


@dataclass
class Line:
    """What waits, and the clock."""

    waiting: list[Asked] = field(default_factory=list)
    now: float = 0.0


class FirstCome:
    """First come, first served."""

    def __call__(self, line: Line, card: Card) -> Asked:
        return min(line.waiting, key=lambda asked: asked.number)

    def took(self, asked: Asked, seconds: float) -> None: ...


class Pressure(FirstCome):
    """SwarmUI's rule: what is loaded goes first, else the model with the most pressure."""

    def __call__(self, line: Line, card: Card) -> Asked:
        loaded = [one for one in line.waiting if one.model in card.there]
        if not loaded:
            by_model: dict[str, list[Asked]] = {}
            for one in line.waiting:
                by_model.setdefault(one.model, []).append(one)
            loaded = max(
                by_model.values(),
                key=lambda some: 10 * len(some) + line.now - min(one.arrives for one in some),
            )
        return min(loaded, key=lambda asked: asked.number)


class OurTurns(FirstCome):
    """The product's order; every picture of an online trace is a submission of its own."""

    def __init__(self, together: bool) -> None:
        self._together = together
        self._turns = Turns("family")
        self._turn: Waiting | None = None

    def __call__(self, line: Line, card: Card) -> Asked:
        self._turn = self._turns.next(
            [self._seen(asked, card) for asked in line.waiting], frozenset(card.there)
        )
        turn = self._turn
        assert turn is not None
        return next(asked for asked in line.waiting if asked.number == turn.number)

    def took(self, asked: Asked, seconds: float) -> None:
        assert self._turn is not None
        self._turns.took(self._turn, seconds)

    def _seen(self, asked: Asked, card: Card) -> Waiting:
        load = card.load_seconds + size_gb(asked.networks) / card.gb_per_second
        submission = "all" if self._together else str(asked.number)
        return Waiting(asked.number, submission, (0, 1), asked.model, asked.expected, load)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trace went."""

    waits: Sequence[float]
    makespan: float
    loads: int
    moved_gb: float

    @property
    def mean_wait(self) -> float:
        return mean(self.waits)

    @property
    def p95(self) -> float:
        return sorted(self.waits)[int(0.95 * len(self.waits))]


def replay(trace: Sequence[Asked], rule: FirstCome, card: Card) -> Outcome:
    line, waits, place = Line(), [], 0
    while place < len(trace) or line.waiting:
        while place < len(trace) and trace[place].arrives <= line.now:
            line.waiting.append(trace[place])
            place += 1
        if not line.waiting:
            line.now = trace[place].arrives
            continue
        asked = rule(line, card)
        line.waiting.remove(asked)
        waits.append(line.now - asked.arrives)
        took = card.load(asked.model, line.waiting) + asked.seconds
        rule.took(asked, took)
        line.now += took
    return Outcome(waits, line.now, card.loads, card.moved_gb)


def trace_of(mix: str, seed: int, pictures: int, load: float | None) -> list[Asked]:
    """Pictures of a mix; all at once, or one after the other at a share of what can be served."""
    chance = random.Random(f"{mix} {seed}")
    names, weights = list(MIXES[mix]), list(MIXES[mix].values())
    usual = sum(SECONDS[name] * MIXES[mix][name] for name in names) / sum(weights)
    clock, found = 0.0, []
    for number in range(1, pictures + 1):
        if load is not None:
            clock += chance.expovariate(load / usual)
        (name,) = chance.choices(names, weights)
        expected = SECONDS[name] * chance.lognormvariate(0.0, 0.1)
        found.append(Asked(number, name, clock, expected, expected * chance.lognormvariate(0, 0.3)))
    return found


# The rows.


def run() -> list[dict[str, Any]]:
    """Every bar that a replay can tell."""
    return [*_bytes_moved(), *_batch(), *_online()]


def _held(name: str, peer: str, bar: float, pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """A row that holds when the worse end of the interval does."""
    value, ci95 = median_ratio([one for one, _ in pairs], [other for _, other in pairs])
    told = row(name, peer, bar, value, ci95=ci95, seeds=len(pairs))
    return told if ci95[1] <= bar else told | {"status": "short"}


def _bytes_moved() -> list[dict[str, Any]]:
    """T7 and T7b: what is brought to a card for one list of 100 pictures, all at once."""
    rows = []
    for gib, mix, same_bar, ours_bar in (
        (12, "8 functions, quick ones mostly", 0.85, 0.15),
        (16, "8 functions, quick ones mostly", 0.60, None),
        (24, "12 functions, none like another", 0.65, 0.20),
    ):
        card_bytes = gib * GIB
        free = Device("simulated", "cuda", card_bytes, card_bytes - CONTEXT_BYTES)
        budgets = {
            "its own budget": weight_budget_bytes(free),
            "a reserve by stage": card_bytes - CONTEXT_BYTES - STAGE_RESERVE_BYTES,
        }
        room = (card_bytes - CONTEXT_BYTES - FLAT_RESERVE_BYTES) / GB
        for budget_name, budget in budgets.items():
            largest = max(size_gb(one) for one in SETS.values())
            if budget / GB < largest:
                rows.append(row(f"GB moved, {gib} GiB, {budget_name}", "InvokeAI", same_bar, None))
                continue
            same, best, grouped = [], [], []
            for seed in SEEDS:
                trace = trace_of(mix, seed, 100, None)
                others = [Networks(room, combination) for combination in (False, True)]
                for other in others:
                    for asked in trace:
                        other.draw(asked)
                mine = replay(trace, FirstCome(), Card(budget / GB, 20.0, 0.05, ours))
                order = replay(trace, OurTurns(True), Card(budget / GB, 20.0, 0.05, ours))
                same.append((mine.moved_gb, others[0].moved_gb))
                best.append((mine.moved_gb, others[1].moved_gb))
                grouped.append((order.moved_gb, others[0].moved_gb))
            what = f"GB moved, {gib} GiB card, {len(MIXES[mix])} functions, {budget_name}"
            rows.append(_held(f"{what}, same order", "InvokeAI's rule", same_bar, same))
            rows.append(_held(f"{what}, same order", "ComponentsManager's rule", 1.0, best))
            if ours_bar is not None:
                rows.append(_held(f"{what}, our order", "InvokeAI's rule", ours_bar, grouped))
    return rows


def _batch() -> list[dict[str, Any]]:
    """T8: 100 pictures handed in together, 8.5 GB of weights."""
    rows = []
    for mix in list(MIXES)[:2]:
        loads, waits, spans = [], [], []
        for seed in SEEDS:
            trace = trace_of(mix, seed, 100, None)
            peer = replay(trace, FirstCome(), Card(8.5, 20.0, 0.05, ours))
            mine = replay(trace, OurTurns(True), Card(8.5, 20.0, 0.05, ours))
            loads.append((mine.loads, peer.loads))
            waits.append((mine.mean_wait, peer.mean_wait))
            spans.append((mine.makespan, peer.makespan))
        rows.append(_held(f"loads of a batch of 100, {mix}", "as they came", 0.10, loads))
        rows.append(_held(f"mean wait of a batch of 100, {mix}", "as they came", 0.40, waits))
        rows.append(_held(f"time of a batch of 100, {mix}", "as they came", 1.0, spans))
    return rows


def _online() -> list[dict[str, Any]]:
    """T8b and T8c: 300 pictures that come one by one."""
    rows = []
    for mix, budget in BUDGETS.items():
        for load in (0.7, 0.9):
            for speed, gb_per_second, fixed in (
                ("20 GB/s", 20.0, 0.05),
                ("0.7 GB/s + 3 s", 0.7, 3),
            ):
                found: dict[str, list[Outcome]] = {"ours": [], "fifo": [], "swarm": []}
                for seed in SEEDS:
                    trace = trace_of(mix, seed, 300, load)
                    for name, rule in (
                        ("ours", OurTurns(False)),
                        ("fifo", FirstCome()),
                        ("swarm", Pressure()),
                    ):
                        card = Card(budget, gb_per_second, fixed, ours)
                        found[name].append(replay(trace, rule, card))
                rows += _online_rows(f"{mix}, {load:.0%} load, {speed}", found, slow=fixed == 3)
    return rows


def _online_rows(what: str, found: dict[str, list[Outcome]], *, slow: bool) -> list[dict[str, Any]]:
    def pairs(figure: Callable[[Outcome], float], peer: str) -> list[tuple[float, float]]:
        return [
            (figure(mine), figure(other))
            for mine, other in zip(found["ours"], found[peer], strict=True)
        ]

    def mean_wait(outcome: Outcome) -> float:
        return outcome.mean_wait

    def p95(outcome: Outcome) -> float:
        return outcome.p95

    def longest(outcome: Outcome) -> float:
        return max(outcome.waits)

    swarm = "SwarmUI's rule"
    if slow:
        return [_held(f"mean wait, {what}", swarm, 1.10, pairs(mean_wait, "swarm"))]
    return [
        _held(f"mean wait, {what}", "as they came", 0.75, pairs(mean_wait, "fifo")),
        _held(f"95 % of waits, {what}", "as they came", 0.95, pairs(p95, "fifo")),
        _held(f"longest wait, {what}", "as they came", 1.20, pairs(longest, "fifo")),
        _held(f"mean wait, {what}", swarm, 0.70, pairs(mean_wait, "swarm")),
        _held(f"95 % of waits, {what}", swarm, 0.60, pairs(p95, "swarm")),
    ]
