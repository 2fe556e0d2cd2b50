"""How many of 48 prompts change function once pictures were drawn here, cold or on a busy machine.

A fresh home routes the prompts; then again after one picture of the cheapest function, the first
after a load; then after ten routed pictures drawn while four loops a core keep the machine busy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cems_tui.starter.benchmark_prompts import benchmark_prompts
from tests.benchmarks.row import row

PROMPTS = 48
DRAWN = 10
MOST_CHANGED = 2
LOOPS = 4 * (os.cpu_count() or 1)


def run() -> list[dict[str, Any]]:
    """Prompts that change function, one row a moment."""
    with TemporaryDirectory() as folder:
        home = Path(folder)
        prompts = [prompt for prompt, _ in benchmark_prompts(PROMPTS)]
        (home / "prompts.txt").write_text("\n".join(prompts))
        (home / "few.txt").write_text("\n".join(prompts[:DRAWN]))
        fresh = _picks(home)
        _cems(home, "generate", "a red car", "--function", "starter-turbo@1", "-q")
        cold = _picks(home)
        loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(LOOPS)]
        try:
            _cems(home, "generate", "-f", str(home / "few.txt"), "-q")
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()
        busy = _picks(home)
    return [
        _row("one cold picture", fresh, cold),
        _row(f"{DRAWN} pictures beside {LOOPS} busy loops", fresh, busy),
    ]


def _row(after: str, before: list[str], now: list[str]) -> dict[str, Any]:
    changed = sum(one != other for one, other in zip(before, now, strict=True))
    return row(
        f"picks of {PROMPTS} prompts changed after {after}", "a fresh home", MOST_CHANGED, changed
    )


def _picks(home: Path) -> list[str]:
    told = _cems(home, "route", "-f", str(home / "prompts.txt"), "--json")
    return [json.loads(line)["choice"] for line in told.splitlines()]


def _cems(home: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "cems_tui", *arguments],
        env={**os.environ, "CEMS_HOME": str(home / "home")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout
