"""`cems queue`: what waits is listed, moved, paused, cancelled, and outlives a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cems_tui.store.database import open_store
from tests.cli.cems import cems, environment
from tests.cli.inside import Inside, inside
from tests.patience import PATIENCE

__all__ = ["inside"]

PINNED = ("--function", "starter-turbo@1")


def ids(inside: Inside, *options: str) -> list[str]:
    return inside("queue", "ls", "-q", *options).out.split()


def test_what_is_added_waits_in_its_order_with_prices_and_times(inside: Inside) -> None:
    assert inside("queue", "ls").out == "nothing is in the queue\n"
    added = inside("queue", "add", "a red car", "a blue boat", *PINNED)
    assert added.code == 0
    assert "2 pictures in the queue" in added.out
    rows = inside("queue", "ls", "--json").document
    assert [row["prompt"] for row in rows] == ["a red car", "a blue boat"]
    assert [row["position"] for row in rows] == [1, 2]
    assert [row["state"] for row in rows] == ["waiting", "waiting"]
    assert {row["function"] for row in rows} == {"starter-turbo@1"}
    assert [row["loads"] for row in rows] == [True, False]
    assert rows[0]["starts_in_seconds"] == 0.0
    assert rows[1]["starts_in_seconds"] is not None
    assert rows[0]["process"] is None


def test_a_dry_run_adds_nothing_and_prints_the_bill(inside: Inside) -> None:
    told = inside("queue", "add", "a red car", "-n", "3", "--dry-run", *PINNED)
    assert "3 pictures would cost" in told.err
    assert ids(inside) == []


@pytest.mark.parametrize("command", [("queue", "add"), ("generate",), ("route",)])
def test_more_pictures_than_anybody_waits_for_are_refused_at_once(
    inside: Inside, command: tuple[str, ...]
) -> None:
    for count in ("100001", "1000000000", str(10**30)):
        ran = inside(*command, "a red car", "-n", count, *PINNED)
        assert ran.code == 2
        assert "at once" in ran.err


def test_many_prompts_are_taken_whole_or_not_at_all(inside: Inside, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text('a car\n{"prompt": "a boat", "seed": 3}\n{"prompt": ""}\n')
    refused = inside("queue", "add", "-f", str(file))
    assert refused.code == 2
    assert "line 3" in refused.err
    assert ids(inside) == []


def test_moving_pausing_resuming_cancelling_retrying_and_forgetting(inside: Inside) -> None:
    inside("queue", "add", "one", "two", "three", "-q", *PINNED)
    one, two, three = ids(inside)
    assert inside("queue", "move", three, "--first").code == 0
    assert ids(inside) == [three, one, two]
    assert inside("queue", "pause", one[:20] + one[20:], "-q").code == 0
    rows = {row["id"]: row for row in inside("queue", "ls", "--json").document}
    assert rows[one]["state"] == "paused"
    assert rows[one]["position"] is None
    assert inside("queue", "resume", "--all").out == "1 job waiting\n"
    assert inside("queue", "cancel", two).out == "1 job cancelled\n"
    assert two not in ids(inside)
    assert inside("queue", "retry", two).code == 0
    assert inside("queue", "cancel", "--all").out == "3 jobs cancelled\n"
    assert ids(inside) == []
    assert inside("queue", "rm", "--finished").out == "3 jobs forgotten\n"
    assert inside("queue", "ls", "--all", "--json").document == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("pause",), "which jobs is not said"),
        (("cancel", "X", "--all"), "which jobs is not said"),
        (("cancel", "X"), "there is no job 'X'"),
        (("move", "X"), "where to is not said"),
        (("add",), "there is no prompt"),
        (("add", "  "), "the prompt is empty"),
        (("add-command", "--", "rm", "sd-turbo"), "cannot wait in the queue"),
        (("add-command", "--", "bench"), "cannot wait in the queue"),
    ],
)
def test_what_cannot_be_done_is_said_and_exits_2(
    inside: Inside, command: tuple[str, ...], said: str
) -> None:
    told = inside("queue", *command)
    assert told.code == 2
    assert said in told.err


def test_what_can_no_longer_be_done_with_a_job_is_said(inside: Inside) -> None:
    inside("queue", "add", "one", *PINNED)
    (one,) = ids(inside)
    inside("queue", "cancel", one)
    told = inside("queue", "pause", one)
    assert told.code == 2
    assert "can no longer be paused" in told.err


def test_hostile_prompts_are_shown_and_never_obeyed(inside: Inside) -> None:
    inside("queue", "add", "a \x1b[31mred\x07 [b]car[/b]", *PINNED)
    told = inside("queue", "ls")
    assert "\x1b" not in told.out
    assert "␛[31mred␇ [b]car[/b]" in told.out


def test_running_an_empty_queue_says_so(inside: Inside) -> None:
    told = inside("queue", "run")
    assert (told.code, told.out) == (0, "")
    assert "nothing waits" in told.err


@pytest.mark.slow
def test_the_queue_is_drawn_and_each_picture_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    cems("queue", "add", "a red car", "a blue boat", *PINNED, "--no-score", home=home)
    ran = cems("queue", "run", "--json", home=home)
    assert ran.code == 0
    assert [line["prompt"] for line in ran.lines] == ["a red car", "a blue boat"]
    assert cems("queue", "ls", "--json", home=home).document == []
    again = cems("queue", "run", home=home)
    assert "nothing waits" in again.err
    assert len(cems("history", "ls", "--json", home=home).document) == 2


@pytest.mark.slow
def test_a_function_that_is_gone_fails_its_job_and_no_other(tmp_path: Path) -> None:
    home = tmp_path / "home"
    cems("queue", "add", "a red car", "a blue boat", *PINNED, "--no-score", home=home)
    with open_store(home / "cems.db") as store:
        first, _ = store.queue.jobs()
        store._connection.db.execute(
            "UPDATE jobs SET request = replace(request, 'starter-turbo@1', 'gone@1') "
            "WHERE number = ?",
            [first.number],
        )
    ran = cems("queue", "run", "--json", home=home)
    assert ran.code == 2
    assert "gone@1" in ran.err
    assert [line["prompt"] for line in ran.lines] == ["a blue boat"]
    (failed,) = cems("queue", "ls", "--json", home=home).document
    assert (failed["state"], failed["exit_code"]) == ("failed", 2)
    assert "gone@1" in failed["reason"]


@pytest.mark.slow
def test_many_prompts_killed_half_way_lose_nothing_and_draw_nothing_twice(tmp_path: Path) -> None:
    home = tmp_path / "home"
    kills = int(os.environ.get("CEMS_TEST_KILLS", "1"))
    prompts = [f"a red car, number {number}" for number in range(6 * kills)]
    arguments = ["generate", *prompts, *PINNED, "--no-score", "--keep-alive", "0"]
    for _ in range(kills):
        begun = subprocess.Popen(
            [sys.executable, "-m", "cems_tui", *arguments],
            env=environment(home),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE
        before = drawn(home)
        while drawn(home) < before + 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        begun.send_signal(signal.SIGKILL)
        begun.wait()
        arguments = ["queue", "run"]
    left = cems("queue", "ls", "--json", home=home).document
    assert {row["state"] for row in left} == {"paused"}
    assert {row["reason"] for row in left} == {"the process that worked on it ended"}
    assert len(left) + drawn(home) == len(prompts)
    ran = cems("queue", "run", "--json", home=home)
    assert ran.code == 0
    assert len(ran.lines) == len(left)
    made = cems("history", "ls", "--json", home=home).document
    assert sorted(row["prompt"] for row in made) == sorted(prompts)
    assert len({row["session"] for row in made}) == 1, "of the command that was given the prompts"


def drawn(home: Path) -> int:
    if not (home / "cems.db").exists():
        return 0
    with open_store(home / "cems.db", read_only=True) as store:
        return len(store.generations())


@pytest.mark.slow
def test_another_command_waits_its_turn_and_tells_how_it_ended(tmp_path: Path) -> None:
    home = tmp_path / "home"
    added = cems("queue", "add-command", "--", "pull", "no/such", home=home)
    assert added.code == 0
    ran = cems("queue", "run", home=home)
    assert ran.code == 3
    (failed,) = json.loads(cems("queue", "ls", "--json", home=home).out)
    assert failed["command"] == "cems pull no/such"
    assert (failed["kind"], failed["state"], failed["exit_code"]) == ("pull", "failed", 3)
