"""What must hold of a home whatever was done to the commands that write to it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Literal

from cems_tui.store.receipts import read_receipt
from tests.suites.processes import Ended, Forks, Harm, unharmed

LISTINGS = (("history", "ls"), ("ls",), ("router", "ls"), ("bench", "ls"), ("queue", "ls"))
READS = (
    *(("history", "stats"), ("ls", "--all"), ("doctor",), ("verify", "theirs"), ("route", "a cat")),
    *(("router", "show", "other"), ("bench", "report", "made"), ("config", "validate"), *LISTINGS),
)
LONGEST_READ_SECONDS = 60.0
LONG_AGO_SECONDS = 7_200.0
"""Half files of that age are nobody's."""


class Fault(Exception):
    """What was found not whole."""


def expect_words(ended: Ended, about: str) -> None:
    """Whatever happened is told in our words.

    Raises:
        Fault: there is a traceback, or what nobody foresaw, or a process that goes on.
    """
    said = ended.err + ended.out[-2000:]
    if "Traceback" in said or "bug of ours" in said or ended.code == 70:
        raise Fault(f"{about} says {said[-600:]}")
    if ended.left:
        raise Fault(f"{about} leaves processes: {ended.left}")


Alone = Literal["nothing", "rows", "pictures"]
"""What a kill between a picture and its row may leave, until the next start puts it right."""


def expect_whole(forks: Forks, home: Path, *, alone: Alone = "nothing") -> None:
    """Look at everything that is kept.

    Args:
        alone: what may be without the other.

    Raises:
        Fault: with what is wrong.
    """
    routers = [path.stem for path in (home / "routers").glob("*.json")]
    listings = [
        *((*listing, "--json") for listing in LISTINGS),
        ("doctor", "--json"),
        ("history", "ls", "--json", "--limit", "100000"),
        ("history", "ls", "--trash", "--json", "--limit", "100000"),
        *(("router", "show", router, "--json") for router in routers),
    ]
    told = forks.look(listings, home)
    for listing, ended in zip(listings, told, strict=False):
        expect_words(ended, " ".join(listing))
        if ended.code != 0:
            raise Fault(f"{' '.join(listing)} ends in {ended.code}: {ended.err[-400:]}")
    _expect_sound_database(home)
    kept, trash = (json.loads(told[len(LISTINGS) + place].out) for place in (1, 2))
    _expect_pictures(home, kept + trash, alone)


def expect_readable(forks: Forks, home: Path, harm: Harm = unharmed) -> None:
    """Commands that read say what is wrong, or what is there, before long.

    Raises:
        Fault: one says nothing of use, or takes long.
    """
    for listing, ended in zip(READS, forks.look(READS, home, harm), strict=False):
        expect_words(ended, " ".join(listing))
        if ended.seconds > LONGEST_READ_SECONDS:
            raise Fault(f"{' '.join(listing)} takes {ended.seconds:.0f} s")


def expect_nothing_left(forks: Forks, home: Path) -> None:
    """Half files are swept, or told by `doctor`, as soon as they are old enough to be nobody's.

    Raises:
        Fault: one lies about, told by nobody.
    """
    for path in _half_files(home):
        long_ago = path.lstat().st_mtime - LONG_AGO_SECONDS
        os.utime(path, (long_ago, long_ago), follow_symlinks=False)
    if not _half_files(home):
        return
    doctor, _ = forks.look([("doctor", "--json"), ("history", "ls")], home)
    for path in _half_files(home):
        if path.name not in doctor.out and path.parent.name not in doctor.out:
            raise Fault(f"a half file stays and is not told: {path.relative_to(home)}")


def _half_files(home: Path) -> list[Path]:
    return [path for path in home.rglob(".*.cems-tmp") if ".partial" not in path.parts]


def expect_finished_queue(forks: Forks, home: Path) -> None:
    """Nothing waits, and nothing was drawn twice.

    Raises:
        Fault: the queue did not go on, or did so twice.
    """
    listing, history = forks.look(
        [("queue", "ls", "--all", "--json"), ("history", "ls", "--json", "--limit", "100000")], home
    )
    jobs = json.loads(listing.out)
    states = Counter(row["state"] for row in jobs)
    if states.keys() & {"waiting", "running", "paused"}:
        raise Fault(f"the queue did not go on: {dict(states)}")
    done = Counter(row["prompt"] for row in jobs if row["state"] == "done")
    drawn = Counter(row["prompt"] for row in json.loads(history.out))
    for prompt in ("a red cat", "two dogs"):
        if drawn[prompt] > 1 or (done and done[prompt] != drawn[prompt]):
            raise Fault(f"{prompt} was drawn {drawn[prompt]} times: {done} of {dict(states)}")


def expect_bench(forks: Forks, home: Path, name: str, scores: int) -> None:
    """A benchmark has all of its scores, each once.

    Raises:
        Fault: it has not.
    """
    [exported] = forks.look([("bench", "export", name, "--format", "jsonl")], home)
    if exported.code != 0:
        raise Fault(f"the benchmark cannot be exported: {exported.err[-300:]}")
    keys = Counter(
        tuple(row[key] for key in ("prompt_id", "function", "metric", "seed"))
        for row in map(json.loads, exported.out.splitlines())
    )
    if any(count > 1 for count in keys.values()) or len(keys) != scores:
        raise Fault(f"the benchmark has {len(keys)} of {scores} scores: {keys.most_common(3)}")


def _expect_pictures(home: Path, rows: list[dict[str, str]], may_be: Alone) -> None:
    """Every row its picture, every picture its row, each once."""
    ids = Counter(row["id"] for row in rows)
    if twice := [one for one, count in ids.items() if count > 1]:
        raise Fault(f"rows stand twice: {twice}")
    for row in rows:
        image = Path(row["image"])
        if may_be == "rows" and not image.exists():
            continue
        if not image.is_file() or read_receipt(image)["id"] != row["id"]:
            raise Fault(f"the row {row['id']} has not its picture")
    pictures = {read_receipt(path)["id"] for path in (home / "pictures").rglob("[!.]*.png")}
    if (alone := pictures - set(ids)) and may_be != "pictures":
        raise Fault(f"pictures without a row: {alone}")


def _expect_sound_database(home: Path) -> None:
    for path in home.glob("*.db"):
        with sqlite3.connect(path) as database:
            for check in ("integrity_check", "foreign_key_check"):
                said = database.execute(f"PRAGMA {check}").fetchall()
                if said not in ([("ok",)], []):
                    raise Fault(f"{check} of {path.name}: {said[:3]}")
