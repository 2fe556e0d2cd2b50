"""A benchmark's pictures: kept without loss, read again without drawing, freed when asked."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cems_tui.bench.bill import CellEstimate, bill, picture_bytes
from cems_tui.bench.gallery import Gallery, delete, file_name, folder_name, opened
from cems_tui.bench.run import BenchOutcome, CellDone, Reading, run_bench
from cems_tui.cancel import Stop, never
from cems_tui.domain.bench import (
    BenchPlan,
    BenchPrompt,
    Cell,
    CellKey,
    CellState,
    Parts,
    Task,
    changes_of,
)
from cems_tui.domain.function import StageBytes
from cems_tui.domain.score import Score
from cems_tui.errors import CemsError, GenerationError, UsageError
from cems_tui.store.benches import Benches
from cems_tui.store.database import Store, open_store

PROMPTS = tuple(BenchPrompt.of(f"prompt {number}") for number in range(4))
PLAN = BenchPlan("b", PROMPTS, ("a@1", "b@4"), (0, 1), ("nima",))
STAGES = StageBytes(1, 5, 3)
PARTS = Parts(8, 8, 0.1, 0.3, 0.1, 0.0, 0, held_bytes=5, stage_bytes=STAGES, energy_wh=0.01)


def picture_of(key: CellKey) -> Image.Image:
    """A picture that only this cell has."""
    noise = np.random.default_rng(abs(hash((key.prompt_id, key.function, key.seed))) % 2**32)
    return Image.fromarray(noise.integers(0, 256, (8, 8, 3), dtype=np.uint8))


class Painter:
    """Draws noise into a gallery and reads its mean; fails where told."""

    def __init__(
        self,
        home: Path,
        gallery: Gallery | None,
        metrics: Sequence[str] = ("nima",),
        errors: Mapping[CellKey, CemsError] | None = None,
        unread: Sequence[CellKey] = (),
        scorer: str = "s:1",
    ) -> None:
        self.home, self.gallery, self.metrics = home, gallery, metrics
        self.errors, self.unread, self.scorer = errors or {}, unread, scorer
        self.made: list[CellKey] = []
        self.read_: list[CellKey] = []

    def make(self, key: CellKey, prompt: str, stop: Stop) -> Cell:
        self.made.append(key)
        if key in self.errors:
            raise self.errors[key]
        image = picture_of(key)
        kept = None if self.gallery is None else self.gallery.keep(key, image)
        scores = tuple(self._score(one, image) for one in self.metrics)
        if key in self.unread:
            return Cell(0.5, 10, 0.001, (), parts=PARTS, picture=kept, score_error="not a number")
        return Cell(0.5, 10, 0.001, scores, parts=PARTS, picture=kept, score_seconds=0.2)

    def read(self, key: CellKey, prompt: str, picture: str, metrics: Sequence[str]) -> Reading:
        self.read_.append(key)
        try:
            image = opened(self.home / picture)
        except GenerationError as error:
            return Reading(error=str(error), picture_lost=True)
        return Reading(tuple(self._score(one, image) for one in metrics), 0.1)

    def _score(self, metric: str, image: Image.Image) -> Score:
        return Score(metric, float(np.asarray(image).mean()), self.scorer)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cems.db") as found:
        yield found


@pytest.fixture
def book(store: Store) -> Benches:
    return store.benches


def gallery(home: Path, left_bytes: int = 10**9, kind: Any = "webp") -> Gallery:
    return Gallery(home, home / "bench-pictures" / folder_name("b"), kind, left_bytes)


def run(book: Benches, painter: Painter, plan: BenchPlan = PLAN, **options: Any) -> BenchOutcome:
    return run_bench(plan, painter, book, lambda done: None, never, **options)


@pytest.mark.parametrize("kind", ["webp", "png"])
def test_a_kept_picture_is_the_picture(tmp_path: Path, kind: Any) -> None:
    key = CellKey("p", "any name/../ü", 2**64 - 1)
    kept = gallery(tmp_path, kind=kind).keep(key, picture_of(key))
    assert kept is not None
    path = tmp_path / kept.image
    assert path.stat().st_size == kept.image_bytes
    assert path.parent.parent == tmp_path / "bench-pictures"
    assert np.array_equal(np.asarray(opened(path)), np.asarray(picture_of(key)))
    assert file_name(key, kind) != file_name(replace(key, function="any name/../ö"), kind)


def test_what_the_quota_has_no_room_for_is_measured_and_counted(
    book: Benches, tmp_path: Path
) -> None:
    full = gallery(tmp_path, left_bytes=1)
    outcome = run(book, Painter(tmp_path, full))
    assert (outcome.made, full.refused) == (16, 15)
    assert len(book.pictures("b")) == 1


def test_a_metric_is_added_without_drawing_again(book: Benches, tmp_path: Path) -> None:
    run(book, Painter(tmp_path, gallery(tmp_path)))
    before = list(book.long_rows("b"))
    grown = replace(PLAN, metrics=("nima", "clip"))
    painter = Painter(tmp_path, gallery(tmp_path), ("nima", "clip"))
    outcome = run(book, painter, grown, resume=True)
    assert (painter.made, len(painter.read_), outcome.read) == ([], 16, 16)
    rows = list(book.long_rows("b"))
    assert [row for row in rows if row["metric"] == "nima"] == before
    assert [row["score"] for row in rows if row["metric"] == "clip"] == [
        row["score"] for row in before
    ]
    assert run(book, painter, grown).read == 0


def test_cells_without_a_picture_keep_a_new_metric_missing_and_are_counted(
    book: Benches, tmp_path: Path
) -> None:
    run(book, Painter(tmp_path, None))
    outcome = run(
        book,
        Painter(tmp_path, None, ("nima", "clip")),
        replace(PLAN, metrics=("nima", "clip")),
        resume=True,
    )
    assert (outcome.made, outcome.read, outcome.unreadable) == (0, 0, 16)


def test_a_picture_that_could_not_be_read_is_kept_and_read_when_asked(
    book: Benches, tmp_path: Path
) -> None:
    bad = CellKey(PROMPTS[0].id, "a@1", 0)
    outcome = run(book, Painter(tmp_path, gallery(tmp_path), unread=[bad]))
    assert (outcome.made, outcome.failed, outcome.exit_code) == (15, 1, 1)
    assert "not a number" in book.failures("b")[0][1]
    again = Painter(tmp_path, gallery(tmp_path))
    assert run(book, again).failed == 0
    assert again.read_ == []
    assert run(book, again, retry_failed=True).read == 1
    assert (again.made, again.read_, book.failures("b")) == ([], [bad], [])


def test_a_picture_that_is_lost_fails_by_name_and_is_drawn_when_asked(
    book: Benches, tmp_path: Path
) -> None:
    run(book, Painter(tmp_path, gallery(tmp_path)))
    lost, path = next(iter(book.pictures("b").items()))
    path.write_bytes(b"no picture")
    grown = replace(PLAN, metrics=("nima", "clip"))
    outcome = run(book, Painter(tmp_path, gallery(tmp_path)), grown, resume=True)
    assert (outcome.read, outcome.failed) == (15, 1)
    assert str(path) in book.failures("b")[0][1]
    painter = Painter(tmp_path, gallery(tmp_path), ("nima", "clip"))
    assert run(book, painter, grown, retry_failed=True).made == 1
    assert (painter.made, book.failures("b")) == ([lost], [])
    assert len(list(book.long_rows("b"))) == 32


def test_other_scorers_read_a_copy_that_shares_the_pictures(
    book: Benches, store: Store, tmp_path: Path
) -> None:
    run(book, Painter(tmp_path, gallery(tmp_path), ("nima", "clip")),
        replace(PLAN, metrics=("nima", "clip")))  # fmt: skip
    taught = len(store.observations())
    book.copy("b", "other", ("clip", "nima"), ("nima",))
    painter = Painter(tmp_path, None, scorer="s:2")
    outcome = run(book, painter, book.plan("other"), resume=True)
    assert (outcome.read, outcome.made) == (16, 0)
    assert book.scorers("other") == {"nima": "s:2", "clip": "s:1"}
    assert book.scorers("b") == {"nima": "s:1", "clip": "s:1"}
    assert len(store.observations()) == taught
    files = list(book.pictures("b").values())
    assert delete(book.remove("b")) == 0
    assert all(path.exists() for path in files)
    assert delete(book.remove("other")) > 0
    assert not files[0].parent.exists()
    with pytest.raises(UsageError, match="name"):
        book.copy("other", " ", (), ())


def test_pictures_are_freed_and_scores_stay(book: Benches, tmp_path: Path) -> None:
    run(book, Painter(tmp_path, gallery(tmp_path)))
    held = book.picture_bytes()
    assert held == book.summary("b").picture_bytes > 0
    assert delete(book.forget_pictures("b")) == held
    assert (book.picture_bytes(), book.pictures("b")) == (0, {})
    assert len(list(book.long_rows("b"))) == 16


def test_cells_teach_what_pictures_take(store: Store, tmp_path: Path) -> None:
    run(store.benches, Painter(tmp_path, None))
    seen = store.observations()
    assert {one.function for one in seen} == {"a@1", "b@4"}
    assert (seen[0].denoise_seconds, seen[0].width, seen[0].memory_bytes) == (0.3, 8, 10)
    assert (seen[0].held_bytes, seen[0].stage_bytes, seen[0].energy_wh) == (5, STAGES, 0.01)
    assert len(store.observations(3)) == 6
    assert store.benches.reading_seconds("a@1", ("nima",)) == 0.2
    assert store.benches.reading_seconds("a@1", ("clip",)) is None


def test_a_function_that_is_gone_is_left_and_the_rest_is_drawn(
    book: Benches, tmp_path: Path
) -> None:
    outcome = run(book, Painter(tmp_path, None), able=lambda: {"a@1"})
    assert (outcome.made, book.summary("b").status) == (8, "stopped")


def test_a_function_that_was_changed_is_refused(book: Benches, tmp_path: Path) -> None:
    def making(steps: int, weights: str | None) -> dict[str, str | int | float | None]:
        return {"steps": steps, "weights": weights}

    run(book, Painter(tmp_path, None), replace(PLAN, makings={"a@1": making(1, "sha256:one")}))
    for changed in (making(2, "sha256:one"), making(1, "sha256:two")):
        with pytest.raises(UsageError, match="a@1 is not the function"):
            run(book, Painter(tmp_path, None), replace(PLAN, makings={"a@1": changed}))
    run(book, Painter(tmp_path, None), replace(PLAN, makings={"a@1": making(1, None)}))
    assert changes_of(making(1, "x"), making(4, "x")) == ["steps 1 → 4"]


def test_the_error_of_the_bill_is_known_afterwards(book: Benches, tmp_path: Path) -> None:
    def foresee(function: str) -> CellEstimate:
        return CellEstimate(0.25, 0.002)

    outcome = run(book, Painter(tmp_path, None), foresee=foresee)
    assert outcome.foreseen_seconds == pytest.approx(16 * 0.25)
    assert outcome.billed_seconds == pytest.approx(16 * 0.5)
    assert outcome.foreseen_usd == pytest.approx(16 * 0.002)


def test_the_bill_counts_what_is_left_and_every_load() -> None:
    plan = BenchPlan(
        "b", tuple(BenchPrompt.of(str(n)) for n in range(60)), ("a@1", "b@4"), (0,), ()
    )
    one = CellEstimate(1.0, 0.1, load_seconds=10.0, load_cost_usd=1.0, load_bytes=5)
    groups = [("a@1",), ("b@4",)]
    told = bill(plan.tasks({}, groups), lambda name: one, groups)
    loads = 4  # three passes, every other begins with what is loaded
    assert told.seconds == pytest.approx(120 * 1.0 + loads * 10.0)
    assert told.load_cost_usd == pytest.approx(loads)
    half = {key: CellState() for key in list(plan.keys(groups))[:60]}
    assert bill(plan.tasks(half, groups), lambda name: one, groups).pictures == 60
    read = [Task(key, "p.webp", ("nima",)) for key in half]
    assert bill(read, lambda name: one, groups).pictures == 0
    together = bill(plan.tasks({}, [("a@1", "b@4")]), lambda name: one, [("a@1", "b@4")])
    assert together.load_cost_usd == pytest.approx(2.0)


def test_the_disk_bill_is_a_bound_where_no_picture_was_kept() -> None:
    assert picture_bytes(["a", "a"], {"a": 10.0}.get, lambda name: 64) == (20, False)
    assert picture_bytes(["a", "b"], {"a": 10.0}.get, lambda name: 64) == (10 + 192, True)


def _endless(home: Path) -> None:
    """Run the benchmark from where it is; killed by its parent at any moment."""
    with open_store(home / "cems.db") as found:
        run(found.benches, Painter(home, gallery(home)), BIG, resume=True)


BIG = replace(PLAN, prompts=tuple(BenchPrompt.of(f"big {n}") for n in range(250)))


def test_a_kill_at_any_moment_loses_doubles_and_mixes_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path / "cems.db") as found:
        found.benches.begin(BIG, resume=True)
    moments = random.Random(7)
    context = multiprocessing.get_context("fork")
    before = 0
    kills = 0
    for _ in range(30):
        child = context.Process(target=_endless, args=(tmp_path,))
        child.start()
        time.sleep(moments.uniform(0.0, 0.06))  # whichever moment it is, what follows holds
        assert child.pid is not None
        if child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
            kills += 1
        child.join()
        with open_store(tmp_path / "cems.db") as found:
            rows = list(found.benches.long_rows("b"))
            keys = {(row["prompt_id"], row["function"], row["seed"]) for row in rows}
            assert len(keys) == len(rows) >= before
            before = len(rows)
    with open_store(tmp_path / "cems.db") as found:
        seen: list[CellDone] = []
        outcome = run_bench(
            BIG, Painter(tmp_path, gallery(tmp_path)), found.benches, seen.append, never
        )
        assert kills > 0
        assert (outcome.skipped, outcome.made) == (before, BIG.size - before)
        rows = list(found.benches.long_rows("b"))
        assert len(rows) == BIG.size
        files = found.benches.pictures("b")
        assert len(files) == BIG.size
        for row in rows[::97]:
            key = CellKey(row["prompt_id"], row["function"], row["seed"])
            assert np.array_equal(np.asarray(opened(files[key])), np.asarray(picture_of(key)))
            assert row["score"] == float(np.asarray(picture_of(key)).mean())
