"""`cems queue run`: what waits is done, one after the other, until nothing waits."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import Annotated

import typer

from cems_tui.cancel import POLL_SECONDS, Stop, was_interrupted
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.budget import check_price
from cems_tui.cli.commands.generate import GO_ON, scoring_code
from cems_tui.cli.commands.queue.add_command import kind_of
from cems_tui.cli.commands.queue.ls import print_outlook
from cems_tui.cli.failures import failure_of, print_failure
from cems_tui.cli.narrator import Narrator
from cems_tui.cli.notes import tell_wait
from cems_tui.cli.options import not_negative
from cems_tui.domain.job import QueuedJob
from cems_tui.errors import CemsError, GenerationError, Interrupted, UsageError
from cems_tui.profile import CommandEngine, Profile
from cems_tui.services.queue.runner import LEAVES_IT_WAITING, JobGone, QueueRunner
from cems_tui.services.queue.turn_order import Order
from cems_tui.store.queue_rows import DAMAGED_HINT
from cems_tui.text import counted


def run(
    order: Annotated[
        Order, typer.Option(help="By shared weights and shortest first, or as added.")
    ] = "family",
    wait: Annotated[
        float | None, typer.Option(metavar="[S]", help="Wait for the device, S seconds at most.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print order and bill, draw nothing.")
    ] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> int:
    """Work on the queue until nothing waits; what was paused by hand stays."""
    not_negative("--wait", wait)
    profile = Profile.current()
    if dry_run:
        print_outlook(profile, order, json=json, quiet=quiet)
        return 0
    with profile.records() as store, profile.queue_runner(store, order) as runner:
        runner.adopt()
        work = _Work(profile, runner, wait or 0.0, json, quiet)
        try:
            return work.until_nothing_waits(sum(p.owner is not None for p in store.queue.places()))
        finally:
            work.close()
            if left := runner.leave():
                output.note(f"{counted(left, 'job')} left in the queue: {GO_ON}")


class _Work:
    """The engine, open while pictures are drawn, and how the jobs went so far."""

    def __init__(
        self,
        profile: Profile,
        runner: QueueRunner,
        wait_seconds: float,
        json: bool,
        quiet: bool,
    ) -> None:
        self._profile = profile
        self._runner = runner
        self._wait_seconds = wait_seconds
        self._json = json
        self._quiet = quiet
        self._stack = ExitStack()
        self._engine: CommandEngine | None = None

    def until_nothing_waits(self, total: int) -> int:
        """The highest exit code of all jobs."""
        if not total:
            output.note("nothing waits")
            return 0
        narrator = Narrator(self._profile.settings, json=self._json, quiet=self._quiet, total=total)
        highest = 0
        with self._profile.planner() as planner:
            self._runner.foresee(planner)
        while (job := self._runner.next(self._resident())) is not None:
            try:
                with self._runner.work(job, was_interrupted) as stop:
                    highest = max(highest, self._do(job, narrator, stop))
            except JobGone as gone:
                narrator.close()
                output.note(str(gone))
            except (BrokenPipeError, *LEAVES_IT_WAITING):
                narrator.close()
                raise
            except CemsError as error:
                narrator.close()
                failure = failure_of(error, interrupted=False)
                self._record(job, failure.message, failure.exit_code)
                print_failure(failure)
                highest = max(highest, failure.exit_code)
            self._runner.adopt()
            if self._engine is not None:
                self._runner.foresee(self._engine.planner)
        narrator.end()
        return highest

    def _resident(self) -> frozenset[str]:
        return frozenset() if self._engine is None else self._engine.session.resident()

    def close(self) -> None:
        """Give the device back."""
        self._engine = None
        self._stack.close()
        self._stack = ExitStack()

    def _do(self, job: QueuedJob, narrator: Narrator, stop: Stop) -> int:
        if job.kind != "picture" and job.arguments:
            self.close()  # the command takes the device itself
            _command(job, stop)
            return 0
        if job.request is None:
            raise UsageError(f"{job.id} cannot be drawn: {job.reason}", job.hint)
        if self._engine is None:
            engine = self._profile.command_engine(
                wait_seconds=self._wait_seconds, on_wait=tell_wait
            )
            self._engine = self._stack.enter_context(engine)
        engine_here = self._engine
        if job.budget_usd is not None:
            spent = engine_here.spent_usd(
                load_cost=job.request.load_cost, session=job.request.session
            )
            check_price(job.request, engine_here, job.budget_usd, spent)
        return scoring_code(engine_here.session.run(job.request, narrator, stop))

    def _record(self, job: QueuedJob, message: str, exit_code: int) -> None:
        if self._engine is not None and job.request is not None:
            self._engine.record_failure(job.request, message, exit_code)


def _command(job: QueuedJob, stop: Stop) -> None:
    """Run another command of `cems`; what it prints is narration here.

    Raises:
        Interrupted: it was stopped.
        UsageError: it is no command that can wait.
        GenerationError: it failed, with its own exit code.
    """
    if kind_of(job.arguments) != job.kind:
        raise UsageError(f"{job.id} is no command that can wait", DAMAGED_HINT)
    output.note(job.title)
    process = subprocess.Popen(
        [sys.executable, "-m", "cems_tui", *job.arguments],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        start_new_session=True,  # ctrl+c is ours to pass on
    )
    asked = False
    try:
        while True:
            try:
                code = process.wait(POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if not asked and stop():
                    asked = True
                    process.send_signal(signal.SIGINT)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
    if asked or code == Interrupted.exit_code:
        raise Interrupted(f"{job.title} was stopped", hint="")
    if code:
        error = GenerationError(f"{job.title} ended with exit code {code}", "See what it said.")
        error.exit_code = code if code > 0 else GenerationError.exit_code
        raise error
