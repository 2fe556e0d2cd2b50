"""`python -m tests.experiments.bench_bills [--out FILE]`: five small benchmarks of the pack, each
billed before it runs (`--dry-run`), then run: how far the money and the seconds were off.

A fresh home first learns what a picture takes here from one benchmark that is not counted: that
is when the bill of a new user's first run is a guess, and its row says so.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.cli.cems import cems
from tests.experiments.screenshots import PROMPTS

BAR = 1.5
"""A bill that is off by more is a guess."""

RUNS: tuple[tuple[str, int], ...] = (
    ("starter-turbo@1,starter-small@4", 5),
    ("starter-turbo@1,starter-small@4", 5),
    ("starter-base@4,starter-small@8", 4),
    ("starter-base@8,starter-turbo@1", 4),
    ("starter-base@20,starter-base@4", 2),
    ("starter-amused@12,starter-turbo@1", 3),
)
"""Functions and seeds over the prompts; the first is not counted."""


def ran(home: Path, prompts: Path, number: int, functions: str, seeds: int) -> dict[str, Any]:
    """One benchmark with its bill before it."""
    words = ["bench", "run", "--name", f"bill-{number}", "--prompts", str(prompts)]
    words += ["--functions", functions, "--seeds", str(seeds), "--json"]
    billed = cems(*words, "--dry-run", home=home)
    assert billed.code == 0, billed.err
    bill = json.loads(billed.out)
    load, began = os.getloadavg()[0], time.monotonic()
    done = cems(*words, home=home)
    assert done.code == 0, done.err
    wall = time.monotonic() - began
    cells = [json.loads(line) for line in done.out.splitlines()]
    spent = sum(one["cost_usd"] for one in cells)
    return {
        "functions": functions,
        "pictures": len(cells),
        "billed_usd": bill["cost_usd"],
        "spent_usd": spent,
        "money_ratio": spent / bill["cost_usd"],
        "billed_seconds": bill["seconds"] + (bill["score_seconds"] or 0.0),
        "wall_seconds": wall,
        "wall_ratio": wall / (bill["seconds"] + (bill["score_seconds"] or 0.0)),
        "load_before": load,
        "counted": number > 0,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    out: Path | None = parser.parse_args(arguments).out
    with tempfile.TemporaryDirectory() as folder:
        prompts = Path(folder) / "prompts.txt"
        prompts.write_text("\n".join(PROMPTS) + "\n")
        rows = []
        for number, (functions, seeds) in enumerate(RUNS):
            rows.append(ran(Path(folder) / "home", prompts, number, functions, seeds))
            print(json.dumps(rows[-1]), flush=True)
    within = [
        max(one["money_ratio"], 1 / one["money_ratio"]) <= BAR for one in rows if one["counted"]
    ]
    told = {
        "command": "python -m tests.experiments.bench_bills",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "bar": BAR,
        "money_within_bar": f"{sum(within)} of {len(within)}",
        "runs": rows,
    }
    print(told["money_within_bar"])
    if out is not None:
        out.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
