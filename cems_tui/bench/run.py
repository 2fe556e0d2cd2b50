"""Running a benchmark: one cell after the other, each kept as soon as it is done.

It knows neither how pictures are made nor where cells are kept: it is given a maker and a book.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from cems_tui.bench.bill import CellEstimate
from cems_tui.bench.drift import drift
from cems_tui.cancel import Stop, refuse_stopped
from cems_tui.domain.bench import BenchPlan, BenchPrompt, Cell, CellKey, Status
from cems_tui.domain.decision import Policy
from cems_tui.domain.function import Catalog, GenerationFunction
from cems_tui.domain.pricing import Pricing
from cems_tui.domain.request import Event, Request
from cems_tui.errors import (
    BudgetReached,
    CemsError,
    DeviceBusy,
    GenerationError,
    Interrupted,
    OutOfMemory,
    StorageError,
)
from cems_tui.scoring.panel import Judges, judged
from cems_tui.services.session import Drawn, Session, job_of, measured_seconds

STOPS_AT_ONCE = (BudgetReached, DeviceBusy, StorageError)
"""Failures that the next cell would have too: the run ends, what is done is kept."""

Ended = Literal["done", "stopped", "budget"]


class Maker(Protocol):
    """Makes and scores one picture."""

    def make(self, function: str, prompt: str, seed: int, stop: Stop) -> Cell:
        """The measured cell.

        Raises:
            Interrupted: `stop` said so.
            CemsError: it could not be made or scored.
        """
        ...


class Book(Protocol):
    """Where cells are kept; the store's `benches` is one."""

    def begin(self, plan: BenchPlan, *, resume: bool) -> BenchPlan: ...

    def done(self, name: str, *, failed_too: bool) -> frozenset[CellKey]: ...

    def record(
        self,
        plan: BenchPlan,
        key: CellKey,
        prompt: BenchPrompt,
        cell: Cell | None,
        error: str | None,
    ) -> None: ...

    def end(self, name: str, status: Status) -> None: ...


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may cost."""

    usd: float
    estimate: Callable[[str], CellEstimate]
    """What a picture of a function is expected to take."""

    def check(self, function: str, spent_usd: float) -> None:
        """Stop before a picture that would break the budget, or cannot be held to it.

        Raises:
            BudgetReached: it would, or its price is unknown.
        """
        expected = self.estimate(function).cost_usd
        if expected is None:
            raise BudgetReached(
                f"{function} has no known price, so it cannot be held to a budget",
                "Leave --budget out, or leave that function out.",
            )
        if spent_usd + expected > self.usd:
            raise BudgetReached(
                f"the benchmark has cost ${spent_usd:.3g} and a picture of {function} would add "
                f"${expected:.3g}, over the budget of ${self.usd:.3g}",
                "Raise --budget; what is done is kept, and the same command goes on from there.",
            )


@dataclass(frozen=True, slots=True)
class CellDone:
    """A cell was tried and is kept."""

    bench: str
    key: CellKey
    prompt: str
    cell: Cell | None
    """None when it failed; `error` says why."""

    error: str | None
    number: int
    """Which of `total` it is, from 1; cells done in earlier runs are counted."""

    total: int

    def to_json(self) -> dict[str, Any]:
        """One line of `cems bench run --json`."""
        cell = self.cell
        return {
            "bench": self.bench,
            "prompt_id": self.key.prompt_id,
            "prompt": self.prompt,
            "function": self.key.function,
            "seed": self.key.seed,
            "seconds": cell.seconds if cell else None,
            "memory_bytes": cell.memory_bytes if cell else None,
            "cost_usd": cell.cost_usd if cell else None,
            "contention": cell.contention if cell else None,
            "scores": {score.metric: score.value for score in cell.scores} if cell else {},
            "scorers": {score.metric: score.scorer for score in cell.scores} if cell else {},
            "error": self.error,
            "number": self.number,
            "total": self.total,
        }


@dataclass(frozen=True, slots=True)
class BenchOutcome:
    """How a run went."""

    made: int
    failed: int
    skipped: int
    """Cells kept from earlier runs."""

    left: int
    """Cells not tried."""

    spent_usd: float
    """Of the priced cells made in this run."""

    unpriced: int
    """Cells made in this run whose price is unknown."""

    drift: float | None
    """How many times longer the last third of this run's pictures took than the first; None of
    few pictures."""

    ended: Ended
    exit_code: int
    """0, the highest of the failed cells' codes, 6 for the budget, 130 when stopped."""

    message: str = ""
    """Why it ended early; empty when it did not."""

    hint: str = ""
    """What to do about it."""


def run_bench(
    plan: BenchPlan,
    maker: Maker,
    book: Book,
    emit: Callable[[CellDone], None],
    stop: Stop,
    *,
    resume: bool = False,
    retry_failed: bool = False,
    budget: Budget | None = None,
    groups: Sequence[Sequence[str]] = (),
) -> BenchOutcome:
    """Make every cell of the plan that is not there yet, functions interleaved.

    Args:
        plan, maker, book: what to run, who makes a picture, where its cell is kept at once.
        emit, stop: told of each kept cell; asked between cells, and by the maker within them.
        resume: let a benchmark of that name grow to this plan.
        retry_failed: try the cells again that failed in an earlier run.
        budget: what this run may cost; a cell expected to break it is not begun.
        groups: functions whose models the device holds together, see `BenchPlan.keys`.

    Raises:
        UsageError: another benchmark has the name, or scores come from another instrument.
        DeviceBusy, StorageError: the run cannot go on; what is done is kept.
    """
    whole = book.begin(plan, resume=resume)
    keys = whole.left(book.done(whole.name, failed_too=not retry_failed), groups)
    run = _Run(whole, maker, book, stop, skipped=whole.size - len(keys))
    status: Status = "stopped"
    try:
        for key in keys:
            if budget is not None:
                budget.check(key.function, run.spent_usd)
            refuse_stopped(stop, "the benchmark was stopped", hint="")
            emit(run.try_cell(key))
        status = "done"
    except Interrupted as error:
        return run.outcome("stopped", error)
    except BudgetReached as error:
        return run.outcome("budget", error)
    finally:
        book.end(whole.name, status)
    return run.outcome("done")


class _Run:
    """The cells of one run so far."""

    def __init__(
        self, plan: BenchPlan, maker: Maker, book: Book, stop: Stop, *, skipped: int
    ) -> None:
        self._plan = plan
        self._maker = maker
        self._book = book
        self._stop = stop
        self._total = plan.size
        self._skipped = skipped
        self._prompts = {prompt.id: prompt for prompt in plan.prompts}
        self._made = 0
        self._failed = 0
        self._unpriced = 0
        self._exit_code = 0
        self._seconds: list[tuple[str, float]] = []
        self.spent_usd = 0.0

    def try_cell(self, key: CellKey) -> CellDone:
        """Make one cell and keep it, made or failed."""
        prompt = self._prompts[key.prompt_id]
        cell: Cell | None = None
        error: str | None = None
        try:
            cell = self._maker.make(key.function, prompt.prompt, key.seed, self._stop)
        except (Interrupted, *STOPS_AT_ONCE):
            raise
        except CemsError as failure:
            error = str(failure)
            self._exit_code = max(self._exit_code, failure.exit_code)
        self._book.record(self._plan, key, prompt, cell, error)
        if cell is None:
            self._failed += 1
        else:
            self._made += 1
            self.spent_usd += cell.cost_usd or 0.0
            self._unpriced += cell.cost_usd is None
            if cell.seconds is not None:
                self._seconds.append((key.function, cell.seconds))
        number = self._skipped + self._made + self._failed
        return CellDone(self._plan.name, key, prompt.prompt, cell, error, number, self._total)

    def outcome(self, ended: Ended, error: CemsError | None = None) -> BenchOutcome:
        """The run's figures, and why it ended."""
        return BenchOutcome(
            made=self._made,
            failed=self._failed,
            skipped=self._skipped,
            left=self._total - self._skipped - self._made - self._failed,
            spent_usd=self.spent_usd,
            unpriced=self._unpriced,
            drift=drift(self._seconds),
            ended=ended,
            exit_code=self._exit_code if error is None else error.exit_code,
            message="" if error is None else str(error),
            hint="" if error is None else error.hint,
        )


# Makes a benchmark's pictures with a session: drawn, scored, priced, and not kept.


class SessionMaker:
    """Draws with a session's engine; writes no picture and no row."""

    def __init__(
        self,
        session: Session,
        catalog: Catalog,
        pricing: Pricing,
        metrics: Sequence[str],
        emit: Callable[[Event], None],
        judges: Judges | None = None,
    ) -> None:
        """Args: judges: read every picture; one line-up, whichever model drew it."""
        self._session = session
        self._catalog = catalog
        self._pricing = pricing
        self._metrics = frozenset(metrics)
        self._emit = emit
        self._judges = judges

    def make(self, function: str, prompt: str, seed: int, stop: Stop) -> Cell:
        """The measured cell of one prompt, function and seed.

        Raises:
            Interrupted: `stop` said so.
            CemsError: it could not be drawn or scored.
        """
        chosen = self._catalog.function(function)
        request = Request("benchmark", prompt, Policy.pinned(function), seed=seed)
        drawn = self._draw(request, chosen, stop)
        found = judged(self._judges, drawn.picture.image, prompt, chosen.model.name)
        if found.error is not None:
            raise GenerationError(f"{function} drew seed {seed}, but scoring failed: {found.error}")
        seconds = measured_seconds(drawn).billed
        return Cell(
            seconds=seconds,
            memory_bytes=drawn.memory_bytes,
            cost_usd=drawn.cost(self._pricing, seconds).usd,
            scores=tuple(score for score in found.scores if score.metric in self._metrics),
            contention=drawn.picture.contention,
        )

    def _draw(self, request: Request, function: GenerationFunction, stop: Stop) -> Drawn:
        """The picture; where the device is full, once more without the scorers on it."""
        job = job_of(request, function)

        def draw() -> Drawn:
            return self._session.draw(
                request.id, function, job, self._emit, stop, time.perf_counter()
            )

        try:
            return draw()
        except OutOfMemory:
            if self._judges is None or not self._judges.free():
                raise
        return draw()
