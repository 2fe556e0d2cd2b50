"""The numpy text tower says what transformers' CLIPTextModel says, and is held to its digest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cems_tui.errors import ModelMissing, WeightsError
from cems_tui.paths import checkpoints
from cems_tui.routing.features.clip_text import read_tower, tower_digest

STARTER = checkpoints() / "starter" / "starter-base"
PROMPTS = (
    "a red ball on the grass",
    "",
    "a photo of TWO green cones, beside the lamp!",
    "Фыва (олдж) ячсм 猫 🐈 don't",
    "word " * 300,
)


def reference(model: Any, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
    import torch

    with torch.no_grad():
        out = model(torch.tensor([ids]))
    return out.last_hidden_state[0].numpy(), out.pooler_output[0].numpy()


def test_the_starters_tower_reads_as_in_transformers() -> None:
    from transformers import AutoTokenizer, CLIPTextModel

    tower = read_tower(STARTER)
    model = CLIPTextModel.from_pretrained(STARTER / "text_encoder").float().eval()
    tokenizer = AutoTokenizer.from_pretrained(STARTER / "tokenizer")
    pooled, states = tower.pooled(PROMPTS), tower.states(PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        ids = tower.tokens.ids(prompt)
        assert ids == tokenizer(prompt, truncation=True, max_length=32)["input_ids"]
        expected, at_end = reference(model, ids)
        np.testing.assert_allclose(states[row], expected, atol=2e-4)
        np.testing.assert_allclose(pooled[row], at_end, atol=2e-4)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CLIP text model with quick GELU, prefixed names and OpenAI's vocabulary."""
    import gzip

    import open_clip
    import torch
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("quick")
    packed = Path(open_clip.tokenizer.default_bpe()).read_bytes()
    lines = gzip.decompress(packed).decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : 49152 - 256 - 2 + 1]]
    letters = list(open_clip.tokenizer.bytes_to_unicode().values())
    words = [*letters, *(letter + "</w>" for letter in letters), *map("".join, merges)]
    vocabulary = {word: i for i, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    make: Any = CLIPTokenizer
    make(vocab=vocabulary, merges=merges, model_max_length=77).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(map(" ".join, merges)) + "\n")
    torch.manual_seed(0)
    config = CLIPTextConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
    )
    model = CLIPTextModel(config).eval()
    model.save_pretrained(folder)
    state = {f"text_model.{k}": v for k, v in model.state_dict().items() if "ids" not in k}
    save_file(state | {"visual.junk": torch.zeros(2)}, str(folder / "model.safetensors"))
    return folder


def test_openais_vocabulary_is_read_from_either_layout_and_from_prefixed_weights(
    quick: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer, CLIPTextModel

    old = tmp_path / "old"
    shutil.copytree(quick, old)
    (old / "tokenizer.json").unlink()
    model = CLIPTextModel.from_pretrained(quick).eval()
    tokenizer = AutoTokenizer.from_pretrained(quick)
    for tower in (read_tower(quick), read_tower(old)):
        for prompt in PROMPTS:
            ids = tower.tokens.ids(prompt)
            assert ids == tokenizer(prompt, truncation=True, max_length=77)["input_ids"]
            expected, _ = reference(model, ids)
            np.testing.assert_allclose(tower.states([prompt])[0], expected, atol=1e-5)


def test_another_byte_is_another_tower(tmp_path: Path) -> None:
    copy = tmp_path / "starter-base"
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(STARTER / part, copy / part)
    assert tower_digest(copy) == tower_digest(STARTER) == read_tower(copy).facts.sha256
    path = copy / "text_encoder" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    assert tower_digest(copy) != tower_digest(STARTER)


def test_a_folder_without_a_tower_says_what_to_give_instead(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="no text tower") as caught:
        read_tower(tmp_path)
    assert caught.value.hint
    with pytest.raises(WeightsError, match="not a CLIP text tower"):
        read_tower(STARTER / "unet")
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(WeightsError, match="t5"):
        read_tower(tmp_path)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "cut"
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(STARTER / part, copy / part)
    path = copy / "text_encoder" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="not a CLIP text tower"):
        read_tower(copy)


def test_no_other_encoder_goes_under_the_name_of_vit_b_16() -> None:
    with pytest.raises(WeightsError, match="shape of ViT-B/16"):
        read_tower(STARTER, name="openai/clip-vit-base-patch16")
