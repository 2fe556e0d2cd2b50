"""Tells a person what the engine does: card and picture on stdout, progress on stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cems_tui.cli import output
from cems_tui.cli.notes import NoteTeller
from cems_tui.cli.price_card import price_card, receipt_lines
from cems_tui.domain.generation import Generation
from cems_tui.domain.note import Note
from cems_tui.domain.request import (
    Event,
    Generated,
    Loading,
    Noted,
    Routed,
    Scoring,
    Starting,
    Step,
)
from cems_tui.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress, TaskID


PICTURE_COLUMNS = 48
"""Width of a picture in the terminal, in cells."""


class Narrator:
    """Receives a session's events; call it with each of them."""

    def __init__(self, settings: Settings, *, json: bool, quiet: bool, total: int) -> None:
        self._settings = settings
        self._json = json
        self._quiet = quiet
        self._total = total
        self._done = 0
        self._notes = NoteTeller()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case Routed(decision=decision):
                if not (self._json or self._quiet):
                    console = output.console()
                    console.print(price_card(decision, self._settings, console.width))
                for note in decision.notes:
                    self._tell(note)
            case Noted(note=note):
                self._tell(note)
            case Starting():
                self._show("starting the engine", None, None)
            case Loading(function=function):
                self._show(f"loading {function}", None, None)
            case Step(function=function, step=step, steps=steps):
                self._show(function, step, steps)
            case Scoring():
                self._show("scoring", None, None)
            case Generated(generation=generation):
                self.close()
                self._done += 1
                self._finished(generation)

    def close(self) -> None:
        """Remove the progress bar."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = self._task = None

    def end(self) -> None:
        """Remove the progress bar and say what was left out; after the last picture."""
        self.close()
        self._notes.close()

    def _tell(self, note: Note) -> None:
        if not self._quiet:
            self.close()
            self._notes(note)

    def _show(self, text: str, step: int | None, steps: int | None) -> None:
        if self._quiet or not sys.stderr.isatty():
            return
        if self._progress is None or self._task is None:
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[steps]}", markup=False),
                TimeElapsedColumn(),
                console=output.console(stderr=True),
                transient=True,
            )
            self._task = self._progress.add_task(text, total=None, steps="")
            self._progress.start()
        told = "" if step is None else f"step {step}/{steps}"
        place = f"{self._done + 1}/{self._total}  " if self._total > 1 else ""
        self._progress.update(
            self._task, description=f"{place}{text}", completed=step or 0, total=steps, steps=told
        )

    def _finished(self, generation: Generation) -> None:
        if self._json:
            output.json_line(generation.to_json())
        elif self._quiet:
            output.line(str(generation.image))
        else:
            show_picture(generation.image)
            for line in receipt_lines(generation, self._settings):
                output.line(line)
            output.line()


def show_picture(path: Path) -> None:
    """The picture in the terminal, as well as it can.

    Nothing in a pipe, and nothing where colour is not wanted or not there: half cells without
    colour are a block.
    """
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        return
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return
    output.picture(path, PICTURE_COLUMNS)
