"""The script that measures full-size models: its path with tiny ones, and the sizes it builds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gpu import bench_residency
from tests.gpu.architectures import ARCHITECTURES, COUNTED
from tests.gpu.measure_families import STEPS, count, main


def test_a_step_measures_its_models_once_and_writes_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", str(tmp_path), "--device", "cpu", "--tiny", "1"]
    assert main(arguments) == 0
    rows = {name: json.loads((tmp_path / f"model-{name}.json").read_text()) for name in STEPS[0]}
    for row in rows.values():
        assert row["status"] == "measured"
        assert min(row[f"{phase}_seconds"] for phase in ("encode", "denoise", "decode")) > 0
        assert row["weight_bytes"] == pytest.approx(row["expected_weight_bytes"], rel=0.01)
        assert row["stage_peak_bytes"] is None, "unknown on a CPU, not 0"
    page = (tmp_path / "report.md").read_text()
    assert "Unmeasured on a GPU" in page
    assert "| sd-turbo | 1, 16 |" in page
    capsys.readouterr()
    assert main(arguments) == 0
    assert capsys.readouterr().out.count("is there already") == len(STEPS[0])


def test_every_step_about_two_models_on_one_card_runs_and_tells_what_it_could_not_measure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--out", str(tmp_path / "out"), "--models", str(tmp_path / "models")]
    more = [*where, "--device", "cpu", "--tiny", "--rounds", "1"]
    for step in bench_residency.MEASUREMENTS:
        assert bench_residency.main([*more, str(step)]) == 0
    found = {
        made["measurement"]: made
        for made in (json.loads(file.read_text()) for file in (tmp_path / "out").iterdir())
    }
    assert {name: made["status"].partition(":")[0] for name, made in found.items()} == {
        "link": "unmeasured",
        "swaps": "measured",
        "alternating": "measured",
        "capped": "unmeasured",
        "peaks": "unmeasured",
        "smaller-cards": "unmeasured",
        "soak": "measured",
        "ahead": "unmeasured",
        "scorers": "measured",
    }
    assert {row["way"] for row in found["swaps"]["rows"]} == {"ours", "from_pretrained and to"}
    [run] = found["soak"]["rows"]
    assert (run["made"], run["refused_before"], run["failed"]) == (10, 0, 0)
    capsys.readouterr()
    assert bench_residency.main([*more, "2"]) == 0
    assert capsys.readouterr().out.count("is there already") == 5


def test_every_model_that_is_measured_belongs_to_one_step() -> None:
    assert sorted(name for step in STEPS for name in step) == sorted(ARCHITECTURES)


@pytest.mark.parametrize("name", ["TAESD", "SD and SDXL autoencoder", "aMUSEd 512 transformer"])
def test_a_network_built_from_its_configuration_has_the_published_size(name: str) -> None:
    row = count(name)
    assert row["counted"] == pytest.approx(row["published"], rel=0.005)


def test_the_counts_on_record_are_the_published_ones() -> None:
    """All of them take a minute; the script's `--counts` writes the record anew."""
    record = Path(__file__).parent / "results" / "2026-11-21-parameters.json"
    rows = {row["network"]: row for row in json.loads(record.read_text())}
    assert set(rows) == set(COUNTED)
    for row in rows.values():
        assert row["counted"] == pytest.approx(row["published"], rel=0.01)
