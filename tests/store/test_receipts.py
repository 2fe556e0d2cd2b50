"""The receipt in a PNG: written whole or not at all, read from the file alone."""

from __future__ import annotations

import json
import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cems_tui.domain.generation import Generation
from cems_tui.errors import StorageError, UsageError
from cems_tui.store.receipts import (
    MAX_TEXT_BYTES,
    SIGNATURE,
    parameters_text,
    read_receipt,
    write_png,
)
from tests.store.records import decision, generation

PICTURE = Image.effect_noise((64, 64), 50).convert("RGB")


def test_the_receipt_is_the_record(tmp_path: Path) -> None:
    made = generation("01S", tmp_path)
    write_png(PICTURE, made.image, made.to_json())
    assert Generation.from_json(read_receipt(made.image)) == made
    assert list(tmp_path.iterdir()) == [made.image]
    with Image.open(made.image) as drawn:
        assert drawn.convert("RGB").tobytes() == PICTURE.tobytes()


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=50))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_prompt_survives_in_both_texts(tmp_path: Path, prompt: str) -> None:
    made = generation("01S", tmp_path, id="01X", prompt=prompt, decision=decision(prompt))
    write_png(PICTURE, made.image, made.to_json())
    assert Generation.from_json(read_receipt(made.image)) == made
    with Image.open(made.image) as drawn:
        told = drawn.text["parameters"]  # type: ignore[attr-defined]
        assert told.startswith(prompt.replace("\0", "␀") + "\n")
        assert json.loads(drawn.text["cems"])["prompt"] == prompt  # type: ignore[attr-defined]


def test_other_tools_read_the_settings(tmp_path: Path) -> None:
    made = generation("01S", tmp_path, negative="ugly")
    assert parameters_text(made.to_json()) == (
        "a red car\nNegative prompt: ugly\n"
        "Steps: 20, Sampler: DDIM, CFG scale: 3.0, Seed: 1234, Size: 64x64, Model: starter-base"
    )
    euler = {**made.to_json(), "sampler": "EulerAncestralDiscreteScheduler"}
    assert "Sampler: Euler a, CFG" in parameters_text(euler)
    own = {**made.to_json(), "sampler": "OwnScheduler"}
    assert "Sampler: OwnScheduler, CFG" in parameters_text(own)
    assert "Negative" not in parameters_text(generation("01S", tmp_path).to_json())


@pytest.mark.parametrize("packed", [True, False])
def test_a_receipt_that_another_tool_rewrote_is_read(tmp_path: Path, packed: bool) -> None:
    made = generation("01S", tmp_path)
    texts = PngInfo()
    (texts.add_itxt if packed else texts.add_text)("cems", json.dumps(made.to_json()), zip=packed)
    PICTURE.save(made.image, pnginfo=texts)
    assert read_receipt(made.image)["id"] == made.id
    texts = PngInfo()
    texts.add_text("cems", json.dumps(made.to_json()), zip=True)
    PICTURE.save(made.image, pnginfo=texts)
    assert read_receipt(made.image)["id"] == made.id


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _bomb() -> bytes:
    return _chunk(b"zTXt", b"cems\0\0" + zlib.compress(b" " * 40_000_000))


def _bombs(count: int) -> bytes:
    """Many texts, each as long as one may be, under names of their own."""
    packed = zlib.compress(b" " * MAX_TEXT_BYTES)
    return b"".join(_chunk(b"zTXt", b"k%d\0\0" % n + packed) for n in range(count))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a PNG"),
        (b"\xff\xd8\xff\xe0 a JPEG", "not a PNG"),
        (SIGNATURE, "cut off"),
        (SIGNATURE + b"\0\0\0", "cut off"),
        (SIGNATURE + struct.pack(">I4s", 2**32 - 1, b"tEXt"), "cut off"),
        (SIGNATURE + _chunk(b"tEXt", b"cems\0{}")[:-1] + b"?" + _chunk(b"IEND", b""), "checksum"),
        (SIGNATURE + _chunk(b"IEND", b""), "no receipt"),
        (SIGNATURE + _chunk(b"tEXt", b"cems\0[1") + _chunk(b"IEND", b""), "damaged"),
        (SIGNATURE + _chunk(b"tEXt", b"cems\0[]") + _chunk(b"IEND", b""), "damaged"),
        (SIGNATURE + _chunk(b"tEXt", b"cems\0{}") + _chunk(b"IEND", b""), "damaged"),
        (SIGNATURE + _chunk(b"tEXt", b"cems\0" + b"[" * 99999) + _chunk(b"IEND", b""), "damaged"),
        (SIGNATURE + _chunk(b"iTXt", b"cems\0\0\0\0\0\xff") + _chunk(b"IEND", b""), "UTF-8"),
        (SIGNATURE + _chunk(b"zTXt", b"cems\0\0nope") + _chunk(b"IEND", b""), "unpacked"),
        (SIGNATURE + _bomb() + _chunk(b"IEND", b""), "unpack to over"),
        (SIGNATURE + _bombs(200) + _chunk(b"IEND", b""), "over"),
    ],
)
def test_what_holds_no_receipt_is_refused_with_its_reason(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "some.png"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        read_receipt(path)


def test_a_picture_that_is_cut_off_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    made = generation("01S", tmp_path)
    write_png(PICTURE, made.image, made.to_json())
    whole = made.image.read_bytes()
    for length in range(8, len(whole), 97):
        made.image.write_bytes(whole[:length])
        with pytest.raises(UsageError, match="cut off"):
            read_receipt(made.image)


def test_only_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path, tmp_path / "missing.png", tmp_path / "pipe.png", Path("nul\0.png")):
        with pytest.raises(UsageError):
            read_receipt(path)


def test_a_full_disk_leaves_no_part_of_the_picture(tmp_path: Path) -> None:
    code = f"""
import resource, sys
from pathlib import Path
from cems_tui.errors import StorageError
from cems_tui.store.receipts import write_png
from tests.store.records import generation
from tests.store.test_receipts import PICTURE
made = generation("01S", Path({str(tmp_path)!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_png(PICTURE, made.image, made.to_json())
except StorageError as error:
    sys.exit(f"{{error.exit_code}} {{error.hint}}")
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.startswith("8 Free some disk space"), ran.stderr
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    made = generation("01S", tmp_path / "file" / "folder")
    with pytest.raises(StorageError):
        write_png(PICTURE, made.image, made.to_json())


def test_an_error_while_saving_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    made = generation("01S", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write_png(PICTURE, made.image, made.to_json())
    assert list(tmp_path.iterdir()) == []
