"""The long work that runs: a `cems` command in a process of its own, followed line by line.

A benchmark, a training, pictures drawn again. One at a time. What draws gives the device to
whoever draws in the app before its next picture; what the app's engine keeps on the device when it
idles, it is asked to free, so that the work goes on.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from textual.signal import Signal

from cems_tui.domain.job import Epoch
from cems_tui.errors import CemsError
from cems_tui.services.app.own_command import command_line, refused
from screens import figures
from screens.failures import log_traceback
from screens.messages import RunTold

if TYPE_CHECKING:
    from textual.app import App

    from screens.services.engine import EngineState

CLOSE_SECONDS = 2.0
"""How long closing waits for it to end in order."""

PATIENCE_SECONDS = 86_400
"""How long it waits for the device at its start."""

RunKind = Literal["bench", "train", "retrain", "shadow"]

COMMANDS: Mapping[RunKind, tuple[str, ...]] = {
    "bench": ("bench", "run", "--name"),
    "train": ("router", "train", "--name"),
    "retrain": ("router", "retrain"),
    "shadow": ("shadow", "run", "--pictures"),
}
"""The command of each; the name of the run follows."""

WORDS: Mapping[RunKind, str] = {
    "bench": "benchmark {}",
    "train": "training of {}",
    "retrain": "retraining of {}",
    "shadow": "drawing of {} pictures again",
}
"""What each is called where it is told of."""

SHORT: Mapping[RunKind, str] = {
    "bench": "bench {}", "train": "train {}", "retrain": "retrain {}", "shadow": "draw again",
}  # fmt: skip
DRAWS: frozenset[RunKind] = frozenset({"bench", "shadow"})
"""What needs the device, and tells a line a picture; what learns tells one document at its end."""


class FreesDevice(Protocol):
    """What knows the device; a desk of benchmarks is one."""

    def free_device(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Promise:
    """What it was expected to take before it started. None is unknown."""

    seconds: float | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class LongJob:
    """Long work that runs, or ran last."""

    kind: RunKind
    name: str
    """Of the benchmark or the router; of pictures drawn again their number."""

    began: float
    """On the app's clock, in seconds; of what draws that of the first picture, once there is
    one."""

    now: float = 0.0
    """When it told something last."""

    number: int = 0
    """Of its pictures, those that are done, in earlier runs too."""

    total: int = 0
    first: int = 0
    """`number` when this run's first picture was done."""

    failed: int = 0
    spent_usd: float = 0.0
    unpriced: int = 0
    promise: Promise = Promise()
    epochs: tuple[Epoch, ...] = ()
    """Of a training whose network is taught in steps, those that are done."""

    said: str = ""
    """The last line that it told."""

    stopping: bool = False
    ended: int | None = None
    """Its exit code; None while it runs."""

    problem: tuple[str, str] | None = None
    """Why it ended early, and what to do about it."""

    document: Mapping[str, Any] | None = None
    """What a training told of the router it made."""

    @property
    def runs(self) -> bool:
        return self.ended is None

    @property
    def called(self) -> str:
        """`benchmark mine`."""
        return WORDS[self.kind].format(self.name)

    @property
    def share(self) -> float | None:
        """Of the whole, what is done; None where that cannot be told."""
        if self.epochs:
            return self.epochs[-1].share
        return self.number / self.total if self.total else None

    @property
    def seconds_left(self) -> float | None:
        """From what it told last, by the pace of this run; None until it has one."""
        if self.epochs:
            done, left = self.epochs[-1].share, 1 - self.epochs[-1].share
        else:
            done, left = self.number - self.first, self.total - self.number
        if done <= 0 or not (self.total or self.epochs):
            return None
        return (self.now - self.began) / done * left

    def after(self, line: Mapping[str, Any], now: float) -> LongJob:
        """How it stands after a line of its `--json`."""
        cost = line["cost_usd"]
        counts = "number" in line  # a picture drawn again tells itself, not how many there are
        number = int(line["number"]) if counts else self.number + 1
        fresh = self.number == 0
        drawn = not counts or (line["error"] is None and not line["read_only"])
        return replace(
            self,
            now=now,
            began=now if fresh else self.began,
            first=number if fresh else self.first,
            number=number,
            total=int(line["total"]) if counts else self.total,
            failed=self.failed + (counts and line["error"] is not None),
            spent_usd=self.spent_usd + (cost or 0.0),
            unpriced=self.unpriced + (drawn and cost is None),
        )

    def saying(self, text: str, now: float) -> LongJob:
        """How it stands after a line of what it narrates."""
        epoch = Epoch.read(text)
        if epoch is None:
            return replace(self, said=text)
        return replace(self, said=text, now=now, epochs=(*self.epochs, epoch))

    def words(self) -> str:
        """`bench mine 24 % · 0:07 left`, for the top line of every screen."""
        if not self.runs:
            return ""
        short = SHORT[self.kind].format(self.name)
        share, left = self.share, self.seconds_left
        if share is None:
            return f"{short} {'starting' if self.kind in DRAWS else 'learning'}"
        ending = "" if left is None else f" · {figures.clock(left)} left"
        return f"{short} {figures.percent(share)}{ending}"


class LongRun:
    """Holds the state; screens subscribe to `changed`. One at a time.

    Only the UI's thread calls it.
    """

    def __init__(
        self,
        app: App[None],
        open_desk: Callable[[], FreesDevice],
        clock: Callable[[], float] = time.monotonic,
        command: Callable[[Sequence[str]], list[str]] = command_line,
    ) -> None:
        """`open_desk` is called in a thread; `command` says what runs `cems` with some words."""
        self.state: LongJob | None = None
        self.changed: Signal[LongJob | None] = Signal(app, "long-run")
        self.clock = clock
        self._app = app
        self._open_desk = open_desk
        self._command = command
        self._process: subprocess.Popen[str] | None = None

    @property
    def running(self) -> LongJob | None:
        """The job that runs now."""
        return self.state if self.state is not None and self.state.runs else None

    def start(
        self,
        kind: RunKind,
        name: str,
        words: Sequence[str] = (),
        promise: Promise | None = None,
    ) -> None:
        """Runs its command with these words; there is none running.

        Args:
            words: beyond the name: `--prompts starter`, `--retry-failed`; a benchmark without
                any goes on.
            promise: what it is expected to take.
        """
        assert self.running is None
        line = [*COMMANDS[kind], name, *words, "--json"]
        if kind in DRAWS:
            line += ["--wait", str(PATIENCE_SECONDS)]
        total = int(name) if kind == "shadow" else 0
        self.state = LongJob(
            kind, name, self.clock(), self.clock(), total=total, promise=promise or Promise()
        )
        self.changed.publish(self.state)
        threading.Thread(target=self._run, args=(line, kind), name="long-run", daemon=True).start()
        if kind in DRAWS:
            self._free()

    def stop(self) -> None:
        """Ends it after what it does now; what is done is kept."""
        if self.running is not None:
            self.state = replace(self.running, stopping=True)
            self.changed.publish(self.state)
            self._interrupt()

    def follow(self, told: RunTold) -> None:
        """It told something, or has ended."""
        if self.state is None:
            return
        if told.line is not None:
            self.state = self.state.after(told.line, self.clock())
        if told.said:
            self.state = self.state.saying(told.said, self.clock())
        if told.ended is not None:
            self.state = replace(
                self.state, ended=told.ended, problem=told.problem, document=told.document
            )
        self.changed.publish(self.state)

    def follow_engine(self, engine: EngineState) -> None:
        """An app that has nothing to draw leaves the device to what draws."""
        job = self.running
        idles = not engine.work.jobs and engine.work.resident
        if job is not None and job.kind in DRAWS and idles:
            self._free()

    def close(self) -> None:
        """Ends it in order; it goes on another time."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        self._interrupt()
        try:
            process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()

    def _interrupt(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def _free(self) -> None:
        def free() -> None:
            try:
                self._open_desk().free_device()
            except CemsError as error:
                self._app.post_message(RunTold(said=f"{error} {error.hint}"))

        threading.Thread(target=free, name="long-run-device", daemon=True).start()

    def _run(self, line: Sequence[str], kind: RunKind) -> None:
        """In a thread: the process from its start to its end."""
        document: Mapping[str, Any] | None = None
        try:
            process = subprocess.Popen(
                self._command(line),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            self._process = process
            noted: list[str] = []
            notes = threading.Thread(target=self._note, args=(process, noted), daemon=True)
            notes.start()
            assert process.stdout is not None
            if kind in DRAWS:
                for told in process.stdout:
                    self._app.post_message(RunTold(line=json.loads(told)))
            else:
                text = process.stdout.read()
                document = json.loads(text) if text.strip() else None
            code = process.wait()
            notes.join()
        except (OSError, ValueError) as error:
            problem = (f"`cems {line[0]} {line[1]}` failed: {error}", log_traceback(error))
            self._app.post_message(RunTold(ended=1, problem=problem))
            return
        why = None if code == 0 else refused("\n".join(noted), code)
        why_told = None if why is None else (str(why), why.hint)
        self._app.post_message(RunTold(ended=code, problem=why_told, document=document))

    def _note(self, process: subprocess.Popen[str], noted: list[str]) -> None:
        assert process.stderr is not None
        for told in process.stderr:
            if text := told.strip():
                noted.append(text)
                self._app.post_message(RunTold(said=text))
