"""One engine at a time: the lock is held, waited for, and dies with its holder."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from cems_tui.errors import DeviceBusy, Interrupted, StorageError
from cems_tui.locks import FileLock, Holder
from tests.patience import until

HOLDER = """
import sys, time
from pathlib import Path
from cems_tui.locks import FileLock
lock = FileLock(Path(sys.argv[1]), "the device")
lock.acquire()
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "device.lock"


def hold(path: Path, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    process = hold(path, 60)
    yield process
    process.kill()
    process.communicate()


def test_a_second_engine_is_told_who_holds_the_device(
    path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(DeviceBusy, match=rf"process {holder.pid} \(-c\)") as caught:
        FileLock(path, "the device").acquire()
    assert caught.value.exit_code == 7
    assert "\n" not in str(caught.value)


def test_a_killed_holder_leaves_no_lock(path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    lock = FileLock(path, "the device")
    lock.acquire()
    assert lock.held
    lock.release()


def test_waiting_ends_when_the_holder_does(path: Path) -> None:
    process = hold(path, 0.4)
    lock = FileLock(path, "the device")
    lock.acquire(wait_seconds=None)
    assert lock.held
    lock.release()
    process.communicate()


def test_waiting_ends_after_the_time_given(path: Path, holder: subprocess.Popen[str]) -> None:
    started = monotonic()
    with pytest.raises(DeviceBusy):
        FileLock(path, "the device").acquire(wait_seconds=0.3)
    assert 0.3 <= monotonic() - started < 5


def test_waiting_can_be_stopped(path: Path, holder: subprocess.Popen[str]) -> None:
    asked = iter([False, True])
    with pytest.raises(Interrupted):
        FileLock(path, "the device").acquire(wait_seconds=None, stop=lambda: next(asked))


def test_two_engines_of_one_process_exclude_each_other_too(path: Path) -> None:
    with FileLock(path, "the device") as lock:
        assert lock.held
        lock.acquire()
        with pytest.raises(DeviceBusy, match=str(os.getpid())):
            FileLock(path, "the device").acquire()
    assert not lock.held
    with FileLock(path, "the device"):
        pass


def test_a_child_process_does_not_inherit_the_lock(path: Path) -> None:
    with FileLock(path, "the device"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        with FileLock(path, "the device"):
            pass
    finally:
        child.kill()
        child.wait()


def test_on_a_full_disk_it_is_held_without_a_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with FileLock(path, "the device") as lock:
        assert lock.held
        told = FileLock(path, "the device").holder()
        assert told is not None
        assert told.pid is None
    assert FileLock(path, "the device").holder() is None


def test_a_lock_file_that_cannot_be_opened_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        FileLock(tmp_path, "the device").acquire()


def test_looking_who_holds_the_device_neither_takes_it_nor_creates_anything(
    path: Path, holder: subprocess.Popen[str]
) -> None:
    said = FileLock(path, "the device").holder()
    assert said is not None
    assert said.pid == holder.pid


def test_nobody_holds_a_device_that_was_never_locked(path: Path) -> None:
    assert FileLock(path, "the device").holder() is None
    assert not path.parent.exists()
    with FileLock(path, "the device"):
        pass
    assert FileLock(path, "the device").holder() is None


def asked_for(
    path: Path, taken: list[str], name: str, wait_seconds: float | None = 0.0
) -> threading.Thread:
    """A thread that takes the lock, writes its name down, and gives the lock back."""

    def take() -> None:
        with lock(path).acquire(wait_seconds):
            taken.append(name)

    thread = threading.Thread(target=take)
    thread.start()
    return thread


def lock(path: Path, *, yields: bool = False) -> FileLock:
    return FileLock(path, "the device", path.with_suffix(".waiting"), yields=yields)


def test_who_yields_is_waited_for_however_little_others_wait_and_takes_it_after_them(
    path: Path,
) -> None:
    background, taken = lock(path, yields=True), list[str]()
    background.acquire()
    assert not background.wanted
    waits = [asked_for(path, taken, name) for name in ("first", "second")]
    until(lambda: background.wanted)
    told: list[Holder] = []
    background.release()
    background.acquire(None, on_wait=told.append)
    assert sorted(taken) == ["first", "second"]
    assert all(one.pid == os.getpid() and not one.yields for one in told)
    background.release()
    for thread in waits:
        thread.join()


def test_who_waited_and_gave_up_is_not_given_way_to(path: Path) -> None:
    with lock(path, yields=True) as background:
        asked = iter([False, True])
        told: list[Holder] = []
        with pytest.raises(Interrupted):
            lock(path).acquire(stop=lambda: next(asked), on_wait=told.append)
        assert [one.yields for one in told] == [True]
        assert not background.wanted


def test_two_who_yield_do_not_wait_for_each_other(path: Path) -> None:
    with lock(path, yields=True) as background:
        with pytest.raises(DeviceBusy):
            lock(path, yields=True).acquire()
        assert not background.wanted


def test_what_another_version_signed_yields_nothing(path: Path) -> None:
    with lock(path):
        path.write_text('{"pid": 7, "command": "cems", "yields": "yes"}')
        assert lock(path).holder() == Holder(7, "cems")
        path.write_text("[1]")
        assert lock(path).holder() == Holder()


def test_who_does_not_yield_keeps_it(path: Path) -> None:
    taken = list[str]()
    with lock(path) as mine:
        waits = asked_for(path, taken, "other", wait_seconds=None)
        until(path.with_suffix(".waiting").exists)
        assert not mine.wanted
        assert taken == []
    waits.join()
    assert taken == ["other"]
