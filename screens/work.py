"""What the engine is doing, as the app knows it: a fold over the engine's events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from cems_tui.domain.request import (
    Event,
    Failed,
    Generated,
    Loading,
    Noted,
    Request,
    Routed,
    Scoring,
    Starting,
    Step,
)
from cems_tui.services.engine.protocol import EngineLost, EngineReady, Started, Submitted

Phase = Literal[
    "waiting", "starting", "starting the engine", "loading", "drawing", "scoring", "stopping"
]


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
    """The app's clock, seconds, when the engine took it."""


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
            case Submitted(asked=request):
                return self if self.job(name) else replace(self, jobs=(*self.jobs, Job(request)))
            case Started():
                return self._changing(name, phase="starting", began=now)
            case Routed(decision=decision):
                return self._changing(name, function=decision.choice or "")
            case Starting():
                return self._changing(name, phase="starting the engine")
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
            case Noted(note=note):
                return replace(self, note=note.text)
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
