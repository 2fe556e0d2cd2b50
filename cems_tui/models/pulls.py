"""Pulls that run, wait, are paused or failed, as everybody sees them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from cems_tui.models.events import ModelEvent, Planned, Progressed, Waited

State = Literal["waiting", "asking", "downloading", "checking", "copying", "paused", "failed"]
"""`asking` is before the Hub has told what there is to fetch."""

RATE_SECONDS = 5.0
"""The speed is that of so many seconds past."""

_MARK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Pull:
    """One model that is pulled, or is to be."""

    model: str
    agreed: bool = False
    """Whether the user has agreed to its licence."""

    state: State = "waiting"
    done_bytes: int | None = None
    total_bytes: int | None = None
    note: str = ""
    """Why it waits, or what went wrong."""

    hint: str = ""
    """What to do about what went wrong."""

    marks: tuple[tuple[float, int], ...] = ()
    """When (seconds of some clock) how many bytes were there, oldest first."""

    @property
    def under_way(self) -> bool:
        return self.state in ("asking", "downloading", "checking", "copying")

    @property
    def share(self) -> float | None:
        """How much of it is there, 0 to 1; None before that is known."""
        if self.done_bytes is None or not self.total_bytes:
            return None
        return min(1.0, self.done_bytes / self.total_bytes)

    @property
    def bytes_per_second(self) -> float | None:
        """The speed of the last seconds; None until there is one."""
        if self.state != "downloading" or len(self.marks) < 2:
            return None
        (began, first), (now, last) = self.marks[0], self.marks[-1]
        return (last - first) / (now - began) if now > began else None

    @property
    def seconds_left(self) -> float | None:
        """At the speed of the last seconds; None where that tells nothing."""
        speed = self.bytes_per_second
        if not speed or self.done_bytes is None or self.total_bytes is None:
            return None
        return (self.total_bytes - self.done_bytes) / speed


@dataclass(frozen=True, slots=True)
class Pulls:
    """The queue of a profile, oldest first; one is under way at a time."""

    pulls: tuple[Pull, ...] = ()

    def of(self, model: str) -> Pull | None:
        """The pull of a model; None when there is none."""
        return next((pull for pull in self.pulls if pull.model == model), None)

    @property
    def running(self) -> Pull | None:
        return next((pull for pull in self.pulls if pull.under_way), None)

    @property
    def waiting(self) -> tuple[Pull, ...]:
        return tuple(pull for pull in self.pulls if pull.state == "waiting")

    @property
    def paused(self) -> tuple[Pull, ...]:
        return tuple(pull for pull in self.pulls if pull.state == "paused")

    @property
    def failed(self) -> tuple[Pull, ...]:
        return tuple(pull for pull in self.pulls if pull.state == "failed")

    def adding(self, model: str, *, agreed: bool = False) -> Pulls:
        """With a model at the end that is to be pulled; what is queued or runs stays as it is."""
        old = self.of(model)
        if old is None:
            return Pulls((*self.pulls, Pull(model, agreed)))
        agreed = agreed or old.agreed
        if old.under_way:
            return self._changing(model, agreed=agreed)
        return self._changing(model, agreed=agreed, state="waiting", note="", hint="")

    def remembering(self, pull: Pull) -> Pulls:
        """With a pull of an earlier run, paused."""
        if self.of(pull.model) is not None:
            return self
        return Pulls((*self.pulls, replace(pull, state="paused")))

    def starting(self, model: str) -> Pulls:
        """Its turn has come."""
        return self._changing(model, state="asking", note="", hint="", marks=())

    def pausing(self, model: str) -> Pulls:
        """Stopped until the user resumes it; the speed starts anew."""
        return self._changing(model, state="paused", note="", hint="", marks=())

    def failing(self, model: str, note: str, hint: str) -> Pulls:
        """Given up on: why, and what to do about it."""
        return self._changing(model, state="failed", note=note, hint=hint, marks=())

    def without(self, model: str) -> Pulls:
        """Done, or no longer wanted."""
        return Pulls(tuple(pull for pull in self.pulls if pull.model != model))

    def after(self, event: ModelEvent, now: float) -> Pulls:
        """What is known once the running pull has reported the event at that time."""
        running = self.running
        if running is None:
            return self
        match event:
            case Planned():
                have = event.total_bytes - event.download_bytes
                return self._changing(
                    running.model, done_bytes=have, total_bytes=event.total_bytes, note=""
                )
            case Progressed():
                return self._changing(
                    running.model,
                    state=event.phase,
                    done_bytes=event.done_bytes,
                    total_bytes=event.total_bytes,
                    note="",
                    marks=_marked(running, event, now),
                )
            case Waited():
                return self._changing(running.model, note=event.reason, marks=())
        return self

    def _changing(self, model: str, **changes: object) -> Pulls:
        return Pulls(
            tuple(
                replace(pull, **changes) if pull.model == model else pull  # type: ignore[arg-type]
                for pull in self.pulls
            )
        )


def _marked(pull: Pull, event: Progressed, now: float) -> tuple[tuple[float, int], ...]:
    """The marks with one more; what is older than the speed looks back is left out."""
    if pull.state != event.phase:
        return ((now, event.done_bytes),)
    kept = tuple(mark for mark in pull.marks if now - mark[0] <= RATE_SECONDS)
    if len(kept) > 1 and now - kept[-2][0] < _MARK_SECONDS:
        kept = kept[:-1]  # the last one moves on until it is far enough from the one before
    return (*kept, (now, event.done_bytes))
