"""Pulls one model after the other in the background; what is not finished is remembered."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Literal, Protocol

from cems_tui import log
from cems_tui.cancel import Stop
from cems_tui.errors import CemsError, Interrupted, StorageError
from cems_tui.files import read_json, write_json
from cems_tui.models.events import Emit, Installed, ModelEvent, Noted, Progressed, Waited
from cems_tui.paths import ensure
from cems_tui.text import redacted

CLOSE_SECONDS = 0.5
"""How long closing waits for the running pull to stop; what it fetched is safe at any moment."""

_TELL_SECONDS = 0.1
"""Progress is told at most this often."""


class PullOne(Protocol):
    """Pulls one model; `agreed` answers whatever it would ask the user."""

    def __call__(self, model: str, agreed: bool, emit: Emit, stop: Stop) -> Installed: ...


@dataclass(frozen=True, slots=True)
class QueueUpdate:
    """The queue changed, or its running pull went on."""

    pulls: Pulls
    installed: Installed | None = None
    """A model that is whole since the last time."""


Fetched = Callable[[str], tuple[int, int] | None]
"""Bytes of a model that an unfinished pull left, and of all of it; None where nothing is known."""


class PullQueue:
    """Any thread may call; the listener is called from whichever thread changed something."""

    def __init__(
        self,
        pull: PullOne,
        file: Path,
        fetched: Fetched = lambda model: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """A queue with what an earlier run left, paused.

        Args:
            file: remembers what is not finished.
            fetched: how much of those an earlier run fetched.
        """
        self._pull = pull
        self._file = file
        self._clock = clock
        self._changed = threading.Condition(threading.RLock())
        self._stop = threading.Event()
        self._closing = False
        self._cancelled: str | None = None
        self._thread: threading.Thread | None = None
        self._last_told = 0.0
        self._listener: Callable[[QueueUpdate], None] = lambda told: None
        self._pulls = Pulls()
        for model, agreed in _read(file):
            done, total = fetched(model) or (None, None)
            pull_before = Pull(model, agreed, done_bytes=done, total_bytes=total)
            self._pulls = self._pulls.remembering(pull_before)

    @property
    def pulls(self) -> Pulls:
        """What is under way now."""
        with self._changed:
            return self._pulls

    def listen(self, listener: Callable[[QueueUpdate], None]) -> None:
        """Tell this one of every change from now on, and of how things stand."""
        with self._changed:
            self._listener = listener
            listener(QueueUpdate(self._pulls))

    def add(self, model: str, *, agreed: bool = False) -> None:
        """Pull a model, or go on with it, when its turn comes."""
        with self._changed:
            self._set(self._pulls.adding(model, agreed=agreed))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="pulls", daemon=True)
                self._thread.start()

    def pause(self, model: str) -> None:
        """Stop a pull that runs, or keep one that waits from starting."""
        with self._changed:
            pull = self._pulls.of(model)
            if pull is not None and pull.under_way:
                self._stop.set()
            elif pull is not None and pull.state == "waiting":
                self._set(self._pulls.pausing(model))

    def cancel(self, model: str) -> None:
        """Take a model out of the queue; what was fetched of it is kept."""
        with self._changed:
            pull = self._pulls.of(model)
            if pull is not None and pull.under_way:
                self._cancelled = model
                self._stop.set()
            elif pull is not None:
                self._set(self._pulls.without(model))

    def close(self) -> None:
        """Stop what runs, within half a second; all of it is remembered."""
        with self._changed:
            self._closing = True
            self._stop.set()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def _work(self) -> None:
        while (pull := self._next()) is not None:
            try:
                installed = self._pull(pull.model, pull.agreed, self._report, self._stop.is_set)
            except Interrupted:
                self._stopped(pull.model)
            except CemsError as error:
                self._set(self._pulls.failing(pull.model, redacted(str(error)), error.hint))
            except Exception as error:
                # whatever it is, the other pulls go on and the user reads of it
                log.error("pulling %s: %s", pull.model, traceback.format_exc())
                text = f"{pull.model} could not be pulled: {type(error).__name__}: {error}"
                self._set(
                    self._pulls.failing(pull.model, redacted(text), "The log has the details.")
                )
            else:
                self._set(self._pulls.without(pull.model), installed)

    def _next(self) -> Pull | None:
        """The next pull, waiting for one; None when the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._pulls.waiting)
            if self._closing:
                return None
            pull = self._pulls.waiting[0]
            self._stop.clear()
            self._cancelled = None
            self._set(self._pulls.starting(pull.model))
            return pull

    def _stopped(self, model: str) -> None:
        with self._changed:
            gone = self._cancelled == model
            self._set(self._pulls.without(model) if gone else self._pulls.pausing(model))

    def _report(self, event: ModelEvent) -> None:
        now = self._clock()
        with self._changed:
            self._pulls = self._pulls.after(event, now)
            if isinstance(event, Progressed) and now - self._last_told < _TELL_SECONDS:
                return
            self._last_told = now
            self._listener(QueueUpdate(self._pulls))

    def _set(self, pulls: Pulls, installed: Installed | None = None) -> None:
        with self._changed:
            self._pulls = pulls
            self._remember()
            self._changed.notify_all()
            self._listener(QueueUpdate(pulls, installed))

    def _remember(self) -> None:
        """What is not finished, in its order; a disk that refuses costs only this memory."""
        kept = [{"model": pull.model, "agreed": pull.agreed} for pull in self._pulls.pulls]
        if not kept and not self._file.exists():
            return
        try:
            ensure(self._file.parent)
            write_json(self._file, kept)
        except StorageError as error:
            log.error("the queue of pulls is not remembered: %s", error)


def _read(file: Path) -> list[tuple[str, bool]]:
    """Model and agreement of every pull that was not finished."""
    try:
        rows = read_json(file)
        return [(str(row["model"]), row.get("agreed") is True) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.error("%s cannot be read, the pulls it names are forgotten: %s", file, error)
        return []


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
            case Noted() | Installed():
                return self
            case plan:
                have = plan.total_bytes - plan.download_bytes
                return self._changing(
                    running.model, done_bytes=have, total_bytes=plan.total_bytes, note=""
                )

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
