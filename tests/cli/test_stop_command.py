"""What `cems stop` and `cems ps` say, of a process that holds the device and does not draw."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cems_tui import paths
from cems_tui.paths import ensure
from tests.cli.cems import ROOT
from tests.cli.inside import Inside, inside

__all__ = ["inside"]

HOLDER = """
import sys, time
from pathlib import Path
from cems_tui.locks import FileLock
from cems_tui.generation.device_status import Hold, Present
state, in_use, obeys = Path(sys.argv[1]), sys.argv[2] == "busy", sys.argv[2] == "idle"
lock = FileLock(state / "device.lock", "the device")
hold = Hold(lock, state / "resident.json", None, lambda: "cuda")
shared = {"vae-0": 2_000_000}
there = [
    Present("sd-turbo", {"unet-0": 5_000_000, **shared}, {"unet-0": "unet", "vae-0": "vae"},
            in_use, False, 1.0, 2.0),
    Present("mine", shared, {"vae-0": "vae"}, False, False, 1.0, 2.0),
]
hold.acquire()
hold.publish(there)
print("holding", flush=True)
while True:
    time.sleep(0.05)
    if obeys and (asked := hold.asked()):
        there = [one for one in there if one.model not in asked]
        hold.publish(there)
"""


@pytest.fixture
def holding(inside: Inside, request: pytest.FixtureRequest) -> Iterator[int]:
    """The id of a process that holds the device: `idle`, or `busy` with a picture."""
    state = ensure(paths.current().state)
    kind = getattr(request, "param", "idle")
    command = [sys.executable, "-c", HOLDER, str(state), kind]
    held = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert held.stdout is not None
    assert held.stdout.readline() == b"holding\n"
    yield held.pid
    held.kill()
    held.wait()


def test_nothing_is_on_a_free_device(inside: Inside) -> None:
    assert inside("ps", "--json").document == []
    assert inside("ps", "-q").out == ""
    assert inside("ps").out == "nothing is on the device\n"
    ran = inside("stop", "sd-turbo")
    assert (ran.code, ran.out) == (0, "sd-turbo is not on the device\n")
    assert inside("stop", "sd-turbi").code == 2
    assert "sd-turbo" in inside("stop", "sd-turbi").err


def test_ps_tells_who_holds_what_and_with_whom(inside: Inside, holding: int) -> None:
    first, second = inside("ps", "--json").document
    assert (first["model"], first["bytes"], first["device"]) == ("sd-turbo", 7_000_000, "cuda")
    assert first["functions"] == ["sd-turbo@1"]
    assert first["components"][1] == {"name": "vae", "bytes": 2_000_000, "shared_by": ["mine"]}
    assert (second["pid"], second["until"], second["functions"]) == (holding, None, [])
    assert first["since"] == "1970-01-01T00:00:01.000+00:00"
    table = inside("ps").out
    assert f"7.0 MB on cuda, in process {holding}" in table
    assert "vae 2.0 MB (also mine)" in table


def test_an_idle_process_frees_at_once(inside: Inside, holding: int) -> None:
    ran = inside("stop", "stabilityai/sd-turbo", "--json").document
    assert ran["freed"] is True
    assert ran["pid"] == holding
    assert inside("ps", "-q").out == "mine\n"
    assert "mine is freed" in inside("stop", "mine").out
    assert inside("ps", "--json").document == []


@pytest.mark.parametrize("holding", ["busy"], indirect=True)
def test_a_model_in_use_is_told_to_go_after_its_picture(inside: Inside, holding: int) -> None:
    ran = inside("stop", "sd-turbo@1")
    assert ran.code == 0
    assert ran.out == f"process {holding} frees sd-turbo, 7.0 MB, after its picture\n"
    assert "in use" in inside("ps").out
    [asked] = (paths.current().state / "resident-requests").glob("*.json")
    assert json.loads(asked.read_text()) == {"model": "sd-turbo"}
    assert Path(asked).suffix == ".json"
