"""A benchmark gives the device to whoever waits for it, before its next picture."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from cems_tui.bench.run import Reading, run_bench
from cems_tui.cancel import Stop, never
from cems_tui.domain.bench import BenchPlan, BenchPrompt, Cell, CellKey
from cems_tui.errors import Interrupted
from cems_tui.locks import Holder
from cems_tui.profile import Engine
from cems_tui.services.device_access import DeviceAccess, waiting_words
from cems_tui.store.database import Store, open_store
from tests.patience import until

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
