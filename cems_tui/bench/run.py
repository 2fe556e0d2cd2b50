"""Running a benchmark: one cell after the other, each kept as soon as it is done.

It knows neither how pictures are made nor where cells are kept: it is given a maker and a book.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from cems_tui.bench.bill import CellEstimate, drift
from cems_tui.bench.gallery import Gallery, opened
from cems_tui.cancel import Stop, refuse_stopped
from cems_tui.domain.bench import (
    BenchPlan,
    BenchPrompt,
    Cell,
    CellKey,
    CellState,
    Parts,
    Status,
    Task,
)
from cems_tui.domain.decision import Policy
from cems_tui.domain.function import Catalog, GenerationFunction
from cems_tui.domain.pricing import Pricing
from cems_tui.domain.request import Request
from cems_tui.domain.score import Score
from cems_tui.errors import (
    BudgetReached,
    CemsError,
    DeviceBusy,
    GenerationError,
    Interrupted,
    OutOfMemory,
    StorageError,
)
from cems_tui.generation.cost_model import Observation
from cems_tui.scoring.panel import Judges, judged
from cems_tui.services.session import Drawn, Session, job_of, measured_seconds

STOPS_AT_ONCE = (BudgetReached, DeviceBusy, StorageError)
"""Failures that the next cell would have too: the run ends, what is done is kept."""

Ended = Literal["done", "stopped", "budget"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read off a kept picture."""

    scores: tuple[Score, ...] = ()
    seconds: float | None = None
    error: str | None = None
    """Why there are no scores."""

    picture_lost: bool = False
    """Whether the file is gone, or is no picture any more."""


class Maker(Protocol):
    """Makes and scores one picture, or reads one that is kept."""

    def make(self, key: CellKey, prompt: str, stop: Stop) -> Cell:
        """The measured cell.

        Raises:
            Interrupted: `stop` said so.
            CemsError: it could not be made.
        """
        ...

    def read(self, key: CellKey, prompt: str, picture: str, metrics: Sequence[str]) -> Reading:
        """These metrics of a kept picture, named from the home."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """What came of drawing a cell: it, or why there is none."""

    cell: Cell | None
    error: CemsError | None = None


Draw = Callable[[Iterator[tuple[Task, str]]], Iterator[tuple[Task, Made]]]
"""Draws cells of these prompts as they are given, and gives each back when it is done."""


def made_by(maker: Maker, key: CellKey, prompt: str, stop: Stop) -> Made:
    """One cell, or why it failed.

    Raises:
        Interrupted: `stop` said so.
        BudgetReached, DeviceBusy, StorageError: the next would fail too.
    """
    try:
        return Made(maker.make(key, prompt, stop))
    except (Interrupted, *STOPS_AT_ONCE):
        raise
    except CemsError as failure:
        return Made(None, failure)


class Book(Protocol):
    """Where cells are kept; the store's `benches` is one."""

    def begin(self, plan: BenchPlan, *, resume: bool) -> BenchPlan: ...

    def kept(self, name: str) -> Mapping[CellKey, CellState]: ...

    def record(
        self,
        plan: BenchPlan,
        key: CellKey,
        prompt: BenchPrompt,
        cell: Cell | None,
        error: str | None,
    ) -> None: ...

    def add_readings(
        self,
        name: str,
        key: CellKey,
        metrics: Sequence[str],
        read: Sequence[Score],
        seconds: float | None,
        error: str | None,
        *,
        picture_lost: bool = False,
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
    read_only: bool = False
    """Whether its kept picture was read, and not drawn."""

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
            "picture_bytes": cell.picture.image_bytes if cell and cell.picture else None,
            "read_only": self.read_only,
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
    """Pictures drawn."""

    read: int
    """Kept pictures that were read, and not drawn."""

    failed: int
    skipped: int
    """Cells kept from earlier runs, as they are."""

    left: int
    """Cells not tried."""

    unreadable: int
    """Cells without a metric of the plan, and without a picture to read it off."""

    billed_seconds: float
    """What the pictures drawn took: encode, denoise, decode."""

    foreseen_seconds: float | None
    """What they were expected to take before the run; None where that was not known of all."""

    foreseen_usd: float | None
    """What they were expected to cost; None where that was not known of all."""

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
    able: Callable[[], Collection[str]] | None = None,
    foresee: Callable[[str], CellEstimate] = lambda function: CellEstimate(None, None),
    read_only: bool = False,
    give_way: Callable[[], None] = lambda: None,
    draw: Draw | None = None,
) -> BenchOutcome:
    """Make every cell of the plan that is not there yet, functions interleaved.

    A cell whose picture is kept and lacks a metric is read, not drawn.

    Args:
        plan, maker, book: what to run, who makes a picture, where its cell is kept at once.
        emit, stop: told of each kept cell; asked between cells, and by the maker within them.
        resume: let a benchmark of that name grow to this plan.
        retry_failed: try the cells again that failed in an earlier run.
        budget: what this run may cost; a cell expected to break it is not begun.
        groups: functions whose models the device holds together, see `BenchPlan.keys`.
        able: the functions that can be drawn, asked before each cell; cells of others are left.
            None is all.
        foresee: what a picture of a function was expected to take; asked once, at the beginning.
        read_only: read pictures that are kept, draw none.
        give_way: called before each cell; whoever waits for the device has it until it returns.
        draw: draws the cells; None has the maker draw one after the other.

    Raises:
        UsageError: another benchmark has the name, or scores come from another instrument.
        DeviceBusy, StorageError: the run cannot go on; what is done is kept.
    """
    whole = book.begin(plan, resume=resume)
    can = able or (lambda: whole.functions)
    able_now = can()
    kept = book.kept(whole.name)
    tasks = [
        task
        for task in whole.tasks(kept, groups, retry_failed=retry_failed)
        if task.picture is not None or (task.key.function in able_now and not read_only)
    ]
    run = _Run(whole, maker, book, tasks, whole.unreadable(kept), foresee)
    status: Status = "stopped"

    def one_by_one(given: Iterator[tuple[Task, str]]) -> Iterator[tuple[Task, Made]]:
        for task, prompt in given:
            yield task, made_by(maker, task.key, prompt, stop)

    def to_draw() -> Iterator[tuple[Task, str]]:
        """What is read is read meanwhile."""
        for task in tasks:
            refuse_stopped(stop, "the benchmark was stopped", hint="")
            give_way()
            if task.picture is not None:
                emit(run.read(task, task.picture))
                continue
            if task.key.function not in can():
                continue
            if budget is not None:
                budget.check(task.key.function, run.spent_usd + run.begun_usd(budget))
            yield run.begin(task)

    try:
        for task, made in (draw or one_by_one)(to_draw()):
            emit(run.keep(task, made))
        left = whole.tasks(book.kept(whole.name), groups) if read_only else ()
        status = "stopped" if left or not set(whole.functions) <= set(can()) else "done"
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
        self,
        plan: BenchPlan,
        maker: Maker,
        book: Book,
        tasks: Sequence[Task],
        unreadable: int,
        foresee: Callable[[str], CellEstimate],
    ) -> None:
        self._plan = plan
        self._maker = maker
        self._book = book
        self._tasks = len(tasks)
        self._skipped = plan.size - len(tasks)
        self._unreadable = unreadable
        drawn = {task.key.function for task in tasks if task.picture is None}
        self._foreseen = {name: foresee(name) for name in drawn}
        self._prompts = {prompt.id: prompt for prompt in plan.prompts}
        self._made = 0
        self._read = 0
        self._failed = 0
        self._unpriced = 0
        self._exit_code = 0
        self._seconds: list[tuple[str, float]] = []
        self._begun: set[CellKey] = set()
        self.spent_usd = 0.0

    def begin(self, task: Task) -> tuple[Task, str]:
        """A cell that is going to be drawn, with its prompt."""
        self._begun.add(task.key)
        return task, self._prompts[task.key.prompt_id].prompt

    def begun_usd(self, budget: Budget) -> float:
        """What the cells that are being drawn are expected to cost."""
        return sum(budget.estimate(key.function).cost_usd or 0.0 for key in self._begun)

    def read(self, task: Task, picture: str) -> CellDone:
        """Read a kept picture, and keep what came of it."""
        prompt = self._prompts[task.key.prompt_id]
        return self._done(task, prompt, *self._reading(task, picture, prompt))

    def keep(self, task: Task, made: Made) -> CellDone:
        """Keep what came of drawing a cell, good or bad."""
        self._begun.discard(task.key)
        prompt = self._prompts[task.key.prompt_id]
        return self._done(task, prompt, *self._drawing(task.key, prompt, made))

    def _done(
        self, task: Task, prompt: BenchPrompt, cell: Cell | None, error: str | None
    ) -> CellDone:
        self._failed += error is not None
        number = self._plan.size - self._tasks + self._made + self._read + self._failed
        return CellDone(
            self._plan.name,
            task.key,
            prompt.prompt,
            cell,
            error,
            number,
            self._plan.size,
            task.picture is not None,
        )

    def _drawing(
        self, key: CellKey, prompt: BenchPrompt, made: Made
    ) -> tuple[Cell | None, str | None]:
        cell, error = made.cell, None
        if made.error is not None:
            error = str(made.error)
            self._exit_code = max(self._exit_code, made.error.exit_code)
        if cell is not None and cell.score_error is not None:
            error = f"it was drawn, and could not be read: {cell.score_error}"
            self._exit_code = max(self._exit_code, GenerationError.exit_code)
        self._book.record(self._plan, key, prompt, cell, error)
        if cell is not None:
            self._made += error is None
            self.spent_usd += cell.cost_usd or 0.0
            self._unpriced += cell.cost_usd is None
            if cell.seconds is not None:
                self._seconds.append((key.function, cell.seconds))
        return cell, error

    def _reading(
        self, task: Task, picture: str, prompt: BenchPrompt
    ) -> tuple[Cell | None, str | None]:
        found = self._maker.read(task.key, prompt.prompt, picture, task.metrics)
        self._book.add_readings(
            self._plan.name,
            task.key,
            task.metrics,
            found.scores,
            found.seconds,
            found.error,
            picture_lost=found.picture_lost,
        )
        if found.error is not None:
            self._exit_code = max(self._exit_code, GenerationError.exit_code)
            return None, found.error
        self._read += 1
        return Cell(None, None, None, found.scores), None

    def outcome(self, ended: Ended, error: CemsError | None = None) -> BenchOutcome:
        """The run's figures, and why it ended."""
        drawn = [self._foreseen[function] for function, _ in self._seconds]
        seconds, prices = [one.seconds for one in drawn], [one.cost_usd for one in drawn]
        return BenchOutcome(
            made=self._made,
            read=self._read,
            failed=self._failed,
            skipped=self._skipped,
            left=self._tasks - self._made - self._read - self._failed,
            unreadable=self._unreadable,
            billed_seconds=sum(taken for _, taken in self._seconds),
            foreseen_seconds=_sum(seconds),
            foreseen_usd=_sum(prices),
            spent_usd=self.spent_usd,
            unpriced=self._unpriced,
            drift=drift(self._seconds),
            ended=ended,
            exit_code=self._exit_code if error is None else error.exit_code,
            message="" if error is None else str(error),
            hint="" if error is None else error.hint,
        )


def _sum(values: Sequence[float | None]) -> float | None:
    """The sum; None where one is unknown, or there is none."""
    known = [value for value in values if value is not None]
    return sum(known) if values and len(known) == len(values) else None


# Makes a benchmark's pictures with a session: drawn, scored, priced, and kept in a gallery.


class SessionMaker:
    """Draws with a session's engine; writes no row."""

    def __init__(
        self,
        session: Session,
        catalog: Catalog,
        pricing: Pricing,
        metrics: Sequence[str],
        home: Path,
        *,
        judges: Judges | None = None,
        gallery: Gallery | None = None,
        learn: Callable[[Observation], None] = lambda observation: None,
    ) -> None:
        """Every part is handed in.

        Args:
            home: what the files of kept pictures are named from.
            judges: read every picture; one line-up, whichever model drew it.
            gallery: keeps every picture; None keeps none.
            learn: told what every picture took.
        """
        self._session = session
        self._catalog = catalog
        self._pricing = pricing
        self._metrics = frozenset(metrics)
        self._home = home
        self._judges = judges
        self._gallery = gallery
        self._learn = learn

    def make(self, key: CellKey, prompt: str, stop: Stop) -> Cell:
        """The measured cell of one prompt, function and seed.

        Raises:
            Interrupted: `stop` said so.
            CemsError: it could not be drawn, or its picture not be kept.
        """
        chosen = self._catalog.function(key.function)
        request = Request("benchmark", prompt, Policy.pinned(key.function), seed=key.seed)
        drawn = self._draw(request, chosen, stop)
        image = drawn.picture.image
        parts = _parts_of(drawn)
        self._learn(_observed(key.function, parts, drawn))
        kept = None if self._gallery is None else self._gallery.keep(key, image)
        found = judged(self._judges, image, prompt, chosen.model.name)
        seconds = measured_seconds(drawn).billed
        return Cell(
            seconds=seconds,
            memory_bytes=drawn.memory_bytes,
            cost_usd=drawn.cost(self._pricing, seconds).usd,
            scores=tuple(score for score in found.scores if score.metric in self._metrics),
            contention=drawn.picture.contention,
            parts=parts,
            picture=kept,
            score_seconds=found.seconds,
            score_error=found.error,
        )

    def read(self, key: CellKey, prompt: str, picture: str, metrics: Sequence[str]) -> Reading:
        """These metrics of a kept picture."""
        try:
            image = opened(self._home / picture)
        except GenerationError as error:
            return Reading(error=str(error), picture_lost=True)
        found = judged(self._judges, image, prompt, self._model_of(key.function))
        scores = tuple(score for score in found.scores if score.metric in metrics)
        return Reading(scores, found.seconds, found.error)

    def _model_of(self, function: str) -> str:
        known = self._catalog.get(function)
        return function.rpartition("@")[0] if known is None else known.model.name

    def _draw(self, request: Request, function: GenerationFunction, stop: Stop) -> Drawn:
        """The picture; where the device is full, once more without the scorers on it."""
        job = job_of(request, function)

        def draw() -> Drawn:
            return self._session.draw(
                request.id, function, job, lambda event: None, stop, time.perf_counter()
            )

        try:
            return draw()
        except OutOfMemory:
            if self._judges is None or not self._judges.free():
                raise
        return draw()


def _parts_of(drawn: Drawn) -> Parts:
    picture = drawn.picture
    return Parts(
        width=picture.image.width,
        height=picture.image.height,
        encode_seconds=picture.encode_seconds,
        denoise_seconds=picture.denoise_seconds,
        decode_seconds=picture.decode_seconds,
        load_seconds=drawn.load_seconds,
        load_bytes=drawn.load_bytes,
        held_bytes=drawn.held_bytes,
        stage_bytes=picture.stage_bytes,
        precision=picture.precision,
        energy_wh=picture.energy_wh,
    )


def _observed(function: str, parts: Parts, drawn: Drawn) -> Observation:
    return Observation(
        function=function,
        width=parts.width,
        height=parts.height,
        encode_seconds=parts.encode_seconds,
        denoise_seconds=parts.denoise_seconds,
        decode_seconds=parts.decode_seconds,
        load_seconds=parts.load_seconds,
        memory_bytes=drawn.memory_bytes,
        load_bytes=parts.load_bytes,
        held_bytes=parts.held_bytes,
        stage_bytes=parts.stage_bytes,
        precision=parts.precision,
        contention=drawn.picture.contention,
        energy_wh=parts.energy_wh,
    )
