"""`cems` without arguments: prepares the terminal, starts the engine, runs the app."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cems_tui.services.engine.process import EngineProcess
from cems_tui.services.engine.protocol import Session
from cems_tui.services.queue.queued_engine import QueuedEngine
from screens.app import CemsApp
from screens.services.defaults import Defaults, ImageFactory
from screens.services.library import ModelKeeper
from screens.services.planner import PlannerFactory


def run(
    open_session: Callable[[], Session],
    planner_factory: PlannerFactory,
    defaults: Defaults | None = None,
    pictures: str = "auto",
    keeper: ModelKeeper | None = None,
    queued: Callable[[EngineProcess], QueuedEngine] | None = None,
) -> int:
    """Runs the app until the user quits; returns the exit code.

    `open_session` is called in the engine's process and must be picklable; `planner_factory` is
    called in this one, in a thread, and must not import torch. `pictures` is how the terminal is
    to draw them: `auto` asks it, a key of WAYS is used as it is. `keeper` knows the models; it is
    asked in threads of this process and must not import torch either. `queued` puts the rows of
    the queue before the engine.
    """
    engine = EngineProcess(open_session)
    engine.start(
        open_now=False
    )  # before the terminal is taken over: later its file descriptors are gone
    queue = queued(engine) if queued is not None else None
    try:
        app = CemsApp(
            queue or engine,
            planner_factory,
            prepare_terminal(pictures),
            defaults,
            keeper=keeper,
            queue=queue,
        )
        app.run()
        for line in app.parting_words():
            print(line, file=sys.stderr)
        return app.return_code or 0
    finally:
        engine.close()
        if queue is not None:
            queue.close()


WAYS = {
    "auto": "Image",
    "kitty": "TGPImage",
    "sixel": "SixelImage",
    "halfcell": "HalfcellImage",
    "unicode": "UnicodeImage",
}
"""How pictures are drawn → textual-image's widget for it."""


def prepare_terminal(pictures: str = "auto") -> ImageFactory:
    """Asks the terminal what pictures it can show, and returns the widget for them.

    textual-image asks when it is imported and reads the answer from the keyboard, so this must
    happen before the app does. Where it cannot ask, pictures are drawn with half cells.
    """
    if sys.__stdin__ is not None and sys.__stdin__.isatty():
        try:
            from textual_image import widget

            best: ImageFactory = getattr(widget, WAYS[pictures])
            return best
        except Exception as error:
            # terminals break in many ways here (termios.error, timeouts); none is worth the app
            print(f"pictures are drawn with half cells: {error}", file=sys.stderr)
    with _no_terminal():
        from textual_image.widget import HalfcellImage
    plain: ImageFactory = HalfcellImage
    return plain


@contextmanager
def _no_terminal() -> Iterator[None]:
    """While it lasts, a library that looks for a terminal finds none."""
    stdout = sys.__stdout__
    with open(os.devnull, "w") as nowhere:
        sys.__stdout__ = nowhere  # type: ignore[misc]
        try:
            yield
        finally:
            sys.__stdout__ = stdout  # type: ignore[misc]
