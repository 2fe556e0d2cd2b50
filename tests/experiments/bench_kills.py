"""`python -m tests.experiments.bench_kills [MOMENTS]`: a benchmark of the pack is killed at random
moments and goes on; then it must hold what one that nobody killed holds.

Real processes, real pictures, real scores. A round of SIGKILL, SIGTERM and SIGINT each; every run
starts where the last was killed, and every benchmark that is whole begins anew under another name.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.bench.killed import differences, kept
from tests.cli.cems import ROOT, environment, fork_server

PROMPTS = ("a red cat", "two dogs in the snow", "an empty room", "a blue boat and a house")
START_SECONDS, DRAWING_SECONDS = 8.0, 4.0
"""Half of the moments fall into these from the start on, half into these from the first row on."""

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def run(
    home: Path, name: str, after: float | None = None, number: int = 0, *, drawing: bool = False
) -> tuple[int, str]:
    """One `cems bench run`; its code and what it said.

    Args:
        after: seconds until it is sent the signal, from its first row on if `drawing`.
    """

    def kill(process: int, out: Path) -> None:
        if after is not None:
            with suppress(ProcessLookupError):
                while drawing and not out.stat().st_size:
                    os.kill(process, 0)  # it may have ended
                    time.sleep(0.01)
                time.sleep(after)
                os.kill(process, number)

    command = ["bench", "run", "--name", name, "--prompts", str(home.parent / "prompts.txt")]
    command += ["--functions", "starter-base@4,starter-small@4", "--seeds", "10", "--json"]
    said = fork_server().run(command, environment(home), home.parent, b"", 600, kill)
    return said[0], said[2].decode()


def main(moments: int) -> int:
    draw = random.Random(30)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "prompts.txt").write_text("\n".join(PROMPTS) + "\n")
        whole = Path(folder, "whole")
        code, said = run(whole, "whole")
        assert code == 0, said
        reference = kept(whole)
        home, found, before, name = Path(folder, "killed"), list[dict[str, Any]](), {}, "b0"
        for moment in range(moments):
            number, drawing = SIGNALS[moment % len(SIGNALS)], moment % 2 == 1
            after = draw.uniform(0.0, DRAWING_SECONDS if drawing else START_SECONDS)
            code, said = run(home, name, after, number, drawing=drawing)
            rows = kept(home)
            row = {
                "signal": number.name,
                "after_seconds": round(after, 3),
                "from": "first row" if drawing else "start",
                "exit_code": code,
                "rows_before": len(before),
                "rows_after": len(rows),
                "lost_or_changed": len(differences(before, rows)),
                "not_as_undisturbed": len(differences(rows, reference)),
                "traceback": "Traceback" in said,
                "said": said.strip().splitlines()[-3:],
                "left_files": len(list((home / "bench-pictures").rglob(".*.cems-tmp"))),
            }
            print(json.dumps(row), file=sys.stderr, flush=True)
            found.append(row)
            before = rows
            if len(rows) == len(reference):
                fork_server().run(["bench", "rm", name, "--yes"], environment(home), ROOT, b"", 60)
                before, name = {}, f"b{moment + 1}"
        code, said = run(home, name)
        ended = kept(home)
        print(json.dumps({
            "cells": len(reference),
            "last_run": {"exit_code": code, "rows": len(ended), "same": ended == reference},
            "moments": found,
        }, indent=1))  # fmt: skip
        bad = [one for one in found if one["lost_or_changed"] or one["not_as_undisturbed"]]
        return int(bool(bad) or code != 0 or ended != reference)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 30))
