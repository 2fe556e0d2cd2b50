"""Other tools' pictures say what they were made of; what says nothing, or too much, is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cems_tui.bench.foreign_pictures import (
    Told,
    from_a1111,
    from_comfy,
    from_invoke,
    from_receipt,
    pictures_in,
    told_by,
)
from cems_tui.bench.public_table import public_stretches
from cems_tui.errors import UsageError
from cems_tui.scoring.sharpness import DEFINITION
from tests.cli.inside import Inside, inside

__all__ = ["inside"]

A1111 = (
    "a red fox, (detailed:1.2)\nin the snow\nNegative prompt: blurry,\nugly\n"
    "Steps: 25, Sampler: Euler a, CFG scale: 7, Seed: 123, Size: 512x512, "
    'Model hash: abc, Model: "dream, v8", Version: v1.9'
)
COMFY = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 5,
            "steps": 20,
            "model": ["10", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {
        "class_type": "CheckpointLoaderSimple",
        "inputs": {"ckpt_name": "sub/xl base.safetensors"},
    },
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["20", 0], "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad", "clip": ["4", 1]}},
    "10": {"class_type": "LoraLoader", "inputs": {"model": ["4", 0], "lora_name": "x"}},
    "20": {"class_type": "PrimitiveString", "inputs": {"value": 1, "string": "a blue cube"}},
}
INVOKE = {
    "positive_prompt": "a teapot",
    "negative_prompt": "",
    "model": {"name": "SDXL", "key": "1"},
    "steps": 30,
    "seed": 9,
}


def png(path: Path, **texts: str) -> Path:
    info = PngInfo()
    for keyword, text in texts.items():
        info.add_itxt(keyword.replace("_", "-") if keyword == "sd_metadata" else keyword, text)
    Image.new("RGB", (8, 8), (200, 10, 10)).save(path, pnginfo=info)
    return path


def test_what_a1111_writes_is_read() -> None:
    assert from_a1111(A1111) == Told(
        "a1111", "a red fox, (detailed:1.2)\nin the snow", "blurry,\nugly", "dream, v8", 25, 123
    )
    assert from_a1111("only a prompt") == Told("a1111", "only a prompt")
    assert from_a1111("Negative prompt: x\nSteps: 4") is None


def test_what_comfyui_writes_is_followed_through_its_graph() -> None:
    told = from_comfy(json.dumps(COMFY))
    assert told == Told("comfyui", "a blue cube", "bad", "xl base", 20, 5)
    assert told is not None
    assert told.function == "xl base@20"
    flux = {
        "1": {"inputs": {"guider": ["2", 0], "sigmas": ["3", 0], "noise": ["4", 0]}},
        "2": {"inputs": {"conditioning": ["5", 0], "model": ["6", 0]}},
        "3": {"inputs": {"steps": 4, "model": ["6", 0]}},
        "4": {"inputs": {"noise_seed": 77}},
        "5": {"inputs": {"text": "a moon", "clip": ["7", 0]}},
        "6": {"inputs": {"unet_name": "flux.safetensors"}},
    }
    assert from_comfy(json.dumps(flux)) == Told("comfyui", "a moon", "", "flux", 4, 77)


def test_a_graph_that_runs_in_circles_ends() -> None:
    circle = {
        "1": {"inputs": {"positive": ["2", 0], "steps": 4}},
        "2": {"inputs": {"conditioning": ["3", 0]}},
        "3": {"inputs": {"conditioning": ["2", 0]}},
    }
    assert from_comfy(json.dumps(circle)) is None


def test_what_invokeai_writes_is_read_old_and_new() -> None:
    assert from_invoke(json.dumps(INVOKE)) == Told("invokeai", "a teapot", "", "SDXL", 30, 9)
    old = {
        "model_weights": "stable-diffusion-1.5",
        "image": {"prompt": [{"prompt": "a barn", "weight": 1}], "steps": 50, "seed": 3},
    }
    assert from_invoke(json.dumps(old)) == Told(
        "invokeai", "a barn", "", "stable-diffusion-1.5", 50, 3
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["inputs", "positive", "steps", "image", "prompt", "model", "seed", "1", "executed"]
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_object_of_strangers_breaks_the_reading(said: Any) -> None:
    text = json.dumps(said)
    for parse in (from_comfy, from_invoke, from_receipt, from_a1111):
        told = parse(text)
        if told is not None:
            assert told.prompt
            assert told.steps is None or 1 <= told.steps <= 10_000
            assert told.seed is None or 0 <= told.seed < 2**64
            assert "@" not in (told.model or "")


@given(st.text())
def test_no_text_breaks_the_reading(text: str) -> None:
    for parse in (from_comfy, from_invoke, from_receipt, from_a1111):
        parse(text)


def test_pictures_tell_by_their_files(tmp_path: Path) -> None:
    assert told_by(png(tmp_path / "a.png", parameters=A1111)).seed == 123
    assert told_by(png(tmp_path / "c.png", prompt=json.dumps(COMFY))).tool == "comfyui"
    assert told_by(png(tmp_path / "i.png", invokeai_metadata=json.dumps(INVOKE))).tool == "invokeai"
    for order, mark in (("utf-16-be", b"UNICODE\0"), ("utf-16-le", b"UNICODE\0")):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9286] = mark + A1111.encode(order)
        Image.new("RGB", (8, 8)).save(tmp_path / "j.jpg", exif=exif)
        assert told_by(tmp_path / "j.jpg").model == "dream, v8"
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.webp")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    (tmp_path / "none.jpeg").write_bytes(b"no picture")
    png(tmp_path / "huge.png", parameters="x" * 20_000)
    png(tmp_path / "blank.png", parameters="   ")
    for name in ("plain.webp", "cut.png", "none.jpeg", "huge.png", "blank.png"):
        with pytest.raises(UsageError):
            told_by(tmp_path / name)
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    assert "link.png" not in {path.name for path in pictures_in(tmp_path)}


def test_a_folder_becomes_a_benchmark_and_bad_files_are_told(
    inside: Inside, tmp_path: Path
) -> None:
    folder = tmp_path / "outputs" / "day"
    folder.mkdir(parents=True)
    png(folder / "a.png", parameters=A1111)
    png(folder / "again.png", parameters=A1111)
    png(folder.parent / "c.png", prompt=json.dumps(COMFY))
    (folder / "broken.png").write_bytes(b"\x89PNG")
    (folder / "notes.txt").write_text("no picture")
    ran = inside(
        "bench", "import", "outputs", "--name", "log", "--metrics", "sharpness,aesthetic", "--json"
    )
    assert ran.code == 0, ran.err
    assert ran.document["prompts"] == 2
    assert ran.document["metrics"] == ["sharpness"]
    assert set(ran.document["functions"]) == {"dream, v8@25", "xl base@20"}
    assert "broken.png" in ran.err
    assert "again.png: is there twice" in ran.err
    assert "aesthetic is not read" in ran.err
    rows = [json.loads(line) for line in inside(
        "bench", "export", "log", "--format", "jsonl").out.splitlines()]  # fmt: skip
    assert {row["group"] for row in rows} == {"a1111", "comfyui"}
    assert {row["seed"] for row in rows} == {"123", "5"}
    found = inside("bench", "prompts", "bench:log", "--json").document
    assert [one["prompt"] for one in found] == ["a blue cube", from_a1111(A1111).prompt]  # type: ignore[union-attr]
    report = inside("bench", "report", "log", "--json").document
    assert report["metrics"][0]["scorer"] == DEFINITION
    (tmp_path / "empty").mkdir()
    assert inside("bench", "import", "empty", "--name", "none").code == 2


def test_prompts_come_in_where_nothing_can_be_scored(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    png(tmp_path / "outputs" / "a.png", parameters=A1111)
    ran = inside("bench", "import", "outputs", "--name", "log", "--metrics", "aesthetic", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["missing"] == {"aesthetic": 1}


def test_a_public_table_names_nobody_and_says_the_same(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "prompt_id,prompt,function,metric,score,rater,group\n"
        "anna-1,a cat,/home/anna/models/mine@4,clip,1,anna,/data/anna/set\n"
        "anna-1,a cat,/home/anna/models/mine@4,clip,2,ben,/data/anna/set\n"
        "ben-2,a dog,C:\\ben\\own.safetensors@4,clip,3,anna,DIFF\n"
    )
    assert inside("bench", "import", "t.csv", "--name", "b").code == 0
    out = inside("bench", "export", "b", "--public").out
    assert "anna" not in out
    assert "ben" not in out
    assert "rater 2" in out
    (tmp_path / "shared.csv").write_text(out)
    assert inside("bench", "import", "shared.csv", "--name", "c").code == 0
    ours, theirs = (
        inside("bench", "report", name, "--json").document["metrics"][0]["functions"]
        for name in ("b", "c")
    )
    assert [one["mean"] for one in ours] == [one["mean"] for one in theirs]
    assert [one["function"] for one in theirs if one["group"] is None] == [
        "mine@4", "own.safetensors@4"
    ]  # fmt: skip


def test_numbers_of_a_public_table_go_on_over_its_stretches() -> None:
    pages = [
        {"prompt_id": ["x"], "rater": ["anna"], "group": [None], "function": ["f@1"], "score": [1]},
        {"prompt_id": ["y"], "rater": [None], "group": ["g"], "function": ["f"], "score": [2]},
        {"prompt_id": ["x"], "rater": ["ben"], "group": ["g"], "function": ["o/f"], "score": [3]},
    ]
    found = list(public_stretches(pages))
    assert [one["prompt_id"] for one in found] == [["prompt 1"], ["prompt 2"], ["prompt 1"]]
    assert [one["rater"] for one in found] == [["rater 1"], [None], ["rater 2"]]
    assert [one["function"] for one in found] == [["f@1"], ["f"], ["f"]]
