"""`cems` without arguments: prepares the terminal, starts the engine, runs the app."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from cems_tui.services.engine.process import EngineProcess
from cems_tui.services.engine.protocol import PreparedSession
from cems_tui.services.queue.queued_engine import QueuedEngine
from cems_tui.text import counted
from screens.app import CemsApp
from screens.picture_widgets import PictureWidgets
from screens.services.defaults import Defaults, Desks
from screens.services.library import ModelKeeper
from screens.services.planner import PlannerFactory
from screens.terminal import Asked, is_served


def run(
    terminal: Asked,
    open_session: Callable[[], PreparedSession],
    planner_factory: PlannerFactory,
    defaults: Defaults | None = None,
    pictures: str = "auto",
    keeper: ModelKeeper | None = None,
    queued: Callable[[EngineProcess], QueuedEngine] | None = None,
    desks: Desks | None = None,
) -> int:
    """Runs the app until the user quits; returns the exit code.

    `terminal` is taken over already: what it answers is read when all else is ready.
    `open_session` is called in the engine's process and must be picklable; `planner_factory` is
    called in this one, in a thread, and must not import torch. `pictures` is how the terminal is
    to draw them: `auto` is the best it said it can, a key of WAYS is used as it is. `keeper` knows
    the models; it is asked in threads of this process and must not import torch either. `queued`
    puts the rows of the queue before the engine. `desks` open what the other places show,
    in a thread.
    """
    engine = EngineProcess(open_session)
    engine.start(open_now=False)  # before the app runs: then its file descriptors are gone
    queue = queued(engine) if queued is not None else None
    try:
        answers = terminal.answers()
        app = CemsApp(
            queue or engine,
            planner_factory,
            PictureWidgets(pictures, answers),
            defaults,
            keeper=keeper,
            queue=queue,
            typed=answers.typed,
            desks=desks,
        )
        if not is_served(os.environ):
            for name in ("COLUMNS", "LINES"):
                os.environ.pop(name, None)  # what was exported once is not the window as it is
        app.run()
        for line in app.parting_words():
            print(line, file=sys.stderr)
        return app.return_code or 0
    finally:
        engine.close()
        if queue is not None and (left := queue.close()):
            print(f"{counted(left, 'job')} left in the queue: `cems queue run`", file=sys.stderr)
