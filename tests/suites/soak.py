"""Thousands of pictures of models that displace each other: nothing grows, nothing is left.

`python -m tests.suites.soak --home DIR` gives one `cems generate` a file of 2,000 prompts whose
functions alternate every four, on a device that holds one model at a time, and looks at the
process from outside. Stopped, it goes on with `cems queue run` when it is started again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from tests.cli.cems import environment

FUNCTIONS = ("starter-turbo@1", "starter-small@4")
PICTURES_A_TURN = 4
BUDGET_MEGABYTES = 12
"""Of one model's weights and what drawing takes; two do not fit."""

MOST_GROWTH = 0.05
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Look:
    """The process at one moment."""

    pictures: int
    resident_bytes: int
    handles: int
    threads: int
    children: int
    other_files: int
    """In the home, beside pictures, database and log."""


def looked(process: int, home: Path) -> Look | None:
    """None when it has just ended."""
    place = Path(f"/proc/{process}")
    try:
        words = (place / "status").read_text().split()
        told = dict(pairwise(words))
        return Look(
            pictures=_pictures(home),
            resident_bytes=int(told["VmRSS:"]) * 1024,
            handles=len(list((place / "fd").iterdir())),
            threads=int(told["Threads:"]),
            children=len((place / "task" / str(process) / "children").read_text().split()),
            other_files=len(_other_files(home)),
        )
    except (OSError, KeyError):
        return None


def _pictures(home: Path) -> int:
    return len(list((home / "pictures").glob("*.png")))


def _other_files(home: Path) -> list[Path]:
    known = ("cems.db", "cems.log")
    return [
        path
        for path in home.rglob("*")
        if path.is_file() and path.suffix != ".png" and not path.name.startswith(known)
    ]


def summary(looks: Sequence[Look]) -> dict[str, float]:
    """What grew between the second tenth of the pictures and the last, as shares or counts."""
    first, last = looks[0].pictures, looks[-1].pictures
    tenth = max((last - first) / 10, 1)
    early = [one for one in looks if first + tenth <= one.pictures <= first + 2 * tenth]
    late = [one for one in looks if one.pictures >= last - tenth]

    def median(found: Sequence[Look], name: str) -> float:
        return statistics.median(getattr(one, name) for one in found or looks)

    names = ("handles", "threads", "children", "other_files")
    return {
        "pictures": last - first,
        "early_bytes": median(early, "resident_bytes"),
        "late_bytes": median(late, "resident_bytes"),
        "growth": median(late, "resident_bytes") / median(early, "resident_bytes") - 1,
        **{f"more_{name}": median(late, name) - median(early, name) for name in names},
    }


def faults(found: Mapping[str, float]) -> list[str]:
    """What a summary says that may not be."""
    grew = [name for name, value in found.items() if name.startswith("more_") and value > 0]
    if found["growth"] > MOST_GROWTH:
        grew.append(f"memory by {found['growth']:.1%}")
    return grew


def soaked(home: Path, pictures: int, seconds: float) -> tuple[list[Look], int]:
    """Draw, or go on drawing; what was seen, and the exit code (None was stopped)."""
    prompts = home.parent / f"{home.name}-prompts.jsonl"
    if not prompts.exists():
        turns = (FUNCTIONS[(at // PICTURES_A_TURN) % len(FUNCTIONS)] for at in range(pictures))
        lines = (
            json.dumps({"prompt": f"{at} red cats", "function": name})
            for at, name in enumerate(turns)
        )
        prompts.write_text("\n".join(lines) + "\n")
        command = ["generate", "-f", str(prompts), "--no-score", "-q"]
    else:
        command = ["queue", "run", "--order", "fifo", "-q"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cems_tui", *command],
        env=environment(home, {"CEMS_DEVICE_BUDGET_MB": str(BUDGET_MEGABYTES)}),
        stdout=subprocess.DEVNULL,
    )
    looks, end = [], time.monotonic() + seconds
    while process.poll() is None:
        time.sleep(LOOK_SECONDS)
        if (look := looked(process.pid, home)) is not None and look.pictures:
            looks.append(look)
        if time.monotonic() > end:
            process.terminate()
            end = float("inf")
    return looks, process.returncode


def history_seconds(home: Path) -> float:
    """How long `cems history ls` takes, the best of three."""
    told = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "cems_tui", "history", "ls", "-q"],
            env=environment(home),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        told.append(time.monotonic() - began)
    return min(told)


def switches(home: Path) -> int:
    """How often a model was loaded for a picture."""
    told = subprocess.run(
        [sys.executable, "-m", "cems_tui", "history", "ls", "--json", "--limit", "100000"],
        env=environment(home),
        capture_output=True,
        check=True,
    )
    return sum((row["seconds"].get("load") or 0.0) > 0 for row in json.loads(told.stdout))


def main() -> None:
    """Runs the suite by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="kept, to go on from")
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="then it is stopped")
    parser.add_argument("--looks", type=Path, help="where to write what was seen, as JSON lines")
    chosen = parser.parse_args()
    home = chosen.home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    looks, code = soaked(home, chosen.pictures, chosen.seconds)
    if chosen.looks is not None:
        with suppress(FileNotFoundError), chosen.looks.open("a") as file:
            file.writelines(json.dumps(asdict(look)) + "\n" for look in looks)
    found = summary(looks)
    told = {
        **found,
        "exit": code,
        "all_pictures": _pictures(home),
        "switches": switches(home),
        "history_seconds": history_seconds(home),
        "half_files": len(list(home.rglob(".*.cems-tmp"))),
    }
    print(json.dumps(told, indent=1))
    wrong = faults(found)
    print(f"faults: {', '.join(wrong) or 'none'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
