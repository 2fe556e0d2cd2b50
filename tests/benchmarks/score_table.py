"""A score table of 200,000 rows taken in: its reading beside pyarrow's own, then each step."""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.row import median_ratio, row

PROMPTS, FUNCTIONS, SEEDS, METRICS = 5000, 10, 2, ("nima", "clip")
WORDS = 2000
REPEATS = 5
BAR = 1.5
MOST_SECONDS = 3.0
"""Of processor, to check the rows and digest them."""


def run() -> list[dict[str, Any]]:
    """Ratios of reading to pyarrow's, and seconds of processor of what follows."""
    from pyarrow import csv, parquet

    from cems_tui.score_tables.cells import checked
    from cems_tui.score_tables.formats import found_in, write_table
    from cems_tui.store.database import open_store

    found = []
    with tempfile.TemporaryDirectory() as folder:
        table = _table()
        for ending, peer in (
            ("csv", csv.read_csv),
            ("parquet", parquet.read_table),
            ("jsonl", _lines),
        ):
            path = Path(folder) / f"table.{ending}"
            write_table(table, path)
            found.append(_ratio(ending, path, lambda path=path: found_in(path), peer))
            cells = found_in(path)
            found.append(
                _seconds(
                    f"check and digest 200,000 rows of {ending}, s of processor",
                    MOST_SECONDS,
                    lambda cells=cells, path=path: checked(cells, path.name).digest,
                )
            )
        number = iter(range(REPEATS))

        def insert() -> None:
            with open_store(Path(folder) / f"{next(number)}.db") as store:
                store.benches.import_table("benchmark", table)

        found.append(_seconds("insert 200,000 rows, s of processor", None, insert))
        with open_store(Path(folder) / "0.db") as store:
            found.append(
                _seconds(
                    "columns of 200,000 rows out of the database, s of processor",
                    None,
                    lambda: store.benches.columns("benchmark"),
                )
            )
    return found


def _table() -> Any:
    from cems_tui.score_tables.table import Row, ScoreTable

    draw = random.Random(0)
    words = [f"word{number}" for number in range(WORDS)]
    prompts = [
        ", ".join(" ".join(draw.choices(words, k=4)) for _ in range(3)) for _ in range(PROMPTS)
    ]
    return ScoreTable.of(
        Row(
            prompt_id=f"p{number}",
            prompt=prompt,
            function=f"model{function}@4",
            metric=metric,
            score=draw.gauss(5.0, 1.0),
            cost_usd=1e-5 * (function + 1),
            seconds=draw.random(),
            memory_gb=2.5,
            seed=str(seed),
            group=f"g{number % 5}",
        )
        for number, prompt in enumerate(prompts)
        for function in range(FUNCTIONS)
        for seed in range(SEEDS)
        for metric in METRICS
    )


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def _ratio(
    ending: str, path: Path, ours: Callable[[], Any], peer: Callable[[Path], Any]
) -> dict[str, Any]:
    """Wall clock against wall clock, one after the other; JSON Lines have no peer with a bar."""
    peer(path), ours()
    mine, others, again = [], [], []
    for _ in range(REPEATS):
        others.append(_wall(lambda: peer(path)))
        mine.append(_wall(ours))
        again.append(_wall(lambda: peer(path)))
    ratio, ci95 = median_ratio(mine, others)
    return row(
        f"read 200,000 rows of {ending}",
        "json.loads" if ending == "jsonl" else "pyarrow",
        None if ending == "jsonl" else BAR,
        ratio,
        ci95=ci95,
        control=median_ratio(again, others)[0],
        seconds=_spread(mine),
        peer_seconds=_spread(others),
    )


def _seconds(name: str, bar: float | None, work: Callable[[], Any]) -> dict[str, Any]:
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    low, middle, high = _spread(taken)
    return row(name, "—", bar, middle, ci95=(low, high), spread="minimum and maximum")


def _spread(taken: list[float]) -> tuple[float, float, float]:
    return min(taken), statistics.median(taken), max(taken)


def _wall(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
