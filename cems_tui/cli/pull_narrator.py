"""Tells a person, or a script, how a pull goes."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Any

from cems_tui.cli import output
from cems_tui.models.events import Installed, ModelEvent, Noted, Progressed, Waited
from cems_tui.models.plan import PullPlan
from cems_tui.text import byte_count, counted, visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


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
            case Noted():
                self._noted(event)
            case Installed():
                self.close()
                self._installed(event)

    def close(self) -> None:
        """Remove the progress bar."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = self._task = None

    def _progressed(self, event: Progressed) -> None:

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

    def _noted(self, event: Noted) -> None:
        if self._json:
            output.json_line({"event": "note", "model": event.model, "text": event.text})
        elif not self._quiet:
            self.close()
            output.note(f"note: {event.model}: {event.text}")

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
