"""A benchmark's cells drawn by workers of a Ray cluster, one a device, on this host or on many.

Ray decides who draws what; the rows are written here, as those that are drawn here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from cems_tui import log
from cems_tui.bench.gallery import Gallery
from cems_tui.bench.run import STOPS_AT_ONCE, Draw, Made, Maker, made_by
from cems_tui.cancel import never
from cems_tui.domain.bench import CellKey, Task
from cems_tui.errors import BudgetReached, CemsError, GenerationError, Interrupted, UsageError

CLOSE_SECONDS = 20.0
"""How long workers may take to end the pictures they draw and to clean up behind them."""

ENDS_THE_RUN = (Interrupted, UsageError, *STOPS_AT_ONCE)
"""What a worker says of itself and not of a cell."""

OpenMaker = Callable[[Path], AbstractContextManager[Maker]]
"""Opens what draws in a worker, given a folder of its own that the pictures are named from."""


def require_ray() -> None:
    """Refuse to run without the library.

    Raises:
        UsageError: it is not installed.
    """
    if find_spec("ray") is None:
        raise UsageError(
            "--on ray needs Ray, which is not installed", "pip install 'cems-tui[ray]'"
        )


class Worker:
    """Draws in a process of Ray's; made into an actor by `ray_workers`."""

    def __init__(self, open_maker: OpenMaker) -> None:
        self._open = ExitStack()
        self._home = Path(mkdtemp(prefix="cems-bench-"))
        self._open.callback(rmtree, self._home, ignore_errors=True)
        self._maker: Maker | None = None
        self._open_maker = open_maker

    def make(self, key: CellKey, prompt: str) -> tuple[CellKey, Made, bytes | None]:
        """A cell with the bytes of its picture's file, which is not kept here."""
        try:
            if self._maker is None:
                self._maker = self._open.enter_context(self._open_maker(self._home))
            made = made_by(self._maker, key, prompt, never)
        except CemsError as error:
            return key, Made(None, error), None
        if made.cell is None or made.cell.picture is None:
            return key, made, None
        place = self._home / made.cell.picture.image
        data = place.read_bytes()
        place.unlink()
        return key, Made(replace(made.cell, picture=None)), data

    def close(self) -> None:
        """Take everything off the device."""
        self._open.close()


@contextmanager
def ray_workers(open_maker: OpenMaker, gallery: Gallery | None) -> Iterator[tuple[Draw, int]]:
    """What draws on the cluster that RAY_ADDRESS names, or on one of this host's, and how many.

    One worker a GPU of the cluster; without any, one a processor.

    Raises:
        UsageError: Ray is not installed.
        GenerationError: there is no cluster, or nothing in it to draw on.
    """
    require_ray()
    ray: Any = import_module("ray")
    pool: Any = import_module("ray.util").ActorPool
    try:
        ray.init(log_to_driver=False)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise GenerationError(f"Ray cannot be started: {error}", "See `ray status`.") from error
    actors: list[Any] = []
    try:
        had = ray.cluster_resources()
        kind = "GPU" if had.get("GPU", 0) >= 1 else "CPU"
        count = int(had.get(kind, 0))
        if not count:
            raise GenerationError("the Ray cluster has no GPU and no CPU", "See `ray status`.")
        actor = ray.remote(**{f"num_{kind.lower()}s": 1})(Worker)
        actors += [actor.remote(open_maker) for _ in range(count)]

        def draw(given: Iterator[tuple[Task, str]]) -> Iterator[tuple[Task, Made]]:
            yield from _drawn(pool(actors), given, gallery)

        yield draw, count
    except ray.exceptions.RayError as error:
        raise GenerationError(
            f"a worker of Ray ended: {str(error).splitlines()[0]}",
            "What is done is kept, and the same command goes on from there.",
        ) from error
    finally:
        try:
            ray.get([one.close.remote() for one in actors], timeout=CLOSE_SECONDS)
        except ray.exceptions.RayError as error:
            log.error("a worker of Ray did not end in order: %s", error)
        finally:
            ray.shutdown()


def _drawn(
    pool: Any, given: Iterator[tuple[Task, str]], gallery: Gallery | None
) -> Iterator[tuple[Task, Made]]:
    """Each cell when it is done; what is being drawn when the budget is reached is kept too."""
    begun: dict[CellKey, Task] = {}
    reached: BudgetReached | None = None

    def done() -> tuple[Task, Made]:
        key, made, data = pool.get_next_unordered()
        if isinstance(made.error, ENDS_THE_RUN):
            raise made.error
        task = begun.pop(key)
        if data is None or gallery is None or made.cell is None:
            return task, made
        return task, Made(replace(made.cell, picture=gallery.take(key, data)))

    try:
        for task, prompt in given:
            if not pool.has_free():
                yield done()
            begun[task.key] = task
            pool.submit(lambda actor, one: actor.make.remote(*one), (task.key, prompt))
    except BudgetReached as error:
        reached = error
    while pool.has_next():
        yield done()
    if reached is not None:
        raise reached
