"""`cems pull`: models from the Hub."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.errors import BudgetReached, CemsError, Interrupted, StorageError, UsageError
from cems_tui.models.events import Installed, ModelEvent, Progressed, Waited
from cems_tui.models.plan import PullPlan
from cems_tui.text import byte_count, counted, visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from cems_tui.models.pull import Assembler
    from cems_tui.models.target import Wish


_STOPS_AT_ONCE = (BudgetReached.exit_code, StorageError.exit_code, Interrupted.exit_code)

Steps = Annotated[
    str | None, typer.Option("--steps", metavar="N,…", help="Steps of its functions (default 20).")
]
Guidance = Annotated[
    float | None, typer.Option("--guidance", metavar="G", help="Guidance of its functions.")
]
Size = Annotated[
    str | None, typer.Option("--size", metavar="WxH", help="Pixels of its functions' pictures.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")]


def register(app: typer.Typer) -> None:
    app.command("pull")(pull)


def pull(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME…", help="Models, or ORG/REPO.")
    ] = None,
    recommended: Annotated[
        bool, typer.Option("--recommended", help="The models that are worth it on this machine.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="SHA", help="A commit, branch or refs/pr/N.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="N", help="What to call it here.")
    ] = None,
    steps: Steps = None,
    guidance: Guidance = None,
    size: Size = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Fetch models from the Hub: resumable, verified, never half-installed."""
    from cems_tui.cli import output
    from cems_tui.cli.commands.ls import recommended_names, refuse_names
    from cems_tui.models.target import Wish
    from cems_tui.services import models

    names = list(names or ())
    if recommended:
        refuse_names(names, revision=revision, name=name, steps=steps, guidance=guidance, size=size)
        names = recommended_names(json=json, quiet=quiet, dry_run=dry_run, ask=asking(yes))
        if not names:
            return
    if not names:
        raise UsageError("no model is named", "`cems pull NAME`, or `cems pull --recommended`.")
    if len(names) > 1 and (name is not None or revision is not None):
        raise UsageError("--name and --revision are of one model", "Pull the models one by one.")
    settings = (
        revision,
        name,
        checked_steps(steps),
        checked_guidance(guidance),
        checked_size(size),
    )
    wishes = [Wish(typed, *settings) for typed in names]
    narrator = PullNarrator(json=json, quiet=quiet)
    puller = models.puller(narrator, asking(yes))
    if not dry_run:
        _pull_all(puller, wishes, narrator.close)
        return
    for plan in (plan for wish in wishes for plan in puller.plans(wish)):
        if json:
            output.json_line(plan_row(plan))
        else:
            for line in [plan.model] if quiet else plan_lines(plan, files=True):
                output.line(line)


def _pull_all(puller: Assembler, wishes: list[Wish], close: Callable[[], None]) -> None:
    """Pull one after the other; all are tried, and the gravest failure is the command's."""
    from cems_tui.cli.failures import failure_of, report

    codes = [0]
    for wish in wishes:
        try:
            puller.emit(puller.pull(wish))
        except CemsError as error:
            if len(wishes) == 1 or error.exit_code in _STOPS_AT_ONCE:
                raise
            close()
            codes.append(report(failure_of(error, interrupted=False), debug=False, error=error))
        finally:
            close()
    if max(codes):
        raise typer.Exit(max(codes))


def asking(yes: bool) -> Callable[[str], bool]:
    """Puts questions to the user at the terminal; `--yes` answers them.

    Without either a question is a UsageError.
    """

    def ask(question: str) -> bool:
        from cems_tui.cli import output
        from cems_tui.text import visible

        if yes:
            return True
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(visible(question), "Answer with --yes, or ask at a terminal.")
        output.narrate(f"{visible(question)} [y/N] ", end="")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    return ask


def checked_steps(text: str | None) -> tuple[int, ...]:
    """`4,20` as numbers; empty for None.

    Raises:
        UsageError: it is not a list of steps.
    """
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= 1000 for part in parts):
        raise UsageError(f"--steps {text!r} is not a list of steps", "Write it as --steps 4,20.")
    return tuple(dict.fromkeys(int(part) for part in parts))


def checked_size(text: str | None) -> tuple[int, int] | None:
    """`WxH` as pixels; None for None.

    Raises:
        UsageError: it is not a size.
    """
    from cems_tui.bench.prompts import parsed_size

    width, height = parsed_size(text)
    return None if width is None or height is None else (width, height)


def checked_guidance(value: float | None) -> float | None:
    """The guidance, if it can be one.

    Raises:
        UsageError: it is below 0 or no number.
    """
    o.not_negative("--guidance", value)
    if value is not None and math.isinf(value):
        raise UsageError(f"--guidance {value:g} is out of range", "Give a finite number.")
    return value


# Tells a person, or a script, how a pull goes.

_JSON_EVERY_SECONDS = 0.5


class PullNarrator:
    """Receives the events of a pull; call it with each of them."""

    def __init__(self, *, json: bool, quiet: bool) -> None:
        self._json = json
        self._quiet = quiet
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._last = 0.0

    def __call__(self, event: ModelEvent) -> None:
        match event:
            case PullPlan():
                if self._json:
                    output.json_line(plan_row(event))
                elif not self._quiet:
                    for line in plan_lines(event):
                        output.note(line)
            case Progressed():
                self._progressed(event)
            case Waited():
                self._waited(event)
            case Installed():
                self.close()
                self._installed(event)

    def close(self) -> None:
        """Remove the progress bar."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = self._task = None

    def _progressed(self, event: Progressed) -> None:
        from time import monotonic

        if self._json:
            if monotonic() - self._last >= _JSON_EVERY_SECONDS:
                self._last = monotonic()
                output.json_line(
                    {
                        "event": "progress",
                        "model": event.model,
                        "phase": event.phase,
                        "done_bytes": event.done_bytes,
                        "total_bytes": event.total_bytes,
                    }
                )
        elif not self._quiet and sys.stderr.isatty():
            self._bar(event)

    def _bar(self, event: Progressed) -> None:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        if self._progress is None or self._task is None:
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=output.console(stderr=True),
                transient=True,
            )
            # What was there before counts in the total, not in the speed.
            self._task = self._progress.add_task(
                "", total=event.total_bytes, completed=event.done_bytes
            )
            self._progress.start()
        self._progress.update(
            self._task,
            description=f"{event.phase} {visible(event.model)}",
            completed=event.done_bytes,
            total=event.total_bytes,
        )

    def _waited(self, event: Waited) -> None:
        if self._json:
            output.json_line(
                {
                    "event": "waiting",
                    "model": event.model,
                    "reason": event.reason,
                    "seconds": event.seconds,
                }
            )
        elif not self._quiet:
            self.close()
            again = "" if not event.seconds else f"; again in {event.seconds:.0f} s"
            output.note(f"note: {event.model}: {event.reason}{again}")

    def _installed(self, event: Installed) -> None:
        if self._json:
            output.json_line(
                {
                    "event": "installed",
                    "model": event.model,
                    "path": str(event.path),
                    "bytes": event.bytes,
                    "downloaded_bytes": event.downloaded_bytes,
                    "seconds": event.seconds,
                    "functions": list(event.functions),
                    "already": event.already,
                }
            )
        elif self._quiet:
            output.line(event.model)
        else:
            came = "was there already" if event.already else f"{event.seconds:.1f} s"
            functions = ", ".join(event.functions) or "no functions"
            size = byte_count(event.bytes)
            output.line(visible(f"{event.model}: {size}, {came}; {functions}; {event.path}"))


def plan_row(plan: PullPlan) -> dict[str, Any]:
    """A plan as `pull --json` prints it."""
    return {
        "event": "plan",
        "model": plan.model,
        "repo": plan.repo,
        "revision": plan.revision,
        "bytes": plan.total_bytes,
        "download_bytes": plan.download_bytes,
        "disk_free_bytes": plan.free_bytes,
        "path": str(plan.folder),
        "licence": plan.licence,
        "gated": plan.gated,
        "noncommercial": plan.noncommercial,
        "pipeline": plan.pipeline,
        "functions": list(plan.functions),
        "notes": list(plan.notes),
        "files": [
            {
                "path": file.path,
                "bytes": file.bytes,
                "place": file.place,
                "have_bytes": file.have_bytes,
            }
            for file in plan.files
        ],
    }


def plan_lines(plan: PullPlan, *, files: bool = False) -> list[str]:
    """A plan for people: what, how much, how much room, under which licence.

    Args:
        files: whether every file is named.
    """
    asks = [
        word
        for word, holds in (("gated", plan.gated), ("noncommercial", plan.noncommercial))
        if holds
    ]
    licence = f"licence {plan.licence or 'not stated'}" + (f" ({', '.join(asks)})" if asks else "")
    lines = [
        f"{plan.model}: {plan.repo} at {plan.revision[:12]}, {licence}",
        f"  {counted(len(plan.files), 'file')}, {byte_count(plan.total_bytes)}; "
        f"{byte_count(plan.download_bytes)} to fetch, {byte_count(plan.free_bytes)} free",
    ]
    if files:
        lines += [f"  {byte_count(f.bytes):>10}  {f.place:<9}  {f.path}" for f in plan.files]
    return lines + [f"  note: {note}" for note in plan.notes]
