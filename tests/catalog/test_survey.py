"""What commands say of what this machine can hold, and `cems pull --recommended`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cems_tui import paths
from cems_tui.cli.model_options import asking
from cems_tui.generation import device
from cems_tui.generation.device import Device
from cems_tui.models.events import Installed
from cems_tui.models.target import PullRequest
from cems_tui.services.models import Models
from tests.cli.inside import Inside, inside

__all__ = ["inside"]

GB = 1_000_000_000


def a_gpu(monkeypatch: pytest.MonkeyPatch, total: float, free: float | None = None) -> None:
    made = Device("cuda", "a card", int(total * GB), int((total if free is None else free) * GB))
    monkeypatch.setattr(device, "probe", lambda *_: made)
    monkeypatch.setattr("cems_tui.services.machine_survey.free_bytes", lambda folder: 400 * GB)


@dataclass
class RecordingPuller:
    """Stands in for the Hub: every pull succeeds at once."""

    pulled: list[str] = field(default_factory=list)

    def emit(self, event: object) -> None: ...

    def pull(self, wish: PullRequest) -> Installed:
        self.pulled.append(wish.name)
        return Installed(wish.name, Path("/nowhere"), 0, 0, 0.0, ())


@pytest.fixture
def puller(monkeypatch: pytest.MonkeyPatch) -> RecordingPuller:
    made = RecordingPuller()
    monkeypatch.setattr(Models, "puller", lambda *parts: made)
    return made


def test_the_recommended_set_is_told_before_anything_is_pulled(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, puller: RecordingPuller
) -> None:
    a_gpu(monkeypatch, 12)
    [told] = inside("pull", "--recommended", "--dry-run", "--json").lines
    names = [row["model"] for row in told["models"]]
    assert {"sd-taesd", "sd-turbo", "sdxl-turbo"} <= set(names)
    assert told["download_bytes"] == sum(row["download_bytes"] for row in told["models"])
    assert inside("pull", "--recommended", "--dry-run", "-q").out.split() == names
    assert all(name in inside("pull", "--recommended", "--dry-run").out for name in names)
    assert puller.pulled == []


def test_the_recommended_set_is_pulled_when_agreed_to(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, puller: RecordingPuller
) -> None:
    a_gpu(monkeypatch, 12)
    names = inside("pull", "--recommended", "--dry-run", "-q").out.split()
    refused = inside("pull", "--recommended")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert puller.pulled == []
    assert inside("pull", "--recommended", "--yes", "-q").code == 0
    assert puller.pulled == names


def test_a_set_that_nobody_agrees_to_is_not_pulled(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, puller: RecordingPuller
) -> None:
    a_gpu(monkeypatch, 12)
    monkeypatch.setattr("cems_tui.cli.commands.pull.asking", lambda yes: lambda question: False)
    assert inside("pull", "--recommended").code == 0
    assert puller.pulled == []
    assert asking(True)("anything?") is True


def test_a_cpu_is_told_why_nothing_is_recommended(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, puller: RecordingPuller
) -> None:
    monkeypatch.setattr(device, "probe", lambda *_: Device("cpu", "x", 32 * GB, 30 * GB))
    ran = inside("pull", "--recommended", "--yes")
    assert ran.code == 0
    assert "CPU" in ran.err
    assert puller.pulled == []


def test_doctor_counts_what_the_machine_holds(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_gpu(monkeypatch, 8)
    told = {row["subject"]: row for row in inside("doctor", "--json").document}["models"]
    assert "this machine can hold" in told["detail"]
    assert "cems pull --recommended" in told["hint"]


def test_what_another_program_holds_changes_nothing_of_what_the_machine_can_hold(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> tuple[dict[str, dict[str, object]], str]:
        rows = {row["model"]: row for row in inside("ls", "--json").document}
        found = {row["subject"]: row for row in inside("doctor", "--json").document}
        return rows, found["models"]["detail"]

    a_gpu(monkeypatch, 24)
    idle, said = asked()
    recommended = inside("pull", "--recommended", "--dry-run", "-q").out
    a_gpu(monkeypatch, 24, free=18)
    busy, said_then = asked()
    assert {name: row["verdict"] for name, row in busy.items()} == {
        name: row["verdict"] for name, row in idle.items()
    }
    assert inside("pull", "--recommended", "--dry-run", "-q").out == recommended
    late = {name for name, row in busy.items() if not row["fits_now"]}
    assert late
    assert all(row["fits_now"] for row in idle.values())
    assert said_then.startswith(said)
    assert "6.0 GB of 24.0 GB is in use" in said_then
    for name in late:
        assert str(busy[name]["verdict_reason"]).startswith(str(idle[name]["verdict_reason"]))
        assert "Not now: 6.0 GB of 24.0 GB is in use." in inside("show", name).out.replace(
            "\n", " "
        ).replace("  ", " ")


def test_memory_left_to_others_is_not_offered(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_gpu(monkeypatch, 24)
    assert "z-image-turbo" in inside("pull", "--recommended", "--dry-run", "-q").out
    file = paths.current().config_file
    paths.ensure(file.parent)
    file.write_text("[device]\nleave_gb = 12\n")
    assert "z-image-turbo" not in inside("pull", "--recommended", "--dry-run", "-q").out


def test_every_line_of_ls_fits_80_columns_and_no_name_is_cut(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_gpu(monkeypatch, 12, free=9)
    monkeypatch.setattr("cems_tui.cli.output.width_of", lambda stream: 80)
    lines = inside("ls").out.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    names = inside("ls", "-q").out.split()
    assert set(names) <= {line.split()[1] for line in lines if len(line.split()) > 1}
    [row] = [line for line in lines if line.split()[1:2] == ["sd-turbo"]]
    assert "fits ★" in row
    assert "1.24" in row


def test_ls_shows_what_fits_and_json_says_why(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_gpu(monkeypatch, 6)
    rows = {row["model"]: row for row in inside("ls", "--json").document}
    assert rows["sd-turbo"]["verdict"] == "fits"
    assert rows["sd-turbo"]["gain"]["alone"] == pytest.approx(1.238, abs=1e-3)
    assert rows["flux-schnell"]["verdict"] == "does not fit"
    assert "33.7 GB" in rows["flux-schnell"]["verdict_reason"]
    assert rows["sdxl"]["gain"] is None
    shown = inside("ls", "--fits", "-q").out.split()
    assert shown == [name for name, row in rows.items() if row["verdict"] == "fits"]
    assert "too big" in inside("show", "flux-schnell").out


def test_the_total_of_what_fits_is_that_of_the_models_shown(inside: Inside) -> None:
    file = paths.current().config_file
    paths.ensure(file.parent)
    file.write_text("[device]\nleave_gb = 100000\n")
    assert "total 0 bytes in 0 models" in inside("ls", "--fits").out


def test_a_device_that_is_left_to_others_is_refused_with_what_can_be_changed(
    inside: Inside,
) -> None:
    file = paths.current().config_file
    paths.ensure(file.parent)
    file.write_text("[device]\nleave_gb = 100000\n")
    ran = inside("generate", "a cat", "--function", "starter-small@4")
    assert ran.code == 5
    assert "device.leave_gb" in ran.err
