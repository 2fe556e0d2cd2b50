"""What the engine is doing, as the screen knows it: a fold over the engine's events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from cems_tui.domain.generation import Generation
from cems_tui.domain.request import (
    Event,
    Failed,
    Generated,
    Loading,
    Note,
    Request,
    Routed,
    Scoring,
    Step,
)
from cems_tui.services.worker import EngineLost, EngineReady, Started
from screens import figures

Phase = Literal["waiting", "starting", "loading", "drawing", "scoring", "stopping"]


@dataclass(frozen=True, slots=True)
class Job:
    """One request that was submitted and has not ended."""

    request: Request
    phase: Phase = "waiting"
    function: str = ""
    step: int = 0
    steps: int = 0
    loading_seconds: float | None = None
    """How long loading is expected to take; None when unknown."""

    began: float | None = None
    """The screen's clock, seconds, when the engine took it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The request that failed last and why."""

    request: Request | None
    message: str
    hint: str
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """Everything under way, oldest first."""

    jobs: tuple[Job, ...] = ()
    ready: bool = False
    """Whether the engine has opened its session."""

    resident: frozenset[str] = frozenset()
    failure: Failure | None = None
    note: str = ""
    lost: EngineLost | None = None
    """Set from the engine's death until a fresh one is started."""

    @property
    def running(self) -> Job | None:
        return next((job for job in self.jobs if job.phase != "waiting"), None)

    @property
    def waiting(self) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if job.phase == "waiting")

    def job(self, name: str) -> Job | None:
        return next((job for job in self.jobs if job.request.id == name), None)

    def submitting(self, request: Request) -> Work:
        """With one more request; what failed before is no longer of interest."""
        return replace(self, jobs=(*self.jobs, Job(request)), failure=None, note="")

    def stopping(self, name: str) -> Work:
        """After the user asked a running request to stop."""
        return self._changing(name, phase="stopping")

    def refused(self, name: str, message: str, hint: str) -> Work:
        """After the request could not even be submitted."""
        return self._failing(Failed(name, message, hint))

    def restarted(self) -> Work:
        """With a fresh engine that holds what waited; what ran is lost."""
        return Work(jobs=self.waiting, failure=self.failure)

    def after(self, event: Event, now: float) -> Work:
        """What is under way once the engine has reported the event."""
        name = event.request
        match event:
            case EngineReady(resident=resident):
                return replace(self, ready=True, resident=resident)
            case EngineLost():
                return replace(self._losing(event), lost=event, ready=False, resident=frozenset())
            case Started():
                return self._changing(name, phase="starting", began=now)
            case Routed(decision=decision):
                return self._changing(name, function=decision.choice or "")
            case Loading(function=function, expected_seconds=seconds):
                return self._changing(
                    name, phase="loading", function=function, loading_seconds=seconds
                )
            case Step(function=function, step=step, steps=steps):
                return self._changing(
                    name, phase="drawing", function=function, step=step, steps=steps
                )
            case Scoring(function=function):
                return self._changing(name, phase="scoring", function=function)
            case Note(text=text):
                return replace(self, note=text)
            case Generated():
                return replace(self, jobs=self._without(name))
            case Failed():
                return self._failing(event)
        return self

    def _without(self, name: str) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if job.request.id != name)

    def _changing(self, name: str, **changes: object) -> Work:
        job = self.job(name)
        if job is None:
            return self
        if job.phase == "stopping" and "phase" in changes:
            changes["phase"] = "stopping"  # it was asked to stop, whatever it still reports
        changed = replace(job, **changes)  # type: ignore[arg-type]
        return replace(self, jobs=tuple(changed if j is job else j for j in self.jobs))

    def _failing(self, event: Failed) -> Work:
        job = self.job(event.request)
        failure = Failure(
            job.request if job else None, event.message, event.hint, event.exit_code == 130
        )
        return replace(self, jobs=self._without(event.request), failure=failure)

    def _losing(self, event: EngineLost) -> Work:
        job = self.job(event.request)
        if job is None:
            return self
        failure = Failure(job.request, event.message, event.hint)
        return replace(self, jobs=self._without(event.request), failure=failure)


# What this session made and what it cost: measured, and against always taking the dearest.


@dataclass(frozen=True, slots=True)
class SessionTotals:
    """Sums over the pictures of a session. Unpriced pictures are counted, never summed as 0."""

    pictures: int = 0
    unpriced: int = 0
    usd: float = 0.0
    """Over the priced pictures."""

    compared_usd: float = 0.0
    """Over the pictures whose decision priced a dearest candidate."""

    dearest_usd: float = 0.0
    """What those would have cost at their dearest candidate's price."""

    dearest: frozenset[str] = frozenset()
    """The functions that were the dearest."""

    def adding(self, generation: Generation) -> SessionTotals:
        """With one more picture."""
        cost, dearest = generation.cost_usd, generation.decision.dearest
        if cost is None:
            return replace(self, pictures=self.pictures + 1, unpriced=self.unpriced + 1)
        totals = replace(self, pictures=self.pictures + 1, usd=self.usd + cost)
        if dearest is None or dearest.cost_usd is None:
            return totals
        return replace(
            totals,
            compared_usd=self.compared_usd + cost,
            dearest_usd=self.dearest_usd + dearest.cost_usd,
            dearest=self.dearest | {dearest.function},
        )

    @property
    def saved(self) -> float | None:
        """The share saved against always the dearest; None when nothing can be compared."""
        return 1 - self.compared_usd / self.dearest_usd if self.dearest_usd else None

    def parts(self) -> list[str]:
        """The line about the session, most important part first."""
        if not self.pictures:
            return ["no pictures yet"]
        parts = [f"{self.pictures} picture{'' if self.pictures == 1 else 's'}"]
        priced = self.pictures - self.unpriced
        if priced:
            parts.append(figures.per_thousand(self.usd / priced))
        if self.saved is not None:
            # the dearest was not run, so its price is what was expected of it
            parts.append(f"saved ~{figures.percent(self.saved)}")
        if self.unpriced:
            parts.append(f"{self.unpriced} unpriced")
        return parts

    def versus(self) -> str:
        """What the saving is measured against, for where there is room."""
        if self.saved is None:
            return ""
        return f"vs always {next(iter(self.dearest)) if len(self.dearest) == 1 else 'the dearest'}"
