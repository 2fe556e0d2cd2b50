"""A benchmark gives way to who waits for the device, and minds what goes or changes meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from cems_tui import paths
from cems_tui.bench.gallery import lock_of
from cems_tui.bench.run import Reading, run_bench
from cems_tui.bench.workload import Stock
from cems_tui.cancel import Stop, never
from cems_tui.domain.bench import BenchPlan, BenchPrompt, Cell, CellKey, making_of
from cems_tui.domain.function import Catalog, GenerationFunction, Model
from cems_tui.errors import Interrupted, UsageError
from cems_tui.locks import Holder
from cems_tui.profile import Engine
from cems_tui.services.device_access import DeviceAccess, waiting_words
from cems_tui.store.database import Store, open_store
from tests.cli.inside import Inside, inside
from tests.patience import until

__all__ = ["inside"]

PLAN = BenchPlan("b", (BenchPrompt.of("a car"), BenchPrompt.of("a cat")), ("base@20",), (0, 1), ())


@pytest.fixture
def device(tmp_path: Path) -> DeviceAccess:
    return DeviceAccess(tmp_path / "device.lock", tmp_path / "resident.json")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cems.db") as opened:
        yield opened


def engine_of(device: DeviceAccess, store: Store, happened: list[str]) -> Engine:
    """An engine of a benchmark, of which only what is on the device matters."""
    hold = device.hold(yields=True)
    hold.acquire()
    session = SimpleNamespace(close=lambda: happened.append("emptied"))
    return Engine(session, None, store, "", hold)  # type: ignore[arg-type]


def test_a_picture_that_waits_is_drawn_before_the_next_cell_and_the_rest_after_it(
    device: DeviceAccess, store: Store
) -> None:
    happened: list[str] = []
    engine = engine_of(device, store, happened)
    threads: list[threading.Thread] = []

    def draw_by_hand() -> None:
        mine = device.hold()
        mine.acquire()  # without waiting for anybody who does not yield
        happened.append("by hand")
        mine.release()

    class Maker:
        def make(self, key: CellKey, prompt: str, stop: Stop) -> Cell:
            assert engine.hold.held
            happened.append(prompt)
            if not threads:
                threads.append(threading.Thread(target=draw_by_hand))
                threads[0].start()
                until(lambda: engine.hold.wanted)
            return Cell(0.5, 1, None, ())

        def read(self, key: CellKey, prompt: str, picture: str, metrics: Sequence[str]) -> Reading:
            raise AssertionError("no picture was kept, so none is read")

    outcome = run_bench(
        PLAN,
        Maker(),
        store.benches,
        lambda done: None,
        never,
        give_way=lambda: engine.give_way(never, lambda holder: None),
    )
    threads[0].join()
    engine.hold.release()
    assert (outcome.made, outcome.left) == (4, 0)
    assert happened == ["a car", "emptied", "by hand", "a car", "a cat", "a cat"]


def test_a_benchmark_that_is_stopped_while_others_draw_holds_nothing(
    device: DeviceAccess, store: Store
) -> None:
    engine = engine_of(device, store, [])
    mine, told = device.hold(), list[str]()
    thread = threading.Thread(target=mine.acquire)
    thread.start()
    until(lambda: engine.hold.wanted)
    with pytest.raises(Interrupted):
        engine.give_way(lambda: bool(told), lambda holder: told.append(str(holder)))
    thread.join()
    assert mine.held
    assert not engine.hold.held
    mine.release()


def test_who_waits_is_told_for_whom_and_until_when() -> None:
    assert waiting_words(Holder(7, "cems")) == "waiting for process 7 (cems)"
    assert waiting_words(Holder(7, "cems bench", yields=True)).endswith("before its next picture")


def tiny(name: str) -> GenerationFunction:
    model = Model(
        name, "stable-diffusion", "CC0-1.0", "tests", Path("/nowhere") / name, f"sha256:{name}"
    )
    return GenerationFunction(f"{name}@4", model, 4, 3.0, 64, 64)


def test_a_function_that_goes_while_the_benchmark_runs_is_left_and_a_changed_one_ends_it(
    tmp_path: Path, store: Store
) -> None:
    base, other = (tiny(name) for name in ("base", "other"))
    plan = replace(
        PLAN,
        functions=(base.name, other.name),
        makings={one.name: making_of(one) for one in (base, other)},
    )
    now, told = [Catalog([base, other])], list[str]()
    work = SimpleNamespace(plan=plan, able=plan.functions)
    stock = Stock(work, lambda: id(now[0]), lambda: now[0], told.append)  # type: ignore[arg-type]

    class Maker:
        def make(self, key: CellKey, prompt: str, stop: Stop) -> Cell:
            now[0] = Catalog([base])
            return Cell(0.5, 1, None, ())

        def read(self, key: CellKey, prompt: str, picture: str, metrics: Sequence[str]) -> Reading:
            raise AssertionError("no picture was kept, so none is read")

    outcome = run_bench(plan, Maker(), store.benches, lambda done: None, never, able=stock.able)
    assert (outcome.made, outcome.failed, outcome.left) == (4, 0, 4)
    assert told == ["other@4 not installed any more: the rest is drawn"]
    assert store.benches.summary("b").status == "stopped"
    now[0] = Catalog([replace(base, model=replace(base.model, digest="sha256:two"))])
    with pytest.raises(UsageError, match="base@4 is not the function that the benchmark 'b' began"):
        stock.able()


def test_a_benchmark_is_run_by_one_process_and_not_removed_under_it(inside: Inside) -> None:
    here = paths.current()
    with open_store(here.database) as store:
        store.benches.begin(PLAN, resume=False)
    with lock_of("b", here):
        assert inside("bench", "ls", "--json").document[0]["status"] == "running"
        refused = inside("bench", "rm", "b", "--yes")
        assert (refused.code, "the benchmark b is held by process" in refused.err) == (7, True)
    assert inside("bench", "ls", "--json").document[0]["status"] == "stopped"
    assert inside("bench", "rm", "b", "--yes").code == 0
