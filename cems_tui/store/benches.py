"""The benchmarks in the database: their plans, their cells as they are done, their scores."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cems_tui.domain.bench import (
    BenchPlan,
    BenchPrompt,
    Cell,
    CellKey,
    CellState,
    Parts,
    Status,
    continued,
)
from cems_tui.domain.generation import now
from cems_tui.domain.pricing import GIGABYTE
from cems_tui.domain.score import Score
from cems_tui.errors import UnknownName, UsageError
from cems_tui.score_tables.table import COLUMNS, ScoreTable
from cems_tui.store.connection import Connection
from cems_tui.store.generations import Observation, insert
from cems_tui.store.rows import recordable, stage_columns, stages_of

if TYPE_CHECKING:
    from cems_tui.score_tables.table import ScoreTable


EXPORT_PAGE = 10_000

TAUGHT_COLUMNS = (
    "seconds_load",
    "seconds_encode",
    "seconds_denoise",
    "seconds_decode",
    "seconds_score",
    "load_bytes",
    "energy_wh",
)

TYPICAL_CELLS = 50
"""The newest cells whose middle stands for those to come."""


class Benches:
    """The benchmark tables; `run_bench` writes to them cell by cell."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def summaries(self) -> list[BenchSummary]:
        """Every benchmark, newest first."""
        return summaries(self._connection)

    def summary(self, name: str) -> BenchSummary:
        """One benchmark's line in the list.

        Raises:
            UnknownName: there is no such benchmark.
        """
        self._row(name)
        return next(one for one in summaries(self._connection) if one.name == name)

    def plan(self, name: str) -> BenchPlan:
        """The plan of a benchmark that was run here.

        Raises:
            UnknownName: there is no such benchmark.
            UsageError: it was imported, so it has no plan.
        """
        row = self._row(name)
        if row["status"] == "imported":
            raise UsageError(f"the benchmark {name!r} is an imported table", "Run another --name.")
        return BenchPlan.from_spec(name, json.loads(row["spec"]))

    def find_plan(self, name: str) -> BenchPlan | None:
        """The plan of a benchmark that was run here; None where the name is free.

        Raises:
            UsageError: it was imported, so it has no plan.
        """
        found = self._connection.rows("SELECT 1 FROM benches WHERE name = ?", [name])
        return self.plan(name) if found else None

    def begin(self, plan: BenchPlan, *, resume: bool) -> BenchPlan:
        """Open the benchmark of that plan, new or to be continued; the plan that is to be run.

        Raises:
            UsageError: another benchmark has the name.
            StorageError: it cannot be written.
        """
        with self._connection.transaction() as db:
            found = self._connection.rows("SELECT 1 FROM benches WHERE name = ?", [plan.name])
            whole = continued(self.plan(plan.name), plan, resume=resume) if found else plan
            row = {"spec": json.dumps(whole.spec()), "status": "running"}
            if found:
                db.execute(
                    "UPDATE benches SET spec = ?, status = ? WHERE name = ?",
                    [*row.values(), plan.name],
                )
            else:
                insert(db, "benches", {"name": plan.name, "created": now(), **row})
        return whole

    def copy(self, name: str, fresh: str, metrics: Sequence[str], without: Sequence[str]) -> None:
        """A new benchmark of the same pictures, to be read on other metrics, or by others.

        Args:
            metrics: those of the new one.
            without: metrics whose readings are not taken along.

        Raises:
            UnknownName: there is no such benchmark.
            UsageError: it was imported, or the new name is taken.
            StorageError: it cannot be written; then nothing is kept.
        """
        spec = {**self.plan(name).spec(), "metrics": list(metrics)}
        with self._connection.transaction() as db:
            self._refuse_taken(fresh)
            row = {"name": fresh, "created": now(), "spec": json.dumps(spec), "status": "stopped"}
            insert(db, "benches", row)
            columns = [row[1] for row in db.execute("PRAGMA table_info(bench_cells)")]
            own = ("id", "bench", "error", *TAUGHT_COLUMNS)  # a run teaches prices once
            told = ", ".join(one for one in columns if one not in own)
            db.execute(
                f"INSERT INTO bench_cells (bench, {told}) SELECT ?, {told} FROM bench_cells "
                "WHERE bench = ? AND image IS NOT NULL ORDER BY id",
                [fresh, name],
            )
            marks = ", ".join("?" * len(without))
            db.execute(
                f"""
                INSERT INTO bench_scores (cell, metric, value, scorer, higher_is_better)
                SELECT new.id, metric, value, scorer, higher_is_better
                FROM bench_cells AS old JOIN bench_scores ON cell = old.id
                JOIN bench_cells AS new USING (prompt_id, function, seed)
                WHERE old.bench = ? AND new.bench = ? AND old.error IS NULL
                    AND metric NOT IN ({marks})
                """,
                [name, fresh, *without],
            )

    def kept(self, name: str) -> dict[CellKey, CellState]:
        """What is there of every cell that was tried."""
        tried: dict[int, set[str]] = {}
        for row in self._connection.rows(
            "SELECT cell, metric FROM bench_scores JOIN bench_cells ON id = cell WHERE bench = ?",
            [name],
        ):
            tried.setdefault(row[0], set()).add(row[1])
        rows = self._connection.rows(
            "SELECT id, prompt_id, function, seed, image, error FROM bench_cells WHERE bench = ?",
            [name],
        )
        return {
            CellKey(row["prompt_id"], row["function"], row["seed"]): CellState(
                frozenset(tried.get(row["id"], ())), row["image"], row["error"] is not None
            )
            for row in rows
        }

    def record(
        self,
        plan: BenchPlan,
        key: CellKey,
        prompt: BenchPrompt,
        cell: Cell | None,
        error: str | None,
    ) -> None:
        """Keep one cell, made or failed, in the place of an earlier try.

        Metrics of the plan that were not read are kept as missing.

        Raises:
            UsageError: a metric was read by another instrument before; two are never mixed.
            GenerationError: a figure is not finite.
            StorageError: it cannot be written.
        """
        name = plan.name
        row = cell_row(name, key, prompt, cell, error)
        read = cell.scores if cell else ()
        scores = _with_missing(read, plan.metrics)
        with self._connection.transaction() as db:
            self._refuse_other_scorers(name, read)
            db.execute(
                "DELETE FROM bench_cells "
                "WHERE bench = ? AND prompt_id = ? AND function = ? AND seed = ?",
                [name, key.prompt_id, key.function, key.seed],
            )
            _insert_cell(db, row, scores)

    def add_readings(
        self,
        name: str,
        key: CellKey,
        metrics: Sequence[str],
        read: Sequence[Score],
        seconds: float | None,
        error: str | None,
        *,
        picture_lost: bool = False,
    ) -> None:
        """Keep what was read off the picture of a cell, or why it could not be read.

        Args:
            metrics: those asked for; what is not among the scores is kept as missing.
            seconds: what the reading took; None keeps what is known of an earlier one.
            picture_lost: the file is not there any more: a retry draws it again.

        Raises:
            UsageError: a metric was read by another instrument before; two are never mixed.
            GenerationError: a figure is not finite.
            StorageError: it cannot be written.
        """
        scores = [] if error else _with_missing(read, metrics)
        with self._connection.transaction() as db:
            self._refuse_other_scorers(name, read)
            [found] = db.execute(
                "UPDATE bench_cells SET error = ?, seconds_score = COALESCE(?, seconds_score), "
                "image = CASE WHEN ? THEN NULL ELSE image END "
                "WHERE bench = ? AND prompt_id = ? AND function = ? AND seed = ? RETURNING id",
                [error, seconds, picture_lost, name, key.prompt_id, key.function, key.seed],
            ).fetchall()
            for score in scores:
                db.execute(
                    "DELETE FROM bench_scores WHERE cell = ? AND metric = ?",
                    [found["id"], score["metric"]],
                )
                insert(db, "bench_scores", {"cell": found["id"], **score})

    def end(self, name: str, status: Status) -> None:
        """Note how the run ended."""
        with self._connection.transaction() as db:
            db.execute("UPDATE benches SET status = ? WHERE name = ?", [status, name])

    def remove(self, name: str) -> list[Path]:
        """Forget a benchmark with all its cells; the files of pictures that no other one has.

        Raises:
            UnknownName: there is no such benchmark.
        """
        self._row(name)
        with self._connection.transaction() as db:
            files = self._only_of(name)
            db.execute("DELETE FROM benches WHERE name = ?", [name])
        return files

    def forget_pictures(self, name: str) -> list[Path]:
        """Forget where the pictures of a benchmark are; the files that no other one has.

        Raises:
            UnknownName: there is no such benchmark.
        """
        self._row(name)
        with self._connection.transaction() as db:
            files = self._only_of(name)
            db.execute(
                "UPDATE bench_cells SET image = NULL, image_bytes = NULL WHERE bench = ?", [name]
            )
        return files

    def prompts(self, name: str) -> dict[str, str | None]:
        """The group of every prompt of a benchmark, in the order they came.

        Raises:
            UnknownName: there is no such benchmark.
        """
        self._row(name)
        rows = self._connection.rows(
            "SELECT prompt, MAX(group_name) AS group_name FROM bench_cells WHERE bench = ? "
            "GROUP BY prompt ORDER BY MIN(id)",
            [name],
        )
        return {row["prompt"]: row["group_name"] for row in rows}

    def pictures(self, name: str) -> dict[CellKey, Path]:
        """The file of every kept picture of a benchmark.

        Raises:
            UnknownName: there is no such benchmark.
        """
        self._row(name)
        rows = self._connection.rows(
            "SELECT prompt_id, function, seed, image FROM bench_cells "
            "WHERE bench = ? AND image IS NOT NULL",
            [name],
        )
        home = self._connection.home
        return {CellKey(row[0], row[1], row[2]): home / row[3] for row in rows}

    def picture_bytes(self) -> int:
        """What the kept pictures of all benchmarks hold on disk."""
        [row] = self._connection.rows(
            "SELECT SUM(size) FROM (SELECT MAX(image_bytes) AS size FROM bench_cells "
            "WHERE image IS NOT NULL GROUP BY image)"
        )
        return int(row[0] or 0)

    def mean_picture_bytes(self, function: str) -> float | None:
        """What the newest kept pictures of a function hold each; None where there is none."""
        [row] = self._connection.rows(
            "SELECT AVG(image_bytes) FROM (SELECT image_bytes FROM bench_cells WHERE function = ? "
            "AND seconds_denoise IS NOT NULL AND image_bytes IS NOT NULL "
            "ORDER BY created DESC LIMIT ?)",
            [function, TYPICAL_CELLS],
        )
        return None if row[0] is None else float(row[0])

    def reading_seconds(self, function: str, metrics: Sequence[str]) -> float | None:
        """What reading these metrics off a picture of the function took of late.

        The middle of the newest cells with just these readings; None where there is none.
        """
        rows = self._connection.rows(
            """
            SELECT seconds_score, (SELECT GROUP_CONCAT(metric) FROM
                (SELECT metric FROM bench_scores WHERE cell = id ORDER BY metric)) AS metrics
            FROM bench_cells WHERE function = ? AND seconds_score IS NOT NULL
            ORDER BY created DESC LIMIT ?
            """,
            [function, TYPICAL_CELLS],
        )
        wanted = ",".join(sorted(metrics))
        found = [float(row[0]) for row in rows if row[1] == wanted]
        return median(found) if found else None

    def _only_of(self, name: str) -> list[Path]:
        rows = self._connection.rows(
            "SELECT DISTINCT image FROM bench_cells AS own WHERE bench = ? AND image IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM bench_cells AS other "
            "WHERE other.image = own.image AND other.bench != own.bench)",
            [name],
        )
        return [self._connection.home / row[0] for row in rows]

    def _refuse_taken(self, name: str) -> None:
        if not name.strip():
            raise UsageError("the benchmark has no name", "Give it one with --name.")
        if self._connection.rows("SELECT 1 FROM benches WHERE name = ?", [name]):
            raise UsageError(
                f"there is a benchmark {name!r} already",
                f"Choose another --name, or remove it with `cems bench rm {name}`.",
            )

    def import_rows(
        self,
        name: str,
        rows: Iterable[Mapping[str, Any]],
        source: str = "",
        scorers: Mapping[str, str] | None = None,
    ) -> int:
        """Keep a long-form table whole as a benchmark; the number of its rows.

        Args:
            name: a benchmark name that is free.
            rows: long-form rows, checked; a score of None is a missing cell and stays one.
            source: where they come from, for people.
            scorers: the instrument that read each metric, where that is known.

        Raises:
            UsageError: the name is taken.
            GenerationError: a figure is not finite.
            StorageError: it cannot be written; then nothing is kept.
        """
        told = [recordable(dict(row), f"a row of {name}") for row in rows]
        columns = {column: [row.get(column) for row in told] for column in COLUMNS}
        return self._import(name, columns, source, scorers or {})

    def import_table(self, name: str, table: ScoreTable, source: str = "") -> int:
        """Keep a checked score table whole as a benchmark; the number of its rows.

        Raises:
            UsageError: the name is blank or taken.
            StorageError: it cannot be written; then nothing is kept.
        """
        return self._import(name, table.listed(), source)

    def _import(
        self,
        name: str,
        columns: Mapping[str, Sequence[Any]],
        source: str,
        scorers: Mapping[str, str] = MappingProxyType({}),
    ) -> int:
        with self._connection.transaction() as db:
            self._refuse_taken(name)
            spec = json.dumps({"source": source})
            moment = now()
            insert(
                db,
                "benches",
                {"name": name, "created": moment, "spec": spec, "status": "imported"},
            )
            rows = insert_imported(db, name, columns, moment)
            db.executemany(
                "UPDATE bench_scores SET scorer = ? WHERE metric = ? AND value IS NOT NULL "
                "AND cell IN (SELECT id FROM bench_cells WHERE bench = ?)",
                [(scorer, metric, name) for metric, scorer in scorers.items()],
            )
            return rows

    def long_rows(self, name: str) -> Iterator[dict[str, Any]]:
        """The benchmark in the contract's long form: a row a score, in the order they were made.

        What is missing (a failed cell, a metric that was not read) is a row without a score.

        Raises:
            UnknownName: there is no such benchmark.
        """
        self._row(name)
        return self._long_rows(name)

    def _long_rows(self, name: str) -> Iterator[dict[str, Any]]:
        directions = self._directions(name)
        for page in self._pages(name):
            for row in page:
                said = long_row(dict(row))
                yield said | {"higher_is_better": directions.get(row["metric"], True)}

    def columns(self, name: str) -> dict[str, list[Any]]:
        """The benchmark in the long form, as columns.

        Raises:
            UnknownName: there is no such benchmark.
        """
        whole: dict[str, list[Any]] = {column: [] for column in COLUMNS}
        for stretch in self.stretches(name):
            for column, values in stretch.items():
                whole[column] += values
        return whole

    def stretches(self, name: str) -> Iterator[dict[str, list[Any]]]:
        """The benchmark in the long form, as columns of some thousand rows at a time.

        Raises:
            UnknownName: there is no such benchmark.
        """
        self._row(name)
        return self._stretches(name)

    def _stretches(self, name: str) -> Iterator[dict[str, list[Any]]]:
        directions = self._directions(name)
        for page in self._pages(name):
            values = zip(*(tuple(row)[1:] for row in page), strict=True)
            columns = dict(zip(COLUMNS, map(list, values), strict=True))
            memory = columns["memory_gb"]
            columns["memory_gb"] = [None if one is None else one / GIGABYTE for one in memory]
            columns["higher_is_better"] = [directions.get(one, True) for one in columns["metric"]]
            yield columns

    def _pages(self, name: str) -> Iterator[list[sqlite3.Row]]:
        after = (0, "")
        while page := self._connection.rows(
            """
            SELECT id, prompt_id, prompt, function, metric, value, cost_usd, seconds,
                memory_bytes, seed, rater, group_name, higher_is_better
            FROM bench_cells JOIN bench_scores ON cell = id
            WHERE +bench = ? AND id >= ? AND (id, metric) > (?, ?)
            ORDER BY id, metric LIMIT ?
            """,  # the + keeps the index of names out: pages are read in the order of ids
            [name, after[0], *after, EXPORT_PAGE],
        ):
            yield page
            after = (page[-1]["id"], page[-1]["metric"])

    def seconds(self, name: str) -> list[tuple[str, float]]:
        """(function, seconds) of the cells that were drawn here, in the order they were drawn.

        Raises:
            UnknownName: there is no such benchmark.
        """
        if self._row(name)["status"] == "imported":
            return []
        rows = self._connection.rows(
            "SELECT function, seconds FROM bench_cells "
            "WHERE bench = ? AND seconds IS NOT NULL ORDER BY id",
            [name],
        )
        return [(row[0], row[1]) for row in rows]

    def contention(self, name: str) -> list[float]:
        """The share of its time that each cell waited for a processor, where that was measured.

        Raises:
            UnknownName: there is no such benchmark.
        """
        self._row(name)
        rows = self._connection.rows(
            "SELECT contention FROM bench_cells WHERE bench = ? AND contention IS NOT NULL", [name]
        )
        return [row[0] for row in rows]

    def failures(self, name: str) -> list[tuple[CellKey, str]]:
        """The cells that failed, and why."""
        self._row(name)
        rows = self._connection.rows(
            "SELECT prompt_id, function, seed, error FROM bench_cells "
            "WHERE bench = ? AND error IS NOT NULL ORDER BY id",
            [name],
        )
        return [(CellKey(row[0], row[1], row[2]), row[3]) for row in rows]

    def scorers(self, name: str) -> dict[str, str | None]:
        """The instrument that read each metric; None where the table did not say.

        Raises:
            UnknownName: there is no such benchmark.
        """
        self._row(name)
        rows = self._connection.rows(
            """
            SELECT metric, MAX(scorer) AS scorer FROM bench_scores JOIN bench_cells ON id = cell
            WHERE bench = ? GROUP BY metric
            """,
            [name],
        )
        return {row["metric"]: row["scorer"] for row in rows}

    def _row(self, name: str) -> Mapping[str, Any]:
        rows = self._connection.rows("SELECT * FROM benches WHERE name = ?", [name])
        if not rows:
            names = self._connection.rows("SELECT name FROM benches ORDER BY name")
            raise UnknownName.of("benchmark", name, [row["name"] for row in names])
        return dict(rows[0])

    def _directions(self, name: str) -> dict[str, bool]:
        """Whether higher is better, by metric; a missing score does not say."""
        rows = self._connection.rows(
            """
            SELECT metric, MIN(higher_is_better) AS higher
            FROM bench_scores JOIN bench_cells ON id = cell
            WHERE bench = ? AND (value IS NOT NULL OR NOT higher_is_better) GROUP BY metric
            """,
            [name],
        )
        return {row["metric"]: bool(row["higher"]) for row in rows}

    def _refuse_other_scorers(self, name: str, scores: Iterable[Score]) -> None:
        for score in scores:
            before = self._connection.rows(
                """
                SELECT scorer FROM bench_scores JOIN bench_cells ON id = cell
                WHERE bench = ? AND metric = ? AND scorer IS NOT NULL LIMIT 1
                """,
                [name, score.metric],
            )
            if before and before[0]["scorer"] != score.scorer:
                raise UsageError(
                    f"{score.metric} of the benchmark {name!r} was read by "
                    f"{before[0]['scorer']}, and now by {score.scorer}",
                    "Readings of two instruments are never mixed: use another --name.",
                )


def _insert_cell(
    db: sqlite3.Connection, row: Mapping[str, Any], scores: Iterable[dict[str, Any]]
) -> None:
    cell = insert(db, "bench_cells", row)
    for score in scores:
        insert(db, "bench_scores", {"cell": cell, **score})


def cell_row(
    name: str, key: CellKey, prompt: BenchPrompt, cell: Cell | None, error: str | None
) -> dict[str, Any]:
    """The columns of `bench_cells` for a cell, made or failed."""
    row = {
        "bench": name,
        "prompt_id": key.prompt_id,
        "prompt": prompt.prompt,
        "group_name": prompt.group,
        "function": key.function,
        "seed": key.seed,
        "seconds": cell.seconds if cell else None,
        "memory_bytes": cell.memory_bytes if cell else None,
        "cost_usd": cell.cost_usd if cell else None,
        "contention": cell.contention if cell else None,
        "seconds_score": cell.score_seconds if cell else None,
        **(asdict(cell.picture) if cell and cell.picture else {}),
        **(_parts_columns(cell.parts) if cell and cell.parts else {}),
        "error": error,
        "created": now(),
    }
    return recordable(row, f"a cell of {name}")


def _parts_columns(parts: Parts) -> dict[str, Any]:
    return {
        "width": parts.width,
        "height": parts.height,
        "seconds_load": parts.load_seconds,
        "seconds_encode": parts.encode_seconds,
        "seconds_denoise": parts.denoise_seconds,
        "seconds_decode": parts.decode_seconds,
        "load_bytes": parts.load_bytes,
        "held_bytes": parts.held_bytes,
        **stage_columns(parts.stage_bytes),
        "precision": parts.precision,
        "energy_wh": parts.energy_wh,
    }


def _with_missing(read: Iterable[Score], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """A row a score, and one without a value for every metric that was not read."""
    rows = [score_row(score) for score in read]
    there = {row["metric"] for row in rows}
    return rows + [{"metric": one, "value": None} for one in metrics if one not in there]


def observations(connection: Connection, limit_per_function: int) -> list[tuple[str, Observation]]:
    """The newest cells and loads of each function, with the moment they were made."""
    found: dict[int, sqlite3.Row] = {}
    for index, where in (
        ("measured", "seconds_denoise IS NOT NULL"),
        ("loads", "seconds_load > 0"),
    ):
        by = f"bench_cells INDEXED BY bench_cells_{index} WHERE {where}"
        for name in connection.rows(f"SELECT DISTINCT function FROM {by}"):
            for row in connection.rows(
                f"SELECT * FROM {by} AND function = ? ORDER BY created DESC LIMIT ?",
                [name[0], limit_per_function],
            ):
                found[row["id"]] = row
    return [
        (
            row["created"],
            Observation(
                function=row["function"],
                width=row["width"],
                height=row["height"],
                encode_seconds=row["seconds_encode"],
                denoise_seconds=row["seconds_denoise"],
                decode_seconds=row["seconds_decode"],
                load_seconds=row["seconds_load"],
                memory_bytes=row["memory_bytes"],
                load_bytes=row["load_bytes"],
                held_bytes=row["held_bytes"],
                stage_bytes=stages_of(row),
                precision=row["precision"],
                contention=row["contention"],
                energy_wh=row["energy_wh"],
            ),
        )
        for row in found.values()
    ]


def score_row(score: Score) -> dict[str, Any]:
    """The columns of `bench_scores` for a reading."""
    return recordable(asdict(score), f"the score {score.metric}")


def insert_imported(
    db: sqlite3.Connection, name: str, columns: Mapping[str, Sequence[Any]], moment: str
) -> int:
    """Write long-form rows, each as a cell of its own: repeats stay repeats; how many they were.

    Hundreds of thousands of rows are two statements, so ids are given here.

    Args:
        columns: the values of `COLUMNS`, figures finite.
    """
    before = db.execute("SELECT MAX(id) FROM bench_cells").fetchone()[0] or 0
    count = len(columns["score"])
    ids = range(before + 1, before + 1 + count)
    memory = [None if one is None else round(one * GIGABYTE) for one in columns["memory_gb"]]
    higher = [1 if one is None else int(one) for one in columns["higher_is_better"]]
    texts = ("prompt_id", "prompt", "group", "function", "seed", "rater")
    db.executemany(
        "INSERT INTO bench_cells (id, bench, prompt_id, prompt, group_name, function, seed, rater,"
        " seconds, memory_bytes, cost_usd, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        zip(
            ids,
            repeat(name),
            *(columns[text] for text in texts),
            columns["seconds"],
            memory,
            columns["cost_usd"],
            repeat(moment),
        ),
    )
    db.executemany(
        "INSERT INTO bench_scores (cell, metric, value, higher_is_better) VALUES (?, ?, ?, ?)",
        zip(ids, columns["metric"], columns["score"], higher, strict=True),
    )
    return count


def long_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One score of a cell with the columns of the long form; memory in decimal GB."""
    memory = row["memory_bytes"]
    return {
        "prompt_id": row["prompt_id"],
        "prompt": row["prompt"],
        "function": row["function"],
        "metric": row["metric"],
        "score": row["value"],
        "cost_usd": row["cost_usd"],
        "seconds": row["seconds"],
        "memory_gb": None if memory is None else memory / GIGABYTE,
        "seed": row["seed"],
        "rater": row["rater"],
        "group": row["group_name"],
        "higher_is_better": bool(row["higher_is_better"]),
    }


@dataclass(frozen=True, slots=True)
class BenchSummary:
    """One benchmark in a list."""

    name: str
    created: str
    status: Status
    prompts: int
    functions: int
    cells: int
    """Pictures made (of an imported table: its rows)."""

    failed: int
    cost_usd: float | None
    """Sum of the priced cells; None when no cell has a price, and of an imported table: nothing
    was spent here."""

    unpriced: int
    picture_bytes: int
    """What its kept pictures hold on disk."""

    def to_json(self) -> dict[str, Any]:
        """One row of `cems bench ls --json`."""
        return asdict(self)


def summaries(connection: Connection) -> list[BenchSummary]:
    """Every benchmark, newest first."""
    rows = connection.rows(
        """
        SELECT name, benches.created AS created, status,
            COUNT(DISTINCT prompt_id) AS prompts, COUNT(DISTINCT function) AS functions,
            COUNT(id) - COUNT(error) AS cells, COUNT(error) AS failed,
            CASE status WHEN 'imported' THEN NULL ELSE SUM(cost_usd) END AS cost_usd,
            COUNT(CASE WHEN error IS NULL AND id AND cost_usd IS NULL THEN 1 END) AS unpriced,
            COALESCE(SUM(image_bytes), 0) AS picture_bytes
        FROM benches LEFT JOIN bench_cells ON bench = name
        GROUP BY name ORDER BY benches.created DESC, name
        """
    )
    return [BenchSummary(**dict(row)) for row in rows]
