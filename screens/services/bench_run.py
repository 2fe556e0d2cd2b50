"""The benchmark that runs: the `cems` command in a process of its own, followed line by line.

It gives the device to whoever draws in the app before its next picture; what the app's engine
keeps on the device when it idles, it is asked to free, so that the benchmark goes on.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from textual.signal import Signal

from cems_tui.errors import CemsError
from cems_tui.services.app.own_command import command_line, refused
from screens import figures
from screens.failures import log_traceback
from screens.messages import BenchTold

if TYPE_CHECKING:
    from textual.app import App

    from screens.services.engine import EngineState

CLOSE_SECONDS = 2.0
"""How long closing waits for a benchmark to end in order."""

PATIENCE_SECONDS = 86_400
"""How long a benchmark waits for the device at its start."""


class FreesDevice(Protocol):
    """What knows the device; a desk of benchmarks is one."""

    def free_device(self) -> None: ...


@dataclass(frozen=True, slots=True)
class BenchJob:
    """A benchmark that runs, or ran last."""

    name: str
    began: float
    """On the app's clock, in seconds; of the first picture, once there is one."""

    now: float = 0.0
    """When it told something last."""

    number: int = 0
    """Of its cells, those that are done, in earlier runs too."""

    total: int = 0
    first: int = 0
    """`number` when this run's first picture was done."""

    failed: int = 0
    spent_usd: float = 0.0
    unpriced: int = 0
    said: str = ""
    """The last line that it told."""

    stopping: bool = False
    ended: int | None = None
    """Its exit code; None while it runs."""

    problem: tuple[str, str] | None = None
    """Why it ended early, and what to do about it."""

    @property
    def runs(self) -> bool:
        return self.ended is None

    @property
    def seconds_left(self) -> float | None:
        """From its last picture on, by the pace of this run; None until it has one."""
        done = self.number - self.first
        if done < 1 or not self.total:
            return None
        return (self.now - self.began) / done * (self.total - self.number)

    def after(self, line: dict[str, Any], now: float) -> BenchJob:
        """How it stands after a line of `cems bench run --json`."""
        number, cost = int(line["number"]), line["cost_usd"]
        fresh = self.number == 0
        drawn = line["error"] is None and not line["read_only"]
        return replace(
            self,
            now=now,
            began=now if fresh else self.began,
            first=number if fresh else self.first,
            number=number,
            total=int(line["total"]),
            failed=self.failed + (line["error"] is not None),
            spent_usd=self.spent_usd + (cost or 0.0),
            unpriced=self.unpriced + (drawn and cost is None),
        )

    def words(self) -> str:
        """`bench mine 24 % · 0:07 left`, for the top line of every screen."""
        if not self.runs:
            return ""
        if not self.total:
            return f"bench {self.name} starting"
        left = self.seconds_left
        ending = "" if left is None else f" · {figures.clock(left)} left"
        return f"bench {self.name} {figures.percent(self.number / self.total)}{ending}"


class BenchRun:
    """Holds the state; screens subscribe to `changed`. One benchmark at a time.

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
        self.state: BenchJob | None = None
        self.changed: Signal[BenchJob | None] = Signal(app, "benchmark")
        self.clock = clock
        self._app = app
        self._open_desk = open_desk
        self._command = command
        self._process: subprocess.Popen[str] | None = None

    @property
    def running(self) -> BenchJob | None:
        """The job that runs now."""
        return self.state if self.state is not None and self.state.runs else None

    def start(self, name: str, words: Sequence[str]) -> None:
        """Runs `cems bench run --name NAME` with these words; there is none running.

        Args:
            words: beyond the name: `--prompts starter`, `--retry-failed`; none goes on with it.
        """
        assert self.running is None
        line = ["bench", "run", "--name", name, *words]
        line += ["--json", "--wait", str(PATIENCE_SECONDS)]
        self.state = BenchJob(name, self.clock())
        self.changed.publish(self.state)
        threading.Thread(target=self._run, args=(line,), name="bench", daemon=True).start()
        self._free()

    def stop(self) -> None:
        """Ends it after what it does now; what is done is kept."""
        if self.running is not None:
            self.state = replace(self.running, stopping=True)
            self.changed.publish(self.state)
            self._interrupt()

    def follow(self, told: BenchTold) -> None:
        """It told something, or has ended."""
        if self.state is None:
            return
        if told.line is not None:
            self.state = self.state.after(told.line, self.clock())
        if told.said:
            self.state = replace(self.state, said=told.said)
        if told.ended is not None:
            self.state = replace(self.state, ended=told.ended, problem=told.problem)
        self.changed.publish(self.state)

    def follow_engine(self, engine: EngineState) -> None:
        """An app that has nothing to draw leaves the device to the benchmark."""
        if self.running is not None and not engine.work.jobs and engine.work.resident:
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
                self._app.post_message(BenchTold(said=f"{error} {error.hint}"))

        threading.Thread(target=free, name="bench-device", daemon=True).start()

    def _run(self, line: Sequence[str]) -> None:
        """In a thread: the process from its start to its end."""
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
            for told in process.stdout:
                self._app.post_message(BenchTold(line=json.loads(told)))
            code = process.wait()
            notes.join()
        except (OSError, ValueError) as error:
            problem = (f"the benchmark failed: {error}", log_traceback(error))
            self._app.post_message(BenchTold(ended=1, problem=problem))
            return
        why = None if code == 0 else refused("\n".join(noted), code)
        why_told = None if why is None else (str(why), why.hint)
        self._app.post_message(BenchTold(ended=code, problem=why_told))

    def _note(self, process: subprocess.Popen[str], noted: list[str]) -> None:
        assert process.stderr is not None
        for told in process.stderr:
            if text := told.strip():
                noted.append(text)
                self._app.post_message(BenchTold(said=text))
