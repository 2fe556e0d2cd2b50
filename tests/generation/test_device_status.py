"""What is told of the device is believed only while its teller holds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cems_tui.generation.device_status import Hold, Presence, Present, ask_to_free, read_presence
from cems_tui.locks import FileLock

UNET, VAE = "unet-0:float16", "vae-0:float16"
BASE = Present("base", {UNET: 5, VAE: 2}, {UNET: "unet", VAE: "vae"}, False, False, 100.0, 160.0)
TURBO = Present("turbo", {"unet-1": 5, VAE: 2}, {"unet-1": "unet", VAE: "vae"}, True, False, 1, 2)

HOLDER = """
import sys, time
from pathlib import Path
from cems_tui.locks import FileLock
from cems_tui.generation.device_status import Hold, Present
folder = Path(sys.argv[1])
lock = FileLock(folder / "device.lock", "the device")
hold = Hold(lock, folder / "resident.json", None, lambda: "cpu")
hold.acquire()
hold.publish([Present("base", {"unet": 5}, {"unet": "unet"}, False, False, 1.0, 2.0)])
print("holding", flush=True)
time.sleep(120)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE)
    assert started.stdout is not None
    assert started.stdout.readline() == b"holding\n"
    yield started
    started.kill()
    started.wait()


def hold(folder: Path, keep_alive_seconds: float | None = None) -> Hold:
    file = folder / "resident.json"
    return Hold(
        FileLock(folder / "device.lock", "the device"), file, keep_alive_seconds, lambda: "cuda"
    )


def read(folder: Path) -> Presence | None:
    return read_presence(folder / "resident.json", FileLock(folder / "device.lock", "the device"))


def test_what_a_killed_process_told_is_not_believed(
    holder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    told = read(tmp_path)
    assert told is not None
    assert (told.pid, told.device, told.total_bytes) == (holder.pid, "cpu", 5)
    holder.kill()
    holder.wait()
    assert (tmp_path / "resident.json").exists()
    assert read(tmp_path) is None


def test_what_another_process_left_is_not_told_of_the_one_that_holds(
    holder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    file = tmp_path / "resident.json"
    row = json.loads(file.read_text())
    file.write_text(json.dumps({**row, "pid": holder.pid + 1}))
    assert read(tmp_path) is None
    row["models"][0]["weights"] = {"a": -(2**63)}
    file.write_text(json.dumps(row))
    assert read(tmp_path) is None
    file.write_text("{ torn")
    assert read(tmp_path) is None


def test_taking_the_device_forgets_what_was_told_and_asked_before(tmp_path: Path) -> None:
    (tmp_path / "resident.json").write_text("{}")
    ask_to_free(tmp_path / "resident.json", "base")
    one = hold(tmp_path)
    one.acquire()
    assert not (tmp_path / "resident.json").exists()
    assert one.asked() == frozenset()
    one.publish([BASE])
    one.release()
    assert not (tmp_path / "resident.json").exists()
    assert not one.held


def test_requests_are_taken_once_and_unreadable_ones_are_dropped(tmp_path: Path) -> None:
    one = hold(tmp_path)
    one.acquire()
    ask_to_free(tmp_path / "resident.json", "base")
    ask_to_free(tmp_path / "resident.json", "turbo")
    (tmp_path / "resident-requests" / "z.json").write_text("[]")
    assert one.asked() == {"base", "turbo"}
    assert one.asked() == frozenset()
    assert list((tmp_path / "resident-requests").iterdir()) == []
    one.release()


def test_only_unused_models_leave_and_only_when_their_time_is_over(tmp_path: Path) -> None:
    assert hold(tmp_path, 60).due([BASE, TURBO], now=219.9) == frozenset()
    assert hold(tmp_path, 60).due([BASE, TURBO], now=220.0) == {"base"}
    assert hold(tmp_path).due([BASE], now=1e9) == frozenset()


def test_shared_memory_counts_once_and_is_named(tmp_path: Path) -> None:
    told = Presence(os.getpid(), "cems", "cuda", 60.0, (BASE, TURBO))
    assert told.total_bytes == 12
    assert told.sharing(VAE, BASE) == ("turbo",)
    assert told.sharing(UNET, BASE) == ()
    assert told.until(BASE) == 220.0
    assert told.until(TURBO) is None
    assert replace(told, keep_alive_seconds=None).until(BASE) is None
    assert json.loads(json.dumps(asdict(told)))["models"][0]["names"][UNET] == "unet"


def test_a_disk_that_cannot_be_written_does_not_stop_the_engine(tmp_path: Path) -> None:
    one = hold(tmp_path)
    one.acquire()
    (tmp_path / "resident.json").mkdir()
    one.publish([BASE])
    assert read(tmp_path) is None
    one.release()
    assert FileLock(tmp_path / "device.lock", "the device").holder() is None
