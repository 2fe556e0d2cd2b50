"""A real benchmark that is killed while it draws goes on as if nobody had killed it.

Thirty moments of real runs are a program of their own, `tests.experiments.bench_kills`.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.bench.killed import differences, kept
from tests.cli.cems import CAN_FORK, cems, environment, fork_server
from tests.patience import until

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="a fork is only safe on Linux")

RUN = ("bench", "run", "--name", "b", "--functions", "starter-small@4", "--json", "--metrics",
       "sharpness")  # fmt: skip


def test_a_killed_run_loses_doubles_and_changes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (tmp_path / "prompts.txt").write_text("a red cat\ntwo dogs\nan empty room\n")

    def kill(process: int, out: Path) -> None:
        until(lambda: out.stat().st_size)
        os.kill(process, signal.SIGKILL)

    first = [*RUN, "--prompts", "prompts.txt"]
    code, _, _ = fork_server().run(first, environment(home), tmp_path, b"", 600, kill)
    before = kept(home)
    assert code == -signal.SIGKILL
    assert 1 <= len(before) < 3
    [listed] = cems("bench", "ls", "--json", home=home).document
    assert (listed["status"], listed["cells"]) == ("stopped", len(before))
    again = cems(*RUN, home=home)
    assert again.code == 0, again.err
    after = kept(home)
    assert len(after) == 3
    assert differences(before, after) == []
    drawn = [json.loads(line)["prompt_id"] for line in again.out.splitlines()]
    assert len(drawn) == 3 - len(before)
