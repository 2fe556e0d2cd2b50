"""Which device there is and how much of it weights may hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cems_tui.errors import ConfigError
from cems_tui.generation import device as device_module
from cems_tui.generation.device import Device, probe, threads_for, torch_device, weight_budget_bytes

GB = 1_000_000_000
CARD = Device("cuda", "a card", total_bytes=10 * GB, free_bytes=9 * GB)


def test_the_device_is_found_without_torch() -> None:
    code = (
        "from cems_tui.generation.device import probe; import sys; d = probe();"
        "assert 0 < d.free_bytes <= d.total_bytes, d; assert d.name; print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False"]


def test_the_probe_and_torch_agree() -> None:
    kind = torch_device()
    assert probe().kind == kind


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    monkeypatch.setattr(device_module, "_CGROUP", tmp_path)
    assert device_module._memory() == (1_000_000, 600_000)


def test_a_container_without_a_limit_has_the_memory_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(device_module, "_CGROUP", tmp_path)
    assert device_module._memory()[0] > 1_000_000


def test_a_fifth_of_the_device_is_left_to_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CEMS_DEVICE_BUDGET_MB", raising=False)
    assert weight_budget_bytes(CARD) == 7 * GB
    full = Device("cuda", "a full card", 10 * GB, 1 * GB)
    assert weight_budget_bytes(full) == GB // 4


def test_the_budget_variable_caps_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEMS_DEVICE_BUDGET_MB", "1500")
    assert weight_budget_bytes(CARD) == 1_500_000_000
    monkeypatch.setenv("CEMS_DEVICE_BUDGET_MB", "99000")
    assert weight_budget_bytes(CARD) == 10 * GB


@pytest.mark.parametrize("text", ["0", "-5", "lots", "nan", "inf", "8GB", "1e400"])
def test_a_budget_that_is_no_number_is_a_configuration_error(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CEMS_DEVICE_BUDGET_MB", text)
    with pytest.raises(ConfigError, match="CEMS_DEVICE_BUDGET_MB") as caught:
        weight_budget_bytes(CARD)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("weight_bytes", "setting", "threads"),
    [(16_000_000, None, 1), (5_000_000_000, None, 8), (5_000_000_000, 2, 2), (16_000_000, 4, 4)],
)
def test_small_models_draw_with_one_thread_unless_told_otherwise(
    weight_bytes: int, setting: int | None, threads: int
) -> None:
    assert threads_for(weight_bytes, setting, physical_cores=8) == threads
