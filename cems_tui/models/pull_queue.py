"""Pulls one model after the other in the background; what is not finished is remembered."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Protocol

from cems_tui import log
from cems_tui.errors import CemsError, Interrupted, StorageError
from cems_tui.models.background import Stop
from cems_tui.models.events import Installed, ModelEvent, Progressed
from cems_tui.models.fetching import Emit
from cems_tui.models.files import write_json
from cems_tui.models.pulls import Pull, Pulls

CLOSE_SECONDS = 0.5
"""How long closing waits for the running pull to stop; what it fetched is safe at any moment."""

_TELL_SECONDS = 0.1
"""Progress is told at most this often."""


class PullOne(Protocol):
    """Pulls one model; `agreed` answers whatever it would ask the user."""

    def __call__(self, model: str, agreed: bool, emit: Emit, stop: Stop) -> Installed: ...


@dataclass(frozen=True, slots=True)
class Told:
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
        self._listener: Callable[[Told], None] = lambda told: None
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

    def listen(self, listener: Callable[[Told], None]) -> None:
        """Tell this one of every change from now on, and of how things stand."""
        with self._changed:
            self._listener = listener
            listener(Told(self._pulls))

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
                self._set(self._pulls.failing(pull.model, str(error), error.hint))
            except Exception as error:
                # whatever it is, the other pulls go on and the user reads of it
                log.error("pulling %s: %s", pull.model, traceback.format_exc())
                text = f"{pull.model} could not be pulled: {type(error).__name__}: {error}"
                self._set(self._pulls.failing(pull.model, text, "The log has the details."))
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
            self._listener(Told(self._pulls))

    def _set(self, pulls: Pulls, installed: Installed | None = None) -> None:
        with self._changed:
            self._pulls = pulls
            self._remember()
            self._changed.notify_all()
            self._listener(Told(pulls, installed))

    def _remember(self) -> None:
        """What is not finished, in its order; a disk that refuses costs only this memory."""
        kept = [{"model": pull.model, "agreed": pull.agreed} for pull in self._pulls.pulls]
        if not kept and not self._file.exists():
            return
        try:
            write_json(self._file, kept)
        except StorageError as error:
            log.error("the queue of pulls is not remembered: %s", error)


def _read(file: Path) -> list[tuple[str, bool]]:
    """Model and agreement of every pull that was not finished."""
    try:
        rows = json.loads(file.read_text("utf-8"))
        return [(str(row["model"]), row.get("agreed") is True) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.error("%s cannot be read, the pulls it names are forgotten: %s", file, error)
        return []
