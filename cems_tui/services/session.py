"""The one use case: a prompt is priced, routed, generated, scored and recorded.

The session knows protocols only; `Profile` knows which classes stand behind them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cems_tui.cancel import Stop, refuse_stopped
from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.function import Expected, GenerationFunction
from cems_tui.domain.generation import Generation, Seconds, now
from cems_tui.domain.note import Note, NoteKind
from cems_tui.domain.pricing import Cost, Pricing
from cems_tui.domain.request import (
    MAX_DRAWN_SEED,
    Event,
    Generated,
    Loading,
    Noted,
    Request,
    Routed,
    Scoring,
    Starting,
    Step,
)
from cems_tui.errors import GenerationTimeout, OutOfMemory
from cems_tui.generation.admission import Kind
from cems_tui.generation.ladder import Rung, next_rung
from cems_tui.generation.pipeline import Job, Picture, Pipeline
from cems_tui.scoring.panel import Judged, Judges, judged
from cems_tui.services.refusal import refusal_of

if TYPE_CHECKING:
    from PIL.Image import Image

Emit = Callable[[Event], None]

TOO_LARGE = "too large for the device now: its layers are brought there in turn"


class Planner(Protocol):
    """Prices and routes; never touches the device."""

    def decide(
        self, request: Request, resident: frozenset[str], *, installed_only: bool
    ) -> RoutingDecision: ...

    def function(self, name: str) -> GenerationFunction: ...

    def expected(
        self,
        function: GenerationFunction,
        width: int,
        height: int,
        resident: Collection[str] = (),
    ) -> Expected: ...


class Lease(Protocol):
    """A loaded pipeline that cannot be evicted while it is held."""

    @property
    def pipeline(self) -> Pipeline: ...

    @property
    def load_seconds(self) -> float | None: ...

    @property
    def load_bytes(self) -> int | None: ...


class Residency(Protocol):
    """What is on the device."""

    @property
    def offloads(self) -> bool:
        """Whether a model can be drawn with that the device does not hold whole."""
        ...

    def lease(
        self,
        function: GenerationFunction,
        beside_bytes: int | None = None,
        *,
        in_parts: bool = False,
    ) -> AbstractContextManager[Lease]: ...

    def fits(self, function: GenerationFunction, beside_bytes: int | None = None) -> bool | None:
        """Whether it could be leased now; None is unknown."""
        ...

    def resident(self) -> frozenset[str]:
        """Names of the models on the device."""
        ...

    def free(self, model: str) -> bool:
        """Take a model off the device, at the end of its use; whether it was resident."""
        ...

    def free_idle(self, kind: Kind | None = None) -> Sequence[str]:
        """Take off the device what is not in use; what left."""
        ...

    def relieve(self) -> Sequence[str]:
        """Take off the device what is idle as far as others need the memory; what left."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture in memory with all that was measured on the way."""

    function: GenerationFunction
    job: Job
    picture: Picture
    load_seconds: float | None
    load_bytes: int | None
    memory_bytes: int | None
    """Peak device bytes, weights included; None where what drawing took was not measured."""

    held_bytes: int
    """Device bytes of the model's weights, shared or not."""

    started: float
    """`time.perf_counter()` when the request was taken up."""

    start_seconds: float = 0.0
    """What making the process ready took; 0 where it was."""

    fallback: tuple[str, ...] = ()
    """What was tried beyond the plain way, as the device had no room, in words."""

    def cost(self, pricing: Pricing, seconds: float | None) -> Cost:
        """What the picture cost; by its weights alone, an estimate, where no peak was measured."""
        if self.memory_bytes is None:
            return pricing.cost(seconds, self.held_bytes, "estimated")
        return pricing.cost(seconds, self.memory_bytes, "measured")


class Session:
    """Runs requests one after the other; every window on the program goes through `run`."""

    def __init__(
        self,
        planner: Planner,
        residency: Residency,
        judges: Judges | None,
        commit: Callable[[Image, Generation], None],
        pricing: Pricing,
        session_id: str,
        pictures: Path,
        on_measured: Callable[[Generation], None] = lambda generation: None,
        warm_up: Callable[[GenerationFunction], None] = lambda function: None,
        due: Callable[[], Iterable[str]] = tuple,
        recorded: Callable[[str], Generation | None] = lambda request: None,
    ) -> None:
        """Every part is handed in.

        Args:
            commit: writes PNG and row so that both exist or neither.
            pictures: where pictures go unless a request says otherwise.
            on_measured: told of every finished picture.
            warm_up: what a process has to do once before it can load a function (imports); kept
                apart so that the load time is the model's own.
            due: the models that others asked to be freed, or that nobody used for too long.
            recorded: the picture of a request that was made already: its process was killed
                before it could tell.
        """
        self._planner = planner
        self._residency = residency
        self._judges = judges
        self._commit = commit
        self._pricing = pricing
        self._session_id = session_id
        self._pictures = pictures
        self._on_measured = on_measured
        self._warm_up = warm_up
        self._due = due
        self._recorded = recorded
        self._started = False
        self._too_large: set[str] = set()
        """Models that ran out of memory whole: they are not tried whole again."""

    def resident(self) -> frozenset[str]:
        """Names of the models on the device."""
        return self._residency.resident()

    def tend(self) -> bool:
        """Free what is due to leave, or needed by others, between pictures; whether any was there.

        With the last model the scorers and text towers leave too.
        """
        left = bool([name for name in self._due() if self._residency.free(name)])
        left = bool(self._residency.relieve()) or left
        if left and not self.resident():
            self._residency.free_idle("text tower")
            if self._judges is not None:
                self._judges.free()
        return left

    def close(self) -> None:
        """Take everything off the device."""
        self._residency.close()
        if self._judges is not None:
            self._judges.free()

    def run(self, request: Request, emit: Emit, stop: Stop) -> Generation:
        """Make one picture, from the decision to the committed row; one that is there is given.

        Args:
            request: what to make.
            emit: told of every phase; the last event is `Generated`.
            stop: asked in every step; true ends the work within one step.

        Raises:
            CemsError: with the contract's exit code; nothing is left half written.
        """
        started = time.perf_counter()
        if (made := self._recorded(request.id)) is not None:
            emit(Generated(request.id, made))
            return made
        watch = _watch(stop, request.deadline_seconds)
        decision = self._decide(request, emit)
        drawn = self._draw(request, decision, emit, watch, started)
        generation = self._judge(request, decision, drawn, emit, watch)
        self._commit(drawn.picture.image, generation)
        self._on_measured(generation)
        emit(Generated(request.id, generation))
        return generation

    def _decide(self, request: Request, emit: Emit) -> RoutingDecision:
        decision = self._planner.decide(request, self.resident(), installed_only=True)
        if (refused := refusal_of(decision)) is not None:
            raise refused
        assert decision.choice is not None, "what has no choice is refused"
        emit(Routed(request.id, decision))
        return decision

    def _draw(
        self, request: Request, decision: RoutingDecision, emit: Emit, stop: Stop, started: float
    ) -> Drawn:
        """The picture of the choice; of the next best that takes less where it has no room."""
        name, failed, said = decision.choice, list[str](), decision.kinds_of_notes
        told: tuple[str, ...] = ()
        while True:
            assert name is not None, "a decision without a choice is refused before"
            function = self._planner.function(name)
            job = job_of(request, function)
            request = replace(request, seed=job.seed)
            try:
                drawn = self._draw_with_room(request, function, job, emit, stop, started, said)
                return replace(drawn, fallback=(*told, *drawn.fallback))
            except OutOfMemory as error:
                failed.append(name)
                if (other := decision.smaller_than(failed)) is None:
                    raise
                told = (*told, str(error))
            note = f"out of memory; {other} draws instead of {name}"
            emit(Noted(request.id, Note("memory", note)))
            name = other

    def _draw_with_room(
        self,
        request: Request,
        function: GenerationFunction,
        job: Job,
        emit: Emit,
        stop: Stop,
        started: float,
        said: frozenset[NoteKind],
    ) -> Drawn:
        """The picture; where there is no room, without the others on the device, then in parts."""
        tried: list[Rung] = []
        told: tuple[str, ...] = ()
        if self._only_in_parts(function, job):
            tried.append("part by part")
            told = (TOO_LARGE,)
            emit(Noted(request.id, Note("memory", TOO_LARGE)))
        parts: list[Rung] = ["part by part"] if self._residency.offloads else []
        able: list[Rung] = ["free others", *parts]
        while True:
            in_parts = "part by part" in tried
            try:
                drawn = self.draw(request.id, function, job, emit, stop, started, said, in_parts)
                return replace(drawn, fallback=(*told, *drawn.fallback))
            except OutOfMemory:
                words = ""
                while not words:
                    if (rung := next_rung("load", tried, able)) is None:
                        raise
                    tried.append(rung)
                    words = self._climb(rung, function)
            told = (*told, words)
            emit(Noted(request.id, Note("memory", f"out of memory; {words}, trying again")))

    def _climb(self, rung: Rung, function: GenerationFunction) -> str:
        """Make a rung ready; what was done, in words, or nothing where it changes nothing."""
        if rung == "part by part":
            self._too_large.add(function.model.name)
            return "its layers are brought to the device in turn"
        others = self._make_room(function.model.name)
        return f"freed {', '.join(others)}" if others else ""

    def _only_in_parts(self, function: GenerationFunction, job: Job) -> bool:
        """Whether its model is known not to be held whole, even alone on the device."""
        if not self._residency.offloads:
            return False
        if function.model.name in self._too_large:
            return True
        expected = self._planner.expected(function, job.width, job.height, self.resident())
        return self._residency.fits(function, expected.most_beside_bytes) is False

    def _make_room(self, kept: str) -> list[str]:
        """Take all but one model off the device, scorers too; the names of what left."""
        others = sorted(self.resident() - {kept})
        for model in others:
            self._residency.free(model)
        others += self._residency.free_idle("text tower")
        return others if self._judges is None else [*others, *self._judges.free()]

    def draw(
        self,
        request_id: str,
        function: GenerationFunction,
        job: Job,
        emit: Emit,
        stop: Stop,
        started: float,
        said: frozenset[NoteKind] = frozenset(),
        in_parts: bool = False,
    ) -> Drawn:
        """The engine's generate step: a leased pipeline to a picture in memory.

        Args:
            said: the kinds of notes that the user has been told before.
            in_parts: with layers that are brought to the device in turn.
        """
        refuse_stopped(stop, "stopped before loading", hint="")
        start_seconds, resident = 0.0, self.resident()
        expected = self._planner.expected(function, job.width, job.height, resident)
        if function.model.name not in resident:
            start_seconds = self._start(request_id, function, emit)
            emit(Loading(request_id, function.name, expected.load_seconds))
        beside = expected.most_beside_bytes
        with self._residency.lease(function, beside, in_parts=in_parts) as lease:
            picture = lease.pipeline.generate(
                job,
                lambda step, steps: emit(Step(request_id, function.name, step, steps)),
                stop,
                lambda: self._make_room(function.model.name),
            )
            for rung in picture.fallback:
                emit(Noted(request_id, Note("memory", f"out of memory; {rung}")))
            for note in picture.notes:
                if note.kind not in said:
                    emit(Noted(request_id, note))
            held, extra = lease.pipeline.weight_bytes, picture.extra_bytes
            peak = None if extra is None else held + extra
            load = lease.load_seconds, lease.load_bytes
        self.tend()
        return Drawn(
            function, job, picture, *load, peak, held, started, start_seconds, picture.fallback
        )

    def _start(self, request_id: str, function: GenerationFunction, emit: Emit) -> float:
        """Make this process ready for the function's model; the seconds that took."""
        began = time.perf_counter()
        if not self._started:
            self._started = True
            emit(Starting(request_id))
        self._warm_up(function)
        return time.perf_counter() - began

    def _judge(
        self, request: Request, decision: RoutingDecision, drawn: Drawn, emit: Emit, stop: Stop
    ) -> Generation:
        found = Judged()
        if request.score and self._judges is not None:
            refuse_stopped(stop, "stopped before scoring; the picture was not kept", hint="")
            emit(Scoring(request.id, drawn.function.name))
            model = drawn.function.model.name
            for text in self._judges.notes(model):
                emit(Noted(request.id, Note("scorer", text)))
            found = judged(self._judges, drawn.picture.image, request.prompt, model)
        generation = self._record(request, decision, drawn)
        seconds = replace(
            generation.seconds,
            score=found.seconds,
            total=time.perf_counter() - drawn.started,
        )
        return replace(generation, scores=found.scores, score_error=found.error, seconds=seconds)

    def _record(self, request: Request, decision: RoutingDecision, drawn: Drawn) -> Generation:
        function, job, picture = drawn.function, drawn.job, drawn.picture
        seconds = measured_seconds(drawn)
        cost = drawn.cost(self._pricing, seconds.billed)
        folder = request.out_dir or self._pictures
        return Generation(
            id=request.id,
            session=request.session or self._session_id,
            prompt=request.prompt,
            negative=request.negative,
            function=decision.choice or function.name,
            executed=function.name,
            fallback="; ".join(drawn.fallback) or None,
            image=(folder / f"{request.id}.png").absolute(),
            seed=job.seed,
            width=picture.image.width,
            height=picture.image.height,
            steps=job.steps,
            guidance=job.guidance,
            sampler=picture.sampler,
            model=function.model.name,
            seconds=seconds,
            peak_memory_bytes=drawn.memory_bytes,
            energy_wh=picture.energy_wh,
            energy_usd=self._pricing.energy_usd(picture.energy_wh),
            cost_usd=cost.usd,
            cost_source=cost.source,
            load_cost_usd=self._pricing.load_usd(
                drawn.load_seconds, drawn.load_bytes, resident=drawn.load_seconds == 0.0
            ),
            load_bytes=drawn.load_bytes,
            held_bytes=drawn.held_bytes,
            stage_bytes=picture.stage_bytes,
            precision=picture.precision,
            contention=picture.contention,
            scores=(),
            decision=decision.also_noting(picture.notes),
            created=now(),
        )


def measured_seconds(drawn: Drawn) -> Seconds:
    """Where the time of a drawn picture went, scoring not yet included."""
    picture = drawn.picture
    return Seconds(
        load=drawn.load_seconds,
        encode=picture.encode_seconds,
        denoise=picture.denoise_seconds,
        decode=picture.decode_seconds,
        score=None,
        total=time.perf_counter() - drawn.started,
        start=drawn.start_seconds,
    )


def job_of(request: Request, function: GenerationFunction) -> Job:
    """What the pipeline is asked for: the function's settings with the request's own."""
    return Job(
        prompt=request.prompt,
        negative=request.negative,
        seed=random.SystemRandom().randint(0, MAX_DRAWN_SEED)
        if request.seed is None
        else request.seed,
        steps=function.steps,
        guidance=function.guidance,
        width=request.width or function.width,
        height=request.height or function.height,
        scheduler=function.scheduler,
        clip_skip=function.clip_skip,
    )


def _watch(stop: Stop, deadline_seconds: float | None) -> Stop:
    """`stop`, which also raises GenerationTimeout once the deadline has passed."""
    if deadline_seconds is None:
        return stop
    end = time.monotonic() + deadline_seconds

    def watched() -> bool:
        if time.monotonic() > end:
            raise GenerationTimeout(f"the picture was not ready within {deadline_seconds:g} s")
        return stop()

    return watched
