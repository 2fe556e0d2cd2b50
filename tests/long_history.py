"""A history of any length, made up: rows as a year of use leaves them, without picture files.

Run as a program it fills a home: `python -m tests.long_history HOME ROWS`.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cems_tui.store.connection import connect
from cems_tui.store.rows import prompt_id

FUNCTIONS = {
    "starter-turbo@1": (1.9e-6, 1.74, 0.02),
    "starter-small@8": (1.4e-6, 1.66, 0.09),
    "starter-base@8": (2.7e-6, 1.82, 0.16),
    "starter-base@20": (6.5e-6, 1.88, 0.41),
}
"""US dollars, quality and seconds of a picture."""

_CHEAPEST = min(FUNCTIONS, key=lambda name: FUNCTIONS[name][0])
_DEAREST = max(FUNCTIONS, key=lambda name: FUNCTIONS[name][0])
_DEVIATION = 0.24 / (2 * 1.645)

SHAPES = ("square", "circle", "star", "cat", "car", "rocket", "house", "cup")
COLOURS = ("red", "blue", "green", "yellow", "purple", "orange")
NEWEST = datetime(2026, 11, 27, 18, 25, tzinfo=UTC)
SESSION_PICTURES = 40
AT_ONCE = 20_000

_DECISION = json.dumps(
    {
        "prompt": "", "choice": "starter-base@8", "router": "starter", "metric": "mixed",
        "policy": {"kind": "balanced", "value": 0.26, "lambda": 8120.0}, "reason": "made up",
        "encode_ms": 1.2, "route_ms": 0.1, "in_distribution": True,
    }
)  # fmt: skip


def fill(home: Path, count: int, seed: int = 0) -> Path:
    """A database with that many pictures; one of a hundred prompts has the word `harbour`."""
    path = home / "cems.db"
    connection = connect(path)
    db = connection.db
    db.execute("PRAGMA synchronous = OFF")
    chance = random.Random(seed)
    rows = _rows(count, chance)
    while page := [row for _, row in zip(range(AT_ONCE), rows, strict=False)]:
        with connection.transaction():
            db.executemany(
                "INSERT OR IGNORE INTO sessions (id, name, kind, started) VALUES (?, ?, 'app', ?)",
                [(row["session"], row["session_name"], row["created"]) for row in page],
            )
            for table, columns in _TABLES.items():  # a picture's parts first, as the store does
                marks = ", ".join("?" * len(columns))
                db.executemany(
                    f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
                    [values for row in page for values in row[table]],
                )
    connection.close()
    return path


_TABLES = {
    "candidates": (
        *("generation", "position", "function", "rank", "quality", "interval_low"),
        *("interval_high", "quality_source", "cost_usd", "cost_source", "priced", "seconds"),
        *("memory_bytes", "load_seconds", "utility", "installed", "resident", "fits", "allowed"),
        *("compared", "cheapest", "dearest", "ran_usd", "gained", "gained_variance"),
    ),
    "scores": ("generation", "position", "metric", "value", "scorer", "higher_is_better"),
    "generations": (
        *("id", "session", "created", "prompt", "negative", "function", "executed", "image"),
        *("seed", "width", "height", "steps", "guidance", "sampler", "model", "router", "metric"),
        *("policy", "policy_value", "seconds_load", "seconds_encode", "seconds_denoise"),
        *("seconds_decode", "seconds_score", "seconds_total", "peak_memory_bytes", "cost_usd"),
        *("cost_source", "load_cost_usd", "rating", "starred", "decision", "day", "prompt_id"),
        *("router_sha256", "scorer", "predicted_quality", "predicted_low", "predicted_high"),
        "measured_quality",
    ),
}


def _rows(count: int, chance: random.Random) -> Iterator[dict]:  # type: ignore[type-arg]
    for number in range(count):
        back = count - number
        created = NEWEST - timedelta(minutes=7 * back)
        name = f"01J{number:023d}"
        function = chance.choice(tuple(FUNCTIONS))
        cost, quality, seconds = FUNCTIONS[function]
        words = f"a {chance.choice(COLOURS)} {chance.choice(SHAPES)} left of"
        prompt = f"{words} a {chance.choice(COLOURS)} {chance.choice(SHAPES)}"
        if number % 100 == 7:
            prompt += " in a harbour"
        session = number // SESSION_PICTURES
        measured = chance.gauss(quality, 0.09)
        moment = created.isoformat(timespec="milliseconds")
        yield {
            "session": f"01S{session:023d}",
            "session_name": None if session % 5 else f"project {session // 5}",
            "created": moment,
            "generations": [
                (
                    *(name, f"01S{session:023d}", moment, prompt, "", function, function),
                    *(f"pictures/{name}.png", number, 64, 64, int(function.partition("@")[2])),
                    *(3.0, "DDIMScheduler", function.partition("@")[0], "starter", "mixed"),
                    *("balanced", 0.26, 0.0, 0.01, seconds, 0.02, 0.04, seconds + 0.07),
                    *(31_000_000, cost * chance.uniform(0.9, 1.3), "measured", 0.0),
                    *(chance.choice((None, None, None, 3, 5)), int(number % 50 == 0), _DECISION),
                    *(moment[:10], prompt_id(prompt, ""), "sha256:00", "starter-mixed:sha256:00"),
                    *(quality, quality - 0.12, quality + 0.12, measured),
                )
            ],
            "candidates": [
                (
                    *(name, place, one, place + 1, promised, promised - 0.12, promised + 0.12),
                    *("router", price, "measured", 1, took, 31_000_000, 0.0, promised, 1, 1, 1, 1),
                    *(1, one == _CHEAPEST, one == _DEAREST, cost, quality - promised),
                    0.0 if one == function else 2 * _DEVIATION**2,
                )
                for place, (one, (price, promised, took)) in enumerate(FUNCTIONS.items())
            ],
            "scores": [
                (name, 0, "nima", 5.0 + measured / 3, "starter-nima:sha256:00", 1),
                (name, 1, "mixed", measured, "starter-mixed:sha256:00", 1),
            ],
        }


if __name__ == "__main__":
    print(fill(Path(sys.argv[1]), int(sys.argv[2])))
