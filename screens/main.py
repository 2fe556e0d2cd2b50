"""`cems` without arguments: prepares the terminal, starts the engine, runs the app."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from cems_tui.services.engine.process import EngineProcess
from cems_tui.services.engine.protocol import PreparedSession
from cems_tui.services.queue.queued_engine import QueuedEngine
from cems_tui.text import counted
from screens import terminal
from screens.app import CemsApp
from screens.picture_widgets import PictureWidgets
from screens.services.defaults import Defaults, Desks, GalleryFactory, RoutersFactory
from screens.services.library import ModelKeeper
from screens.services.planner import PlannerFactory


def run(
    open_session: Callable[[], PreparedSession],
    planner_factory: PlannerFactory,
    defaults: Defaults | None = None,
    pictures: str = "auto",
    keeper: ModelKeeper | None = None,
    queued: Callable[[EngineProcess], QueuedEngine] | None = None,
    gallery_factory: GalleryFactory | None = None,
    routers_factory: RoutersFactory | None = None,
    desks: Desks | None = None,
) -> int:
    """Runs the app until the user quits; returns the exit code.

    `open_session` is called in the engine's process and must be picklable; `planner_factory` is
    called in this one, in a thread, and must not import torch. `pictures` is how the terminal is
    to draw them: `auto` asks it, a key of WAYS is used as it is. `keeper` knows the models; it is
    asked in threads of this process and must not import torch either. `queued` puts the rows of
    the queue before the engine. `gallery_factory`, `routers_factory` and `desks` open the history,
    the routers and what the other places show, in a thread.
    """
    engine = EngineProcess(open_session)
    engine.start(
        open_now=False
    )  # before the terminal is taken over: later its file descriptors are gone
    queue = queued(engine) if queued is not None else None
    try:
        with _ended_by_signals(), terminal.taken_over() as answers:
            app = CemsApp(
                queue or engine,
                planner_factory,
                PictureWidgets(pictures, answers),
                defaults,
                keeper=keeper,
                queue=queue,
                gallery_factory=gallery_factory,
                routers_factory=routers_factory,
                desks=desks,
                typed=answers.typed,
            )
            app.run()
        for line in app.parting_words():
            print(line, file=sys.stderr)
        return app.return_code or 0
    finally:
        engine.close()
        if queue is not None and (left := queue.close()):
            print(f"{counted(left, 'job')} left in the queue: `cems queue run`", file=sys.stderr)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block in order, so that the terminal is given back as it was.

    The app has handlers of its own as soon as it runs.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if sys.platform == "win32":
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
