"""Who works on the queue is proven by a lock, which the kernel drops with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cems_tui.services.queue.owner import JobOwners


def test_an_owner_lives_as_long_as_its_lock_is_held(tmp_path: Path) -> None:
    owners = JobOwners(tmp_path / "queue")
    with owners.enter() as owner:
        assert owners.alive(owner.name)
        holder = owners.holder(owner.name)
        assert holder is not None
        assert holder.pid == os.getpid()
        with owners.enter() as second:
            assert owners.alive(owner.name)
            assert second.name != owner.name
    assert not owners.alive(owner.name)
    assert list((tmp_path / "queue").iterdir()) == []


def test_an_owner_that_was_killed_is_dead_and_its_file_is_cleared_by_the_next(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "queue"
    code = (
        "import pathlib, sys; from cems_tui.services.queue.owner import JobOwners; "
        "owner = JobOwners(pathlib.Path(sys.argv[1])).enter(); "
        "print(owner.name, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().decode().strip()
        assert JobOwners(folder).alive(name)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not JobOwners(folder).alive(name)
    with JobOwners(folder).enter() as mine:
        assert [file.stem for file in folder.iterdir()] == [mine.name]


def test_a_lock_file_that_cannot_be_removed_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    owners = JobOwners(tmp_path / "queue")
    with monkeypatch.context() as denied:
        denied.setattr(Path, "unlink", refuse)
        with owners.enter() as first:
            pass
        with owners.enter() as second:
            assert owners.alive(second.name)
    assert not owners.alive(first.name)
    with owners.enter() as mine:
        assert [file.stem for file in (tmp_path / "queue").iterdir()] == [mine.name]


@pytest.mark.parametrize("name", ["", "me", "../../etc/passwd", "\x00", "I" * 26])
def test_what_is_no_owners_name_is_nobody(tmp_path: Path, name: str) -> None:
    assert not JobOwners(tmp_path).alive(name)
