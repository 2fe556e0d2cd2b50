"""A benchmark goes on where it stopped, keeps what is done, and says what failed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.bench.bill import CellEstimate, bill, drift, held_together, plan_of
from cems_tui.bench.prompts import parse_prompts
from cems_tui.bench.run import BenchOutcome, Budget, CellDone, Reading, Stop, run_bench
from cems_tui.domain.bench import BenchPlan, BenchPrompt, Cell, CellKey, CellState
from cems_tui.domain.score import Score
from cems_tui.errors import (
    CemsError,
    DeviceBusy,
    Interrupted,
    OutOfMemory,
    StorageError,
    UnknownName,
    UsageError,
)
from cems_tui.score_tables.formats import (
    COLUMNS,
    parse_table,
    write_csv,
    write_jsonl,
    write_parquet,
)
from cems_tui.store.benches import Benches
from cems_tui.store.database import open_store

CAR, CAT, DOG = (BenchPrompt.of(text, "animals") for text in ("a car", "a cat", 'a "dog",\n\x00'))
PLAN = BenchPlan("b", (CAR, CAT), ("base@20", "turbo@1"), (0, 1), ("nima",))
PRICE = 0.001


class FakeMaker:
    """Makes cells at once; fails or stops where told."""

    def __init__(self, errors: dict[str, CemsError] | None = None, scorer: str = "s:1") -> None:
        self.errors = errors or {}
        self.scorer = scorer
        self.made: list[tuple[str, str, int]] = []

    def make(self, key: CellKey, prompt: str, stop: Stop) -> Cell:
        self.made.append((key.function, prompt, key.seed))
        if error := self.errors.get(prompt):
            raise error
        return Cell(0.5, 2_500_000_000, PRICE, (Score("nima", 5.0 + key.seed, self.scorer),))

    def read(self, key: CellKey, prompt: str, picture: str, metrics: Sequence[str]) -> Reading:
        raise AssertionError("no picture was kept, so none is read")


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Benches]:
    with open_store(tmp_path / "cems.db") as store:
        yield store.benches


def run(
    book: Benches,
    plan: BenchPlan = PLAN,
    maker: FakeMaker | None = None,
    stop_after: int | None = None,
    **options: object,
) -> tuple[BenchOutcome, list[CellDone], FakeMaker]:
    used = maker or FakeMaker()
    seen: list[CellDone] = []
    outcome = run_bench(
        plan,
        used,
        book,
        seen.append,
        lambda: stop_after is not None and len(seen) >= stop_after,
        **options,  # type: ignore[arg-type]
    )
    return outcome, seen, used


def test_every_cell_is_made_one_function_after_the_other(book: Benches) -> None:
    outcome, seen, maker = run(book)
    assert [made[0] for made in maker.made] == ["base@20"] * 4 + ["turbo@1"] * 4
    assert len(set(maker.made)) == 8
    assert [event.number for event in seen] == list(range(1, 9))
    assert (outcome.made, outcome.left, outcome.exit_code, outcome.ended) == (8, 0, 0, "done")
    assert outcome.spent_usd == pytest.approx(8 * PRICE)
    assert seen[0].to_json()["scorers"] == {"nima": "s:1"}
    assert book.summaries()[0].status == "done"


@pytest.mark.parametrize("stop_after", [0, 1, 5, 8])
def test_a_stopped_run_goes_on_where_it_was(book: Benches, stop_after: int) -> None:
    outcome, _, first = run(book, stop_after=stop_after)
    assert outcome.made == stop_after
    if stop_after < 8:
        assert (outcome.ended, outcome.exit_code) == ("stopped", 130)
        assert book.summaries()[0].status == "stopped"
    outcome, seen, second = run(book)
    assert (outcome.made, outcome.skipped) == (8 - stop_after, stop_after)
    assert sorted(first.made + second.made) == sorted(set(first.made + second.made))
    assert not seen or seen[-1].number == 8
    assert len(list(book.long_rows("b"))) == 8


def test_a_maker_that_is_interrupted_leaves_its_cell_open(book: Benches) -> None:
    outcome, _, _ = run(book, maker=FakeMaker({CAT.prompt: Interrupted("stopped")}))
    assert (outcome.made, outcome.left, outcome.exit_code) == (2, 6, 130)
    assert run(book)[0].made == 6


def test_a_failed_cell_is_kept_with_its_reason_and_retried_when_asked(book: Benches) -> None:
    failing = FakeMaker({CAT.prompt: OutOfMemory("no room for base@20")})
    outcome, seen, _ = run(book, maker=failing)
    assert (outcome.made, outcome.failed, outcome.exit_code) == (4, 4, 5)
    assert [event.error for event in seen].count("no room for base@20") == 4
    assert book.summaries()[0].failed == 4
    assert book.failures("b")[0] == (CellKey(CAT.id, "base@20", 0), "no room for base@20")
    missing = [row for row in book.long_rows("b") if row["score"] is None]
    assert [(row["prompt"], row["metric"]) for row in missing] == [(CAT.prompt, "nima")] * 4
    again, _, untouched = run(book)
    assert (again.made, again.skipped, untouched.made) == (0, 8, [])
    retried, _, _ = run(book, retry_failed=True)
    assert (retried.made, retried.failed, retried.skipped) == (4, 0, 4)
    assert book.failures("b") == []
    assert book.summaries()[0].cells == 8


@pytest.mark.parametrize("error", [DeviceBusy("busy"), StorageError("full"), RuntimeError("bug")])
def test_what_would_fail_every_cell_ends_the_run(book: Benches, error: Exception) -> None:
    with pytest.raises(type(error)):
        run(book, maker=FakeMaker({CAT.prompt: error}))  # type: ignore[dict-item]
    assert book.summaries()[0].status == "stopped"
    assert run(book)[0].skipped == 2


def test_another_plan_under_the_name_needs_resume_and_then_grows(book: Benches) -> None:
    run(book)
    for change, what in (
        ({"prompts": (CAR, DOG)}, "prompts"),
        ({"functions": ("base@20",)}, "functions"),
        ({"seeds": (0, 1, 2)}, "seeds"),
    ):
        with pytest.raises(UsageError, match=what) as raised:
            run(book, replace(PLAN, **change))
        assert "--resume" in raised.value.hint
    assert book.plan("b") == PLAN
    outcome, _, _ = run(book, replace(PLAN, prompts=(DOG,), seeds=(0, 1, 2)), resume=True)
    assert book.plan("b").prompts == (CAR, CAT, DOG)
    assert (outcome.skipped, outcome.made) == (8, 10)


def test_instruments_never_mix(book: Benches) -> None:
    run(book, stop_after=3)
    with pytest.raises(UsageError, match="metrics"):
        run(book, replace(PLAN, metrics=("clip",)))
    with pytest.raises(UsageError, match="s:2"):
        run(book, maker=FakeMaker(scorer="s:2"))
    assert len(list(book.long_rows("b"))) == 3


def test_a_budget_stops_before_the_cell_that_would_break_it(book: Benches) -> None:
    def estimate(function: str) -> CellEstimate:
        return CellEstimate(0.5, PRICE if function == "base@20" else None)

    outcome, _, _ = run(book, budget=Budget(2.5 * PRICE, estimate))
    assert (outcome.made, outcome.ended, outcome.exit_code) == (2, "budget", 6)
    outcome, _, _ = run(book, budget=Budget(1.0, estimate))
    assert (outcome.made, outcome.left, outcome.ended) == (2, 4, "budget")
    assert "turbo@1 has no known price" in outcome.message
    assert outcome.hint == "Leave --budget out, or leave that function out."


def test_the_bill_counts_the_unknown_apart() -> None:
    known = {"base@20": CellEstimate(0.5, PRICE, load_seconds=3.0)}
    tasks = PLAN.tasks({})
    found = bill(tasks, lambda name: known.get(name, CellEstimate(None, None)))
    assert (found.pictures, found.untimed, found.unpriced) == (8, 4, 4)
    assert found.seconds == pytest.approx(3.0 + 4 * 0.5)
    assert found.cost_usd == pytest.approx(4 * PRICE)
    assert bill(tasks, lambda name: CellEstimate(None, None)).to_json()["cost_usd"] is None


@given(
    done=st.sets(st.sampled_from(sorted(PLAN.keys(), key=str))),
)
def test_what_is_left_and_what_is_done_make_the_plan(done: set[CellKey]) -> None:
    read = CellState(frozenset(PLAN.metrics))
    left = [task.key for task in PLAN.tasks(dict.fromkeys(done, read))]
    assert set(left) | done == set(PLAN.keys())
    assert not set(left) & done
    assert len(left) == len(set(left))


MANY = BenchPlan(
    "many",
    tuple(BenchPrompt.of(f"prompt {number}") for number in range(60)),
    ("base@4", "base@20", "turbo@1", "other"),
    (0, 1),
    ("nima",),
)


@given(
    st.lists(st.lists(st.sampled_from(["base@4", "base@20", "turbo@1"]), unique=True), max_size=2)
)
def test_every_cell_is_run_once_however_functions_are_held_together(
    groups: list[list[str]],
) -> None:
    flat = [name for group in groups for name in group]
    if len(flat) == len(set(flat)):
        keys = list(MANY.keys(groups))
        assert len(keys) == len(set(keys)) == MANY.size


def test_functions_held_together_are_drawn_prompt_by_prompt() -> None:
    functions = [key.function for key in MANY.keys([MANY.functions])]
    assert functions == [*MANY.functions] * (60 * 2)


def test_what_is_not_held_together_is_loaded_once_a_pass() -> None:
    nets = [key.function.partition("@")[0] for key in MANY.keys([])]
    loads = 1 + sum(one != before for before, one in pairwise(nets))
    passes = 6  # 60 prompts × 2 seeds, 20 pictures at least
    assert loads == passes * 3 - (passes - 1)  # every other pass begins with what is loaded
    halves = nets[: len(nets) // 2], nets[len(nets) // 2 :]
    assert all({"base", "turbo", "other"} == set(half) for half in halves)


def test_models_are_held_together_as_far_as_the_device_holds_them() -> None:
    def of(model: str, size: int | None) -> CellEstimate:
        return CellEstimate(1.0, PRICE, load_bytes=size, model=model)

    estimates = {
        "a@4": of("a", 30),
        "b@1": of("b", 40),
        "a@20": of("a", 30),
        "c@1": of("c", 30),
        "d@1": of("d", None),
        "e@1": of("e", 1),
    }
    assert held_together(estimates, 100) == [("a@4", "a@20", "b@1"), ("c@1",), ("d@1",), ("e@1",)]
    assert held_together(estimates, None)[0] == ("a@4", "a@20")


def test_drift_is_what_the_last_pictures_took_beside_the_first() -> None:
    steady = [("a@1", 1.0), ("a@4", 4.0)] * 9
    assert drift(steady) == pytest.approx(1.0)
    slower = steady[:12] + [(name, 1.5 * taken) for name, taken in steady[12:]]
    assert drift(slower) == pytest.approx(1.5)
    assert drift(steady[:4]) is None
    assert drift([("a@1", 1.0)] * 9 + [("b@1", 1.0)] * 9) is None


def test_a_plan_is_made_of_a_prompt_file() -> None:
    lines = parse_prompts(b'a car\na car\n{"prompt": "a cat", "group": "pets"}', "f")
    plan = plan_of("mine", lines, ["a@1", "b@1", "a@1"], 2, ["nima"])
    assert [p.prompt for p in plan.prompts] == ["a car", "a cat"]
    assert plan.prompts[1].group == "pets"
    assert (plan.functions, plan.seeds, plan.size) == (("a@1", "b@1"), (0, 1), 8)
    assert BenchPlan.from_spec("mine", json.loads(json.dumps(plan.spec()))) == plan
    with pytest.raises(UsageError, match=r"line 1.*seed"):
        plan_of("mine", parse_prompts(b'{"prompt": "a", "seed": 1}', "f"), ["a@1"], 1, [])
    for name, functions, seeds in ((" ", ["a@1"], 1), ("b", [], 1), ("b", ["a@1"], 0)):
        with pytest.raises(UsageError):
            plan_of(name, lines, functions, seeds, [])


def test_the_long_form_is_the_contracts(book: Benches, tmp_path: Path) -> None:
    run(book, replace(PLAN, prompts=(DOG,), functions=("base@20",)))
    rows = list(book.long_rows("b"))
    assert rows[1] == {
        "prompt_id": DOG.id,
        "prompt": DOG.prompt,
        "function": "base@20",
        "metric": "nima",
        "score": 6.0,
        "cost_usd": PRICE,
        "seconds": 0.5,
        "memory_gb": 2.5,
        "seed": 1,
        "rater": None,
        "group": "animals",
        "higher_is_better": True,
    }
    whole = list(book.stretches("b"))
    as_csv, as_lines = io.StringIO(), io.StringIO()
    assert write_csv(whole, as_csv) == write_jsonl(whole, as_lines) == 2
    read = list(csv.DictReader(io.StringIO(as_csv.getvalue(), newline="")))
    assert list(read[0]) == list(COLUMNS)
    assert (read[1]["prompt"], read[1]["score"], read[1]["rater"]) == (DOG.prompt, "6.0", "")
    assert [json.loads(line) for line in as_lines.getvalue().splitlines()] == rows
    parquet = pytest.importorskip("pyarrow.parquet")
    assert write_parquet(whole, tmp_path / "b.parquet") == 2
    assert parquet.read_table(tmp_path / "b.parquet").to_pylist() == rows
    with pytest.raises(StorageError):
        write_parquet(whole, tmp_path / "missing" / "b.parquet")


def test_a_table_is_written_the_same_in_one_stretch_or_in_many(
    book: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(book, PLAN)
    one, many = io.StringIO(), io.StringIO()
    assert write_jsonl(book.stretches("b"), one) == 8
    monkeypatch.setattr("cems_tui.store.benches.EXPORT_PAGE", 3)
    assert len(list(book.stretches("b"))) == 3
    assert write_jsonl(book.stretches("b"), many) == 8
    assert one.getvalue() == many.getvalue()
    assert book.columns("b")["seed"] == [row["seed"] for row in book.long_rows("b")]


def test_an_imported_table_comes_out_as_it_went_in(
    book: Benches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cems_tui.store.benches.EXPORT_PAGE", 2)
    base = dict.fromkeys(COLUMNS) | {"prompt_id": "1", "prompt": "a", "function": "f"}
    rows = [
        base | {"metric": "nima", "score": 5.0, "higher_is_better": True},
        base | {"metric": "nima", "score": 5.5, "higher_is_better": True, "rater": "ann"},
        base | {"metric": "nima", "score": 5.0, "higher_is_better": True},
        base | {"metric": "lpips", "score": 0.1, "higher_is_better": False, "memory_gb": 1.5},
        base | {"metric": "clip", "score": 1.0, "higher_is_better": True, "group": "g", "seed": 3},
    ]
    rows.append(base | {"metric": "clip", "score": None, "seed": "x", "higher_is_better": True})
    assert book.import_rows("theirs", rows, "table.csv") == 6
    assert list(book.long_rows("theirs")) == rows
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet(
        [{name: [row.get(name) for row in rows] for name in COLUMNS}], tmp_path / "theirs.parquet"
    )
    seeds = [row["seed"] for row in parquet.read_table(tmp_path / "theirs.parquet").to_pylist()]
    assert seeds[-2:] == ["3", "x"]
    with pytest.raises(UsageError, match="already"):
        book.import_rows("theirs", rows)
    with pytest.raises(UsageError, match="imported"):
        run(book, replace(PLAN, name="theirs"))
    with pytest.raises(CemsError):
        book.import_rows("bad", [*rows, base | {"metric": "clip", "score": float("inf")}])
    assert [summary.name for summary in book.summaries()] == ["theirs"]
    book.remove("theirs")
    assert book.summaries() == []
    for use in (book.remove, book.plan, lambda name: list(book.long_rows(name)), book.failures):
        with pytest.raises(UnknownName):
            use("theirs")


def test_what_is_exported_is_read_as_a_score_table(book: Benches) -> None:
    failing = FakeMaker({CAT.prompt: OutOfMemory("no room")})
    run(book, replace(PLAN, prompts=(CAR, CAT, DOG)), maker=failing)
    stream = io.StringIO()
    write_csv(book.stretches("b"), stream)
    lines = csv.DictReader(io.StringIO(stream.getvalue(), newline=""))
    table = parse_table(enumerate(lines, start=2), "b.csv")
    assert len(table.rows) == 12
    assert [row.prompt for row in table.rows if row.score is None] == [CAT.prompt] * 4
    assert {row.cost_usd for row in table.rows if row.score is not None} == {PRICE}
