"""Benchmarks as the app shows and runs them: every figure is that of `cems bench … --json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cems_tui.bench.report import (
    BenchReport,
    MetricReport,
    predictions,
    read_report,
    with_own_mixed,
)
from cems_tui.domain.pricing import Pricing
from cems_tui.errors import UsageError
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.checkpoints.shelf import RouterShelf
from cems_tui.score_tables.formats import parse_columns
from cems_tui.score_tables.table import Texts
from cems_tui.services.app.own_command import bench_bill
from cems_tui.services.app.router_desk import DialCurve
from cems_tui.services.device_access import DeviceAccess
from cems_tui.store.benches import Benches, BenchSummary
from cems_tui.store.database import Store

ALL = None
"""The group that is every prompt."""

MOST_IN_A_CELL = 200
"""Pictures of a cell that are told, the worst first."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the pictures of one function and group are."""

    planned: int
    made: int
    failed: int


@dataclass(frozen=True, slots=True)
class FailedCell:
    """A picture of a benchmark that could not be made or read."""

    prompt: str
    function: str
    seed: str
    error: str


@dataclass(frozen=True, slots=True)
class CellPicture:
    """One picture of a cell with its score in the metric's own direction."""

    prompt: str
    seed: str
    score: float
    image: Path | None
    """None where none was kept."""

    @property
    def key(self) -> tuple[str, str]:
        return self.prompt, self.seed


@dataclass(frozen=True, slots=True)
class BenchFacts:
    """A benchmark: how far it is, and what it says so far."""

    summary: BenchSummary
    functions: tuple[str, ...]
    groups: tuple[str | None, ...]
    """Its groups of prompts, then ALL."""

    progress: Mapping[tuple[str | None, str], Progress]
    """By group and function."""

    failures: tuple[FailedCell, ...]
    report: BenchReport | None
    """None where nothing is scored yet."""

    router: str = ""
    """Whose choices are told; empty where no router knows these functions on this metric."""

    @property
    def key(self) -> str:
        return self.summary.name

    def metric(self, name: str) -> MetricReport | None:
        """What one metric says; the first where it has none of that name."""
        if self.report is None or not self.report.metrics:
            return None
        by_name = {one.metric: one for one in self.report.metrics}
        return by_name.get(name) or by_name.get("mixed") or self.report.metrics[0]

    def curve(self, metric: str) -> DialCurve | None:
        """Quality over cost on that metric; None where nothing is scored yet."""
        found = self.metric(metric)
        return None if found is None else _curve_of(found, self.router)


def _curve_of(found: MetricReport, router: str) -> DialCurve:
    """The curve of a metric's report; without prices of all functions it is empty."""
    singles = {
        row.function: (row.cost_usd, row.mean)
        for row in found.functions
        if row.group is ALL and row.cost_usd is not None and row.mean is not None
    }
    if found.analysis is None:
        return DialCurve((), singles, None)
    curves = {curve.name: curve.points for curve in found.analysis.curves}
    strategies = {one.name: one for one in found.analysis.strategies}
    best = strategies.get("oracle")
    known = best is not None and best.cost_usd is not None
    return DialCurve(
        tuple(reversed(curves.get(router, ()))) if router else (),
        singles,
        (best.cost_usd or 0.0, best.quality.value) if best is not None and known else None,
    )


@dataclass(frozen=True, slots=True)
class BenchDesk:
    """The benchmarks of one profile. Every method reads disks: call it in a thread."""

    history: Callable[[], AbstractContextManager[Store]]
    pricing: Callable[[], Pricing]
    shelf: Callable[[], RouterShelf]
    asked_router: Callable[[], str | None]
    installed: Callable[[], Sequence[str]]
    """The functions that can be drawn here."""

    device: DeviceAccess

    def summaries(self) -> tuple[BenchSummary, ...]:
        """Every benchmark, newest first, as `cems bench ls` lists them."""
        with self.history() as store:
            return tuple(store.benches.summaries())

    def facts(self, name: str, metric: str) -> BenchFacts:
        """One benchmark, as `cems bench report NAME --router ROUTER` says it.

        Args:
            metric: whose router is asked.

        Raises:
            UnknownName: there is none of that name.
            StorageError: the database cannot be read.
        """
        with self.history() as store:
            benches = store.benches
            summary = benches.summary(name)
            functions, progress, failures = _progress(benches, summary)
            router = self._router(metric, functions)
            report = None
            # a benchmark that has no score yet has no report: its progress is all there is to tell
            with suppress(UsageError):
                report = read_report(
                    benches,
                    name,
                    self.pricing(),
                    predictions(router),
                    "" if router is None else router.name,
                )
        groups = tuple(dict.fromkeys(group for group, _ in progress if group is not ALL))
        return BenchFacts(
            summary=summary,
            functions=functions,
            groups=(*(groups if len(groups) > 1 else ()), ALL),
            progress=progress,
            failures=failures,
            report=report,
            router="" if router is None else router.name,
        )

    def cell(
        self, name: str, metric: str, group: str | None, function: str
    ) -> tuple[CellPicture, ...]:
        """The pictures of one function and group, the worst first.

        Raises:
            UnknownName: there is no such benchmark.
            StorageError: the database cannot be read.
        """
        with self.history() as store:
            table, _ = with_own_mixed(parse_columns(store.benches.columns(name), name))
            images = {
                (key.prompt_id, str(key.seed)): path
                for key, path in store.benches.pictures(name).items()
                if key.function == function
            }
        own = table.function.says(function) & table.metric.says(metric)
        if group is not ALL:
            own &= table.group.says(group)
        rows = np.flatnonzero(own & ~np.isnan(table.score))
        if not rows.size:
            return ()
        ascending = bool(table.higher_is_better[rows[0]])
        order = np.argsort(table.score[rows] if ascending else -table.score[rows], kind="stable")
        return tuple(
            CellPicture(
                prompt=table.prompt.values[table.prompt.places[row]],
                seed=(seed := _text(table.seed, row)),
                score=float(table.score[row]),
                image=images.get((table.prompt_id.values[table.prompt_id.places[row]], seed)),
            )
            for row in rows[order][:MOST_IN_A_CELL].tolist()
        )

    def bill(self, words: Sequence[str]) -> dict[str, Any]:
        """As `own_command.bench_bill`."""
        return bench_bill(words)

    def free_device(self) -> None:
        """Ask whoever keeps idle models on the device to free them: a benchmark waits for it.

        Raises:
            StorageError: the request cannot be written.
        """
        there = self.device.presence()
        for model in () if there is None else there.models:
            if not model.in_use:
                self.device.ask_to_free(model.model)

    def _router(self, metric: str, functions: Sequence[str]) -> Checkpoint | None:
        """The router that is asked, where it knows the functions on that metric; else the first
        that does."""
        shelf = self.shelf()
        cards = [
            card
            for card in shelf.cards()
            if card.metric == metric and set(functions) <= set(card.functions)
        ]
        names = [card.name for card in cards]
        asked = self.asked_router()
        if not names:
            return None
        return shelf.named(asked if asked in names else names[0])


Group = str | None
Told = dict[tuple[Group, str], Progress]


def _text(column: Texts, row: int) -> str:
    """The text of a row; empty where it has none."""
    place = int(column.places[row])
    return column.values[place] if place >= 0 else ""


def _progress(
    benches: Benches, summary: BenchSummary
) -> tuple[tuple[str, ...], Told, tuple[FailedCell, ...]]:
    """The functions of a benchmark, how far each is in each group, and what failed."""
    name = summary.name
    if summary.status == "imported":
        columns = benches.columns(name)
        functions = tuple(dict.fromkeys(columns["function"]))
        told = zip(columns["prompt_id"], columns["group"], columns["function"], strict=True)
        cells = {(prompt, group, function) for prompt, group, function in told}
        made = Counter((group, function) for _, group, function in cells)
        return functions, _sums({k: Progress(n, n, 0) for k, n in made.items()}), ()
    plan = benches.plan(name)
    prompts = {one.id: one for one in plan.prompts}
    planned = Counter(one.group for one in plan.prompts)
    made, failed = Counter[tuple[str | None, str]](), Counter[tuple[str | None, str]]()
    for key, state in benches.kept(name).items():
        prompt = prompts.get(key.prompt_id)
        if prompt is not None:
            (failed if state.failed else made)[prompt.group, key.function] += 1
    each = {
        (group, function): Progress(
            count * len(plan.seeds), made[group, function], failed[group, function]
        )
        for group, count in planned.items()
        for function in plan.functions
    }
    return plan.functions, _sums(each), _failed(benches, name, prompts)


def _sums(
    each: Mapping[tuple[str | None, str], Progress],
) -> dict[tuple[str | None, str], Progress]:
    """The same with the sum over all groups."""
    found = {key: one for key, one in each.items() if key[0] is not ALL}
    for function in dict.fromkeys(function for _, function in each):
        own = [one for (_, by), one in each.items() if by == function]
        found[ALL, function] = Progress(
            sum(one.planned for one in own),
            sum(one.made for one in own),
            sum(one.failed for one in own),
        )
    return found


def _failed(benches: Benches, name: str, prompts: Mapping[str, Any]) -> tuple[FailedCell, ...]:
    return tuple(
        FailedCell(prompts[key.prompt_id].prompt, key.function, str(key.seed), error)
        for key, error in benches.failures(name)
        if key.prompt_id in prompts
    )
