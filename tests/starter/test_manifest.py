"""The pack's manifest finds every kind of damage and names the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cems_tui.errors import WeightsError
from cems_tui.starter.manifest import read_manifest, verify, write_manifest


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    (tmp_path / "starter-base" / "unet").mkdir(parents=True)
    (tmp_path / "scorers" / "clip").mkdir(parents=True)
    (tmp_path / "README.md").write_text("a card")
    (tmp_path / "starter-base" / "model_index.json").write_text("{}")
    (tmp_path / "starter-base" / "unet" / "weights.safetensors").write_bytes(b"\0" * 5000)
    (tmp_path / "scorers" / "clip" / "weights.safetensors").write_bytes(b"\1" * 300)
    write_manifest(
        tmp_path,
        version="1",
        licence="Apache-2.0",
        pipelines={"starter-base": {"size_px": 64}},
        scorers={"clip": {}},
        licences={"README": "CC0-1.0"},
    )
    return tmp_path


def test_a_whole_pack_is_accepted_and_progress_ends_at_its_size(pack: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    manifest = verify(pack, lambda *report: seen.append(report))
    assert manifest.name == "starter"
    assert manifest.files["README.md"].licence == "CC0-1.0"
    assert len(seen) == len(manifest.files) == 4
    assert seen[-1][1] == seen[-1][2] == sum(e.bytes for e in manifest.files.values())


def test_a_missing_file_is_named(pack: Path) -> None:
    (pack / "starter-base" / "model_index.json").unlink()
    with pytest.raises(WeightsError, match=r"starter-base/model_index.json is missing") as caught:
        verify(pack)
    assert caught.value.hint


def test_a_truncated_file_is_named_with_both_sizes(pack: Path) -> None:
    (pack / "starter-base" / "unet" / "weights.safetensors").write_bytes(b"\0" * 4000)
    with pytest.raises(WeightsError, match=r"unet/weights.safetensors is truncated: 4000 of 5000"):
        verify(pack)


def test_an_altered_byte_is_found(pack: Path) -> None:
    (pack / "starter-base" / "unet" / "weights.safetensors").write_bytes(b"\0" * 4999 + b"\1")
    with pytest.raises(WeightsError, match=r"unet/weights.safetensors is damaged: its sha256"):
        verify(pack)


def test_an_unlisted_file_is_found(pack: Path) -> None:
    (pack / "starter-base" / "unet" / "extra.bin").write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"unet/extra.bin is not listed"):
        verify(pack)


def test_only_the_components_asked_for_are_checked(pack: Path) -> None:
    (pack / "starter-base" / "model_index.json").unlink()
    (pack / "stray.txt").write_text("x")
    assert verify(pack, only=["scorers/clip"]).version == "1"
    with pytest.raises(WeightsError, match="missing"):
        verify(pack, only=["starter-base"])
    with pytest.raises(WeightsError, match="no component named 'starter-huge'"):
        verify(pack, only=["starter-huge"])


def test_a_newer_manifest_asks_for_an_update(pack: Path) -> None:
    data = json.loads((pack / "manifest.json").read_text())
    (pack / "manifest.json").write_text(json.dumps({**data, "format": 2}))
    with pytest.raises(WeightsError, match="format 2; this program reads up to 1") as caught:
        read_manifest(pack)
    assert "Update" in caught.value.hint


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', '{"format": "x"}', '"x"'])
def test_an_unreadable_manifest_is_an_error_of_ours(pack: Path, text: str) -> None:
    (pack / "manifest.json").write_text(text)
    with pytest.raises(WeightsError, match=r"manifest.json cannot be read"):
        verify(pack)


def test_no_manifest_means_no_pack(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no pack"):
        verify(tmp_path)


def test_paths_may_not_leave_the_pack(pack: Path) -> None:
    data = json.loads((pack / "manifest.json").read_text())
    data["files"]["../outside"] = {"sha256": "0", "bytes": 1, "licence": "x"}
    (pack / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(WeightsError, match="leaves the pack"):
        verify(pack)
