"""A history of a million pictures beside one of ten thousand, and beside the naive ways."""

from __future__ import annotations

import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks.row import median_ratio, row

SMALL, LARGE = 10_000, int(os.environ.get("CEMS_BENCHMARK_PICTURES", "1000000"))
PAGE = 50
REPEATS = 31
SLOW_REPEATS = 5
INSERTS = 64
"""Times as many pictures as are folded into the sums together."""

WORDS = 20_000
"""Different words; every prompt has eight of them, so that one stands in 1 of 2,500 prompts."""


def run() -> list[dict[str, Any]]:
    """The ratios of the history's bars, in one run, each beside its peer in turns."""
    from cems_tui.store.database import open_store

    with tempfile.TemporaryDirectory(dir=os.environ.get("CEMS_BENCHMARK_DIR")) as folder:
        small, large = Path(folder) / "small" / "cems.db", Path(folder) / "large" / "cems.db"
        fill(small, SMALL)
        fill(large, LARGE)
        with open_store(small) as few, open_store(large) as many:
            found = [_newest(few, many), _keyset(many), _words(many), _stats(many)]
        found += _insert(Path(folder), large)
    return found


def fill(path: Path, count: int) -> None:
    """A history of so many pictures over three years; its sums are made when all are there."""
    from cems_tui.store import rollups
    from cems_tui.store.database import open_store

    open_store(path).close()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    indexes = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    for name, _ in indexes:
        db.execute(f"DROP INDEX {name}")
    db.execute("BEGIN")
    for session in range(1 + count // 1000):
        db.execute(
            "INSERT INTO sessions (id, kind, started) VALUES (?, 'app', '2023')", [f"S{session:07}"]
        )
    for table, rows in _rows(count):
        names = list(rows[0])
        marks = ", ".join("?" * len(names))
        db.executemany(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",
            [tuple(one.values()) for one in rows],
        )
    db.execute("COMMIT")
    for _, sql in indexes:
        db.execute(sql)
    db.execute("INSERT INTO active_sessions SELECT DISTINCT session FROM generations")
    for rollup in rollups.ROLLUPS:
        for kept in rollups.KEPT:
            db.execute(f"INSERT INTO {rollup.folded} {rollup.select('1', *kept)}")
    db.execute("UPDATE folded_pictures SET through = (SELECT MAX(number) FROM generations)")
    db.execute("INSERT INTO generations_fts (generations_fts) VALUES ('rebuild')")
    for _, sql in triggers:
        db.execute(sql)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def _rows(count: int, seconds: float | None = None) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The rows of every table, some thousand pictures at a time.

    Args:
        seconds: between two pictures; None spreads them over three years.
    """
    from cems_tui.domain.score import Score
    from cems_tui.store.rows import candidate_rows, generation_row, prompt_id, score_rows
    from tests.store.records import candidate, decision, generation

    draw = random.Random(count)
    functions = ("base@50", "base@20", "turbo@4", "turbo@1")
    candidates = tuple(
        candidate(name, rank=place + 1, cost_usd=1e-6 * (9 - 2 * place), quality=1.4 - 0.1 * place)
        for place, name in enumerate(functions)
    )
    home = Path("/home")
    models = []
    for name in functions:
        scores = (Score("mixed", 1.3, "m:1"), Score("nima", 5.0, "n:1"))
        taken = decision(candidates=candidates, choice=name, router_sha256="sha256:aa")
        made = generation(
            "S", home, executed=name, function=name, decision=taken, scores=scores, id="I"
        )
        models.append((generation_row(made, home), candidate_rows(made), score_rows(made)))
    begin = datetime(2023, 1, 1, tzinfo=UTC)
    apart = 90 * 1_000_000 / max(count, 1) if seconds is None else seconds
    parts: dict[str, list[dict[str, Any]]] = {"generations": [], "candidates": [], "scores": []}
    for number in range(count):
        moment = begin + timedelta(seconds=apart * number)
        generation_id, picked = f"I{number:012}", draw.choices(models, (1, 2, 3, 6))[0]
        words = " ".join(f"word{draw.randrange(WORDS)}" for _ in range(8))
        measured = draw.gauss(1.3, 0.1)
        parts["generations"].append(
            picked[0]
            | {
                "id": generation_id,
                "session": f"S{number // 1000:07}",
                "created": moment.isoformat(timespec="milliseconds"),
                "day": moment.date().isoformat(),
                "prompt": words,
                "prompt_id": prompt_id(words, ""),
                "image": f"pictures/{generation_id}.png",
                "measured_quality": measured,
            }
        )
        parts["candidates"] += [one | {"generation": generation_id} for one in picked[1]]
        parts["scores"] += [one | {"generation": generation_id} for one in picked[2]]
        if number % 5000 == 4999 or number == count - 1:
            yield from parts.items()
            parts = {name: [] for name in parts}


def _newest(few: Any, many: Any) -> dict[str, Any]:
    ours, peers, again = _in_turns(
        lambda: many.page(limit=PAGE), lambda: few.page(limit=PAGE), REPEATS
    )
    return _told(f"newest page of {LARGE:,} pictures", f"of {SMALL:,}", 1.5, ours, peers, again)


def _keyset(many: Any) -> dict[str, Any]:
    db = many._connection.db
    skipped = LARGE * 9 // 10
    last = db.execute(
        "SELECT id FROM generations ORDER BY created DESC, id DESC LIMIT 1 OFFSET ?", [skipped - 1]
    ).fetchone()["id"]
    offset = (
        "SELECT * FROM generations WHERE removed IS NULL ORDER BY created DESC, id DESC "
        f"LIMIT {PAGE} OFFSET {skipped}"
    )
    assert [one["id"] for one in many.page(limit=PAGE, before=last)] == [
        one["id"] for one in db.execute(offset)
    ]
    ours, peers, again = _in_turns(
        lambda: many.page(limit=PAGE, before=last),
        lambda: db.execute(offset).fetchall(),
        SLOW_REPEATS,
    )
    return _told(f"page after {skipped:,} pictures", "OFFSET", 0.02, ours, peers, again)


def _words(many: Any) -> dict[str, Any]:
    db, typed = many._connection.db, "word123"
    like = (
        "SELECT * FROM generations WHERE removed IS NULL AND ' ' || prompt || ' ' LIKE ? "
        f"ORDER BY created DESC, id DESC LIMIT {PAGE * 20}"
    )
    found = [one["id"] for one in many.page(f'"{typed}" ', limit=PAGE * 20)]
    assert found == [one["id"] for one in db.execute(like, [f"% {typed} %"])]
    ours, peers, again = _in_turns(
        lambda: many.page(f'"{typed}" ', limit=PAGE),
        lambda: db.execute(like, [f"% {typed} %"]).fetchall(),
        SLOW_REPEATS,
    )
    name = f"pictures with a word, {len(found)} of {LARGE:,}"
    return _told(name, "LIKE", 0.01, ours, peers, again)


def _stats(many: Any) -> dict[str, Any]:
    from cems_tui.store import rollups

    db = many._connection.db
    scan = """
        SELECT executed, COUNT(*), SUM(cost_usd), AVG(cost_usd), SUM(seconds_load),
            SUM(seconds_encode), SUM(seconds_denoise), SUM(seconds_decode), SUM(seconds_score),
            SUM(seconds_total), SUM(energy_wh), AVG(predicted_quality), AVG(measured_quality)
        FROM generations GROUP BY executed
    """
    for one in _pictures(rollups.FOLDED_AT - 1, "L"):
        _write(db, one, sums=False)  # as many as ever are read beside the kept sums
    assert many.stats().pictures == LARGE + rollups.FOLDED_AT - 1
    ours, peers, again = _in_turns(many.stats, lambda: db.execute(scan).fetchall(), SLOW_REPEATS)
    return _told("history stats", "one GROUP BY scan", 0.001, ours, peers, again)


def _insert(folder: Path, large: Path) -> list[dict[str, Any]]:
    """The rows of a picture in one transaction: all kept up to date, without that, tables alone.

    Sums are made of many pictures at once: a batch's mean counts that with its pictures.
    """
    from cems_tui.store import rollups

    paths = [large, folder / "indexed.db", folder / "plain.db"]
    for copy in paths[1:]:
        with sqlite3.connect(large) as source, sqlite3.connect(copy) as target:
            source.backup(target)
    kept, indexed, plain = (sqlite3.connect(path, isolation_level=None) for path in paths)
    for db, kinds in ((indexed, ("trigger",)), (plain, ("trigger", "index"))):
        for kind in kinds:
            listed = "SELECT name FROM sqlite_master WHERE type = ? AND sql IS NOT NULL"
            for (name,) in db.execute(listed, [kind]).fetchall():
                db.execute(f"DROP {kind} {name}")
    for db in (kept, indexed, plain):
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
    [newest] = kept.execute("SELECT MAX(number) FROM generations").fetchone()
    rollups.fold(kept, newest, at=1)
    taken: list[list[float]] = [[], [], []]
    for one in _pictures(INSERTS * rollups.FOLDED_AT):
        for times, db in zip(taken, (kept, indexed, plain), strict=True):
            sums = db is kept
            times.append(_timed(lambda db=db, one=one, sums=sums: _write(db, one, sums=sums)))
    folded = kept.execute("SELECT through = MAX(number) FROM folded_pictures, generations")
    assert folded.fetchone()[0], "every batch pays for its fold"
    for db in (kept, indexed, plain):
        db.close()
    p95 = 1000 * sorted(taken[0])[int(0.95 * len(taken[0]))]
    ours, without, alone = (
        [statistics.mean(times[at : at + rollups.FOLDED_AT]) for at in _batches(len(times))]
        for times in taken
    )
    return [
        _told(f"insert a picture with words and sums{told}", peer, 3.0, ours, peers, peers)
        | {"control": None, "p95_milliseconds": p95}
        for told, peer, peers in (
            ("", "without those two", without),
            (" and indexes", "tables alone", alone),
        )
    ]


def _batches(pictures: int) -> range:
    """Where the batches of pictures begin that are folded into the sums together."""
    from cems_tui.store import rollups

    return range(0, pictures, rollups.FOLDED_AT)


def _pictures(count: int, begin: str = "N") -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """New pictures as the rows they are written as, parts first: as many a day as before."""
    found: dict[str, list[dict[str, Any]]] = dict(_rows(count, seconds=90))
    for made in found["generations"]:
        fresh = begin + made["id"]
        rows = []
        for table in ("candidates", "scores"):
            mine = [one for one in found[table] if one["generation"] == made["id"]]
            rows += [(table, one | {"generation": fresh}) for one in mine]
        yield [*rows, ("generations", made | {"id": fresh, "session": "S0000000"})]


def _write(db: sqlite3.Connection, rows: list[tuple[str, dict[str, Any]]], *, sums: bool) -> None:
    from cems_tui.store.generations import insert
    from cems_tui.store.rollups import fold

    db.execute("BEGIN IMMEDIATE")
    for table, one in rows:
        number = insert(db, table, one)
    if sums:
        fold(db, number)
    db.execute("COMMIT")


def _in_turns(
    ours: Callable[[], Any], peer: Callable[[], Any], repeats: int
) -> tuple[list[float], list[float], list[float]]:
    """Seconds of processor of both, and of the peer again."""
    ours(), peer()
    mine, others, again = [], [], []
    for _ in range(repeats):
        others.append(_timed(peer))
        mine.append(_timed(ours))
        again.append(_timed(peer))
    return mine, others, again


def _timed(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _told(
    name: str, peer: str, bar: float, ours: list[float], peers: list[float], again: list[float]
) -> dict[str, Any]:
    ratio, ci95 = median_ratio(ours, peers)
    return row(
        name, peer, bar, ratio, ci95=ci95, control=median_ratio(again, peers)[0],
        milliseconds=1000 * statistics.median(ours),
        peer_milliseconds=1000 * statistics.median(peers),
    )  # fmt: skip
