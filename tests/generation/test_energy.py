"""What a picture took of electricity, by counters that stand in files here."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cems_tui.generation.energy import EnergyMeter


def zone(powercap: Path, name: str, microjoules: int, end: int = 262_143_328_850) -> None:
    folder = powercap / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{end}\n")


def test_a_processor_is_measured_by_its_packages_and_not_by_what_is_inside_them(
    tmp_path: Path,
) -> None:
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"):
        zone(tmp_path, name, 1_000_000)
    meter = EnergyMeter("cpu", tmp_path)
    meter.start()
    zone(tmp_path, "intel-rapl:0", 3_601_000_000)
    zone(tmp_path, "intel-rapl:1", 1_801_000_000)
    zone(tmp_path, "intel-rapl:0:0", 2_000_000_000)
    assert meter.watt_hours() == pytest.approx(1.5)


def test_a_counter_that_began_anew_is_followed(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 7_000_000_000, end=8_000_000_000)
    meter = EnergyMeter("cpu", tmp_path)
    meter.start()
    zone(tmp_path, "intel-rapl:0", 2_600_000_000, end=8_000_000_000)
    assert meter.watt_hours() == pytest.approx(1.0)


def test_without_a_counter_or_a_move_of_it_the_energy_is_unknown_and_not_0(tmp_path: Path) -> None:
    for kind in ("cpu", "mps", "xpu"):
        meter = EnergyMeter(kind, tmp_path)
        meter.start()
        assert meter.watt_hours() is None
    zone(tmp_path, "intel-rapl:0", 5)
    meter = EnergyMeter("cpu", tmp_path)
    meter.start()
    assert meter.watt_hours() is None
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("unreadable")
    assert meter.watt_hours() is None


def test_a_card_is_measured_by_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(Exception):
        pass

    told = iter([1_000_000, 4_600_000])

    def millijoules(card: object) -> int:
        return next(told)

    driver = SimpleNamespace(
        NVMLError=Refused,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=millijoules,
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    meter = EnergyMeter("cuda")
    meter.start()
    assert meter.watt_hours() == pytest.approx(1.0)

    def lacking(card: object) -> int:
        raise Refused("too old")

    monkeypatch.setattr(driver, "nvmlDeviceGetTotalEnergyConsumption", lacking)
    meter.start()
    assert meter.watt_hours() is None
