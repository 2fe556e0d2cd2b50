"""The sentence encoder says what transformers' BertModel says, whichever form its weights have."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from cems_tui.errors import ModelMissing, WeightsError
from cems_tui.paths import checkpoints
from cems_tui.routing.features.cache import EmbeddingCache
from cems_tui.routing.features.encoder_files import (
    CONFIG,
    TOKENS,
    WEIGHTS,
    is_sentence_encoder,
    read_rounded,
    read_sentence_encoder,
)
from cems_tui.routing.features.sentence_encoder import (
    MOST_TOKENS,
    BertShape,
    SentenceEncoder,
    gelu,
)
from cems_tui.starter.manifest import verify
from tests.experiments.encoder import DIGESTS, NAME, build

SHIPPED = checkpoints() / "encoder"
DIGEST = "sha256:e44f936733e438e0b494907c8a522e3fb5a45bee1043a2567399c34406aa1f12"
PUBLISHED = os.environ.get("CEMS_MINILM")
"""A folder with the published weights, where there is one."""

RECORDED = [
    [
        [0.3130, 0.1671, -0.2357, 0.2413],
        [0.3159, 0.1244, -0.3735, 0.3207],
        [0.1829, 0.1696, -0.3447, -0.0923],
    ],
    [
        [0.0630, 0.4515, 0.2242, 0.4099],
        [-0.1902, 0.7652, 0.0289, 0.7678],
        [0.1842, 0.5162, 0.4186, 0.4366],
    ],
]
"""The first four numbers of each layer read, of the prompts asked."""

PROMPTS = (
    "a red ball on the grass",
    "",
    "   ",
    "a photo of TWO green cones, beside the lamp! don't",
    "Фыва (олдж) ячсм 猫の絵 🐈 naïve café",
    "\x00\x1b[31m\u200b\ufeff tabs\tand\nlines \ud800",
    "word " * 300,
    "x" * 10_000,
    "日本語の絵" * 2000,
    "[CLS] [MASK] ##ing [SEP]",
)


@pytest.fixture(scope="module")
def shipped() -> SentenceEncoder:
    return read_sentence_encoder(SHIPPED, NAME)


def bert(shape: BertShape, weights: Path) -> Any:
    """transformers' network with the rounded weights of a file."""
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_hidden_layers,
        num_attention_heads=shape.num_attention_heads,
        max_position_embeddings=MOST_TOKENS,
        layer_norm_eps=shape.layer_norm_eps,
        attn_implementation="eager",
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    kept = read_rounded(weights, shape)
    state = {}
    for name, value in kept.items():
        if name.endswith(".scale"):
            continue
        full = value.astype(np.float32)
        if value.dtype == np.int8:
            full *= kept[f"{name}.scale"][:, None]
        state[name] = torch.from_numpy(full)
    model.load_state_dict(state, strict=True)
    return model


def means(model: Any, encoder: SentenceEncoder, prompt: str) -> np.ndarray:
    """What transformers' network makes of a prompt, shape (L, d)."""
    import torch

    with torch.no_grad():
        out = model(torch.tensor([encoder.tokens.ids(prompt)]), output_hidden_states=True)
    return np.stack([out.hidden_states[n][0].mean(0).numpy() for n in encoder.shape.layers_read])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BERT in the published form: random weights, the shipped tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4
    )
    BertModel(config).save_pretrained(folder)
    shutil.copy(SHIPPED / TOKENS, folder / TOKENS)
    return folder


def test_the_shipped_encoder_is_whole_and_the_one_it_was() -> None:
    manifest = verify(SHIPPED)
    assert manifest.licence == "Apache-2.0"
    assert {"LICENSE", "README.md", TOKENS, WEIGHTS, CONFIG} == set(manifest.files)
    assert f"sha256:{manifest.files[TOKENS].sha256}" == DIGESTS[TOKENS]
    assert sum(file.bytes for file in manifest.files.values()) < 24_000_000


def test_it_says_what_was_recorded(shipped: SentenceEncoder) -> None:
    assert shipped.facts.sha256 == DIGEST
    said = shipped.embeddings(["a red ball on the grass", "猫の絵 🐈"])
    recorded = np.array(RECORDED, dtype=np.float32)
    np.testing.assert_allclose(said[:, :, :4], recorded, atol=2e-3)


def test_it_says_what_transformers_says_of_the_same_weights(shipped: SentenceEncoder) -> None:
    model = bert(shipped.shape, SHIPPED / WEIGHTS)
    said = shipped.embeddings(PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        np.testing.assert_allclose(said[row], means(model, shipped, prompt), atol=1e-3)


def test_other_shapes_are_read_as_well(tiny: Path) -> None:
    encoder = read_sentence_encoder(tiny, "tiny")
    assert encoder.shape.layers_read == (2, 3)
    model = bert(encoder.shape, tiny / WEIGHTS)
    for prompt in PROMPTS:
        (said,) = encoder.embeddings([prompt])
        np.testing.assert_allclose(said, means(model, encoder, prompt), atol=1e-3)
        (states,) = encoder.states([prompt])
        np.testing.assert_allclose(encoder.pool(states), said[-1], atol=1e-5)


@pytest.mark.skipif(PUBLISHED is None, reason="CEMS_MINILM names no folder of published weights")
def test_rounding_changes_little_of_the_published_weights(shipped: SentenceEncoder) -> None:
    from transformers import AutoModel

    model = AutoModel.from_pretrained(PUBLISHED, attn_implementation="eager").eval()
    said = shipped.embeddings(PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        expected = means(model, shipped, prompt)
        for one, other in zip(said[row], expected, strict=True):
            cosine = float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
            assert cosine > 0.995, prompt[:40]


@pytest.mark.skipif(PUBLISHED is None, reason="CEMS_MINILM names no folder of published weights")
def test_the_published_weights_give_the_shipped_bytes(tmp_path: Path) -> None:
    for name in ("LICENSE", "README.md"):
        shutil.copy(SHIPPED / name, tmp_path / name)
    assert build(Path(str(PUBLISHED)), tmp_path) == DIGEST
    for file in sorted(SHIPPED.iterdir()):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


def test_files_of_another_digest_make_no_encoder(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not that of"):
        build(tiny, tmp_path / "out")


def test_tokens_are_those_of_transformers(shipped: SentenceEncoder) -> None:
    from transformers import BertTokenizerFast

    tokenizer = BertTokenizerFast(tokenizer_file=str(SHIPPED / TOKENS))
    for prompt in PROMPTS:
        text = prompt.encode("utf-8", "replace").decode("utf-8")
        expected = tokenizer(text, truncation=True, max_length=MOST_TOKENS)["input_ids"]
        assert shipped.tokens.ids(prompt) == expected
        assert 2 <= len(shipped.tokens.ids(prompt)) <= MOST_TOKENS


def test_both_forms_are_one_encoder(tiny: Path, tmp_path: Path) -> None:
    published = read_sentence_encoder(tiny, "tiny")
    for name in (TOKENS, CONFIG):
        shutil.copy(tiny / name, tmp_path / name)
    save_file(read_rounded(tiny / WEIGHTS, published.shape), tmp_path / WEIGHTS)
    rounded = read_sentence_encoder(tmp_path, "tiny")
    assert rounded.facts == published.facts
    assert np.array_equal(rounded.embeddings(PROMPTS), published.embeddings(PROMPTS))


def test_another_number_is_another_encoder(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    tensors = load_file(copy / WEIGHTS)
    tensors["encoder.layer.0.output.dense.weight"][0, 0] += 1.0
    save_file(tensors, copy / WEIGHTS)
    assert read_sentence_encoder(copy, "tiny").facts != read_sentence_encoder(tiny, "tiny").facts


def test_what_is_no_sentence_encoder_says_so(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="no sentence encoder"):
        read_sentence_encoder(tmp_path, "x")
    assert not is_sentence_encoder(checkpoints() / "starter" / "starter-base" / "text_encoder")
    for name, content in (
        (CONFIG, b'{"model_type": "clip"}'),
        (CONFIG, b"[]"),
        (CONFIG, json.dumps({"model_type": "bert", "hidden_act": "gelu"}).encode()),
        (TOKENS, b"{"),
        (WEIGHTS, (tiny / WEIGHTS).read_bytes()[:1000]),
    ):
        copy = shutil.copytree(tiny, tmp_path / "copy", dirs_exist_ok=True)
        (copy / name).write_bytes(content)
        with pytest.raises(WeightsError, match="not a sentence encoder"):
            read_sentence_encoder(copy, "x")


def test_prompts_side_by_side_are_read_as_each_alone(shipped: SentenceEncoder) -> None:
    together = shipped.embeddings(PROMPTS)
    fresh = read_sentence_encoder(SHIPPED, NAME)
    alone = np.concatenate([fresh.embeddings([prompt]) for prompt in PROMPTS])
    np.testing.assert_allclose(together, alone, atol=2e-5)
    assert shipped.embeddings([]).shape == (0, 3, 384)


def test_a_prompt_is_read_once(tiny: Path, tmp_path: Path) -> None:
    encoder = read_sentence_encoder(tiny, "tiny")
    cache = EmbeddingCache(tmp_path / "kept")
    first = cache.embeddings(encoder, ["a cat", "a dog", "a cat"])
    assert np.array_equal(first[0], first[2])

    class Deaf(Counting):
        def embeddings(self, prompts: Any) -> Any:
            assert list(prompts) == ["a bird"], "only what is new is read"
            return super().embeddings(prompts)

    more = cache.embeddings(Deaf(encoder), ["a dog", "a bird", "a cat"])
    assert np.array_equal(more[[2, 0]], first[:2])
    (file,) = (tmp_path / "kept").iterdir()
    file.write_bytes(file.read_bytes()[:100])  # a torn file is read again
    again = cache.embeddings(encoder, ["a cat"])
    assert np.array_equal(again[0], first[0])


class Counting:
    """An encoder that passes on what it is asked."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self._encoder = encoder
        self.facts, self.width = encoder.facts, encoder.width
        self.depth, self.parameters = encoder.depth, encoder.parameters

    def embeddings(self, prompts: Any) -> Any:
        return self._encoder.embeddings(prompts)

    def states(self, prompts: Any) -> Any:
        return self._encoder.states(prompts)

    def pool(self, states: Any) -> Any:
        return self._encoder.pool(states)


def test_gelu_is_close_everywhere() -> None:
    from math import erf

    x = np.concatenate([np.linspace(-8, 8, 2001), [-1e4, 1e4]]).astype(np.float32)
    exact = [0.5 * value * (1 + erf(value / 2**0.5)) for value in x.tolist()]
    assert np.abs(gelu(x) - np.array(exact)).max() < 3e-5


def test_a_prompt_of_thirty_tokens_takes_hundredths_of_a_second(shipped: SentenceEncoder) -> None:
    times = []
    for number in range(12):
        prompt = f"a portrait of a fox in armour number {number}, oil painting, highly detailed"
        began = process_time()
        shipped.embeddings([prompt])
        times.append(process_time() - began)
    assert min(times) < 0.1  # processor seconds; what a quiet core takes is in tests/results
