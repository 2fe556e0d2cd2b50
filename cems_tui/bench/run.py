"""Running a benchmark: one cell after the other, each kept as soon as it is done.

It knows neither how pictures are made nor where cells are kept: it is given a maker and a book.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from cems_tui.bench.plan import BenchPlan, BenchPrompt, Cell, CellEstimate, CellKey, Status
from cems_tui.errors import (
    BudgetReached,
    CemsError,
    DeviceBusy,
    Interrupted,
    StorageError,
)

STOPS_AT_ONCE = (BudgetReached, DeviceBusy, StorageError)
"""Failures that the next cell would have too: the run ends, what is done is kept."""

Stop = Callable[[], bool]


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
        self, name: str, key: CellKey, prompt: BenchPrompt, cell: Cell | None, error: str | None
    ) -> None: ...

    def end(self, name: str, status: Status) -> None: ...


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

    ended: Literal["done", "stopped", "budget"]
    exit_code: int
    """0, the highest of the failed cells' codes, 6 for the budget, 130 when stopped."""

    message: str = ""
    """Why it ended early; empty when it did not."""


@dataclass(slots=True)
class _Progress:
    made: int = 0
    failed: int = 0
    spent_usd: float = 0.0
    unpriced: int = 0
    exit_code: int = 0


def run_bench(
    plan: BenchPlan,
    maker: Maker,
    book: Book,
    emit: Callable[[CellDone], None],
    stop: Stop,
    *,
    resume: bool = False,
    retry_failed: bool = False,
    budget_usd: float | None = None,
    estimate: Callable[[str], CellEstimate] | None = None,
) -> BenchOutcome:
    """Make every cell of the plan that is not there yet.

    Args:
        plan: what to run; one function after the other.
        maker: makes and scores a picture.
        book: keeps each cell as soon as it is done.
        emit: told of each cell once it is kept.
        stop: asked between cells, and by the maker within them.
        resume: let a benchmark of that name grow to this plan.
        retry_failed: try the cells again that failed in an earlier run.
        budget_usd: the most this run may cost; a cell expected to break it is not begun.
        estimate: what a cell of a function should cost, for the budget.

    Raises:
        UsageError: another benchmark has the name, or scores come from another instrument.
        DeviceBusy, StorageError: the run cannot go on; what is done is kept.
    """
    whole = book.begin(plan, resume=resume)
    keys = whole.left(book.done(whole.name, failed_too=not retry_failed))
    total = len(whole.prompts) * len(whole.functions) * len(whole.seeds)
    prompts = {prompt.id: prompt for prompt in whole.prompts}
    progress = _Progress()
    status: Status = "stopped"
    ended: Literal["done", "stopped", "budget"] = "done"
    message = ""
    tried = 0
    try:
        for key in keys:
            _refuse_over_budget(key.function, progress, budget_usd, estimate)
            if stop():
                raise Interrupted("the benchmark was stopped")
            done = _try(whole.name, key, prompts[key.prompt_id], maker, book, stop, progress)
            tried += 1
            emit(
                CellDone(
                    whole.name,
                    key,
                    prompts[key.prompt_id].prompt,
                    *done,
                    number=total - len(keys) + tried,
                    total=total,
                )
            )
        status = "done"
    except Interrupted as error:
        ended, message, progress.exit_code = "stopped", str(error), error.exit_code
    except BudgetReached as error:
        ended, message, progress.exit_code = "budget", str(error), error.exit_code
    finally:
        book.end(whole.name, status)
    return BenchOutcome(
        made=progress.made,
        failed=progress.failed,
        skipped=total - len(keys),
        left=len(keys) - tried,
        spent_usd=progress.spent_usd,
        unpriced=progress.unpriced,
        ended=ended,
        exit_code=progress.exit_code,
        message=message,
    )


def _try(
    name: str,
    key: CellKey,
    prompt: BenchPrompt,
    maker: Maker,
    book: Book,
    stop: Stop,
    progress: _Progress,
) -> tuple[Cell | None, str | None]:
    """Make one cell and keep it, made or failed."""
    try:
        cell = maker.make(key.function, prompt.prompt, key.seed, stop)
    except (Interrupted, *STOPS_AT_ONCE):
        raise
    except CemsError as error:
        book.record(name, key, prompt, None, str(error))
        progress.failed += 1
        progress.exit_code = max(progress.exit_code, error.exit_code)
        return None, str(error)
    book.record(name, key, prompt, cell, None)
    progress.made += 1
    progress.spent_usd += cell.cost_usd or 0.0
    progress.unpriced += cell.cost_usd is None
    return cell, None


def _refuse_over_budget(
    function: str,
    progress: _Progress,
    budget_usd: float | None,
    estimate: Callable[[str], CellEstimate] | None,
) -> None:
    """Stop before a cell that would break the budget, or that cannot be held to it.

    Raises:
        BudgetReached: it would, or its price is unknown.
    """
    if budget_usd is None:
        return
    expected = None if estimate is None else estimate(function).cost_usd
    if expected is None and estimate is not None:
        raise BudgetReached(f"{function} has no known price, so it cannot be held to a budget")
    if progress.spent_usd + (expected or 0.0) > budget_usd or (
        expected is None and progress.spent_usd >= budget_usd
    ):
        raise BudgetReached(
            f"the benchmark has cost ${progress.spent_usd:.3g} and the next picture of {function} "
            f"would break the budget of ${budget_usd:.3g}"
        )
