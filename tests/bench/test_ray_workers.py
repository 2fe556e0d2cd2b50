"""`bench run --on ray`: the same rows, by workers; Ray itself is stood in for in this process."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from cems_tui.bench import ray_workers
from cems_tui.bench.bill import CellEstimate
from cems_tui.bench.gallery import Gallery, opened
from cems_tui.bench.run import BenchOutcome, Budget, Reading, run_bench
from cems_tui.cancel import Stop, never
from cems_tui.domain.bench import BenchPlan, BenchPrompt, Cell, CellKey
from cems_tui.errors import CemsError, GenerationError, OutOfMemory, UsageError
from cems_tui.store.database import Store, open_store
from tests.cli.inside import Inside, inside

__all__ = ["inside"]

PLAN = BenchPlan("b", tuple(BenchPrompt.of(f"p{n}") for n in range(4)), ("a@1", "b@4"), (0,), ())
PRICE = 0.001


class Actor:
    """An actor whose calls are done when their results are asked for."""

    def __init__(self, worker: Any) -> None:
        for name in ("make", "close"):
            call = getattr(worker, name)
            setattr(self, name, SimpleNamespace(remote=lambda *told, c=call: lambda: c(*told)))


class ActorPool:
    """As `ray.util.ActorPool`, of which the newest result is the first that is there."""

    def __init__(self, actors: Sequence[Actor]) -> None:
        self.free, self.results = deque(actors), list[tuple[Actor, Any]]()

    def has_free(self) -> bool:
        return bool(self.free)

    def submit(self, call: Any, value: Any) -> None:
        actor = self.free.popleft()
        self.results.append((actor, call(actor, value)))

    def has_next(self) -> bool:
        return bool(self.results)

    def get_next_unordered(self) -> Any:
        actor, result = self.results.pop()
        self.free.append(actor)
        return result()


class RayError(Exception):
    """As `ray.exceptions.RayError`."""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A cluster of two processors; what was asked of it."""
    asked: list[str] = []

    def remote(**resources: int) -> Any:
        asked.append(str(resources))
        return lambda kind: SimpleNamespace(remote=lambda *told: Actor(kind(*told)))

    ray = ModuleType("ray")
    ray.__dict__.update(
        init=lambda **options: None,
        cluster_resources=lambda: {"CPU": 2.0},
        remote=remote,
        get=lambda calls, timeout: [call() for call in calls],
        shutdown=lambda: asked.append("shutdown"),
        exceptions=SimpleNamespace(RayError=RayError),
    )
    util = ModuleType("ray.util")
    util.__dict__["ActorPool"] = ActorPool
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.util", util)
    monkeypatch.setattr(ray_workers, "find_spec", lambda name: ray)
    return asked


class Painter:
    """Draws one colour a seed into its own home; fails where told."""

    def __init__(self, home: Path, errors: dict[str, Exception]) -> None:
        self.gallery, self.errors = Gallery(home, home / "drawn", "png", 10**9), errors

    def make(self, key: CellKey, prompt: str, stop: Stop) -> Cell:
        if error := self.errors.get(prompt):
            raise error
        red = Image.new("RGB", (8, 8), (200, key.seed, 0))
        return Cell(0.5, 10, PRICE, (), picture=self.gallery.keep(key, red))

    def read(self, key: CellKey, prompt: str, picture: str, metrics: Sequence[str]) -> Reading:
        raise AssertionError("workers read nothing")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cems.db") as found:
        yield found


def run(
    store: Store, home: Path, budget: Budget | None = None, **errors: Exception
) -> BenchOutcome:
    gallery = Gallery(home, home / "bench-pictures", "png", 10**9)
    homes: list[Path] = []

    @contextmanager
    def open_maker(place: Path) -> Iterator[Painter]:
        homes.append(place)
        yield Painter(place, errors)

    try:
        with ray_workers.ray_workers(open_maker, gallery) as (draw, workers):
            assert workers == 2
            here: Any = None  # nothing is drawn here
            return run_bench(
                PLAN, here, store.benches, lambda done: None, never, budget=budget, draw=draw
            )
    finally:
        assert not any(place.exists() for place in homes)


@pytest.mark.usefixtures("cluster")
def test_workers_make_the_rows_and_the_pictures_are_kept_here(store: Store, tmp_path: Path) -> None:
    outcome = run(store, tmp_path)
    assert (outcome.made, outcome.left, outcome.ended) == (8, 0, "done")
    assert outcome.spent_usd == pytest.approx(8 * PRICE)
    files = store.benches.pictures("b")
    assert files.keys() == set(PLAN.keys())
    assert all(opened(path).getpixel((0, 0)) == (200, 0, 0) for path in files.values())
    assert run(store, tmp_path).skipped == 8


@pytest.mark.usefixtures("cluster")
def test_a_cell_that_fails_is_a_row_with_its_reason(store: Store, tmp_path: Path) -> None:
    outcome = run(store, tmp_path, p1=OutOfMemory("no room"))
    assert (outcome.made, outcome.failed, outcome.exit_code) == (6, 2, 5)
    assert {why for _, why in store.benches.failures("b")} == {"no room"}


@pytest.mark.usefixtures("cluster")
def test_what_is_being_drawn_counts_against_the_budget_and_is_kept(
    store: Store, tmp_path: Path
) -> None:
    outcome = run(store, tmp_path, Budget(3.5 * PRICE, lambda name: CellEstimate(0.5, PRICE)))
    assert (outcome.made, outcome.left, outcome.exit_code) == (3, 5, 6)
    assert outcome.spent_usd == pytest.approx(3 * PRICE)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UsageError("a@1 is not the function that it began with"), UsageError),
        (RayError("the node died\nand more"), GenerationError),
    ],
)
def test_what_a_worker_says_of_itself_ends_the_run_and_what_is_done_stays(
    cluster: list[str], store: Store, tmp_path: Path, error: Exception, said: type[CemsError]
) -> None:
    with pytest.raises(said) as raised:
        run(store, tmp_path, p3=error)
    assert "\n" not in str(raised.value)
    assert cluster[-1] == "shutdown"
    done = len(store.benches.kept("b"))
    assert 0 < done < 8
    assert (lambda again: (again.skipped, again.made))(run(store, tmp_path)) == (done, 8 - done)


def test_without_ray_the_command_says_what_to_install(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_workers, "find_spec", lambda name: None)
    ran = inside("bench", "run", "--on", "ray", "--prompts", "starter")
    assert ran.code == 2
    assert "--on ray needs Ray" in ran.err
    assert "pip install 'cems-tui[ray]'" in ran.err
