"""The instruments: what they read, what they refuse, and how they are told apart."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cems_tui.domain.score import MixedConstants, MixedScale, mixed
from cems_tui.errors import GenerationError, UsageError, WeightsError
from cems_tui.files import file_digest
from cems_tui.scoring.clip import ClipScorer
from cems_tui.scoring.nima import NimaScorer
from cems_tui.scoring.runtime import check_finite
from tests.generation.tiny_pipelines import CONTEXT, WORDS, tokenizer

WEIGHTS = "open_clip_model.safetensors"


def picture(colour: str = "red", side: int = 64) -> Image.Image:
    return Image.new("RGB", (side, side), colour)


def save_clip(folder: Path) -> Path:
    """A dual encoder with random weights, as an open_clip folder."""
    import torch
    from open_clip.model import CLIP
    from safetensors.torch import save_file

    torch.manual_seed(3)
    config = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16},
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": len(WORDS),
            "width": 32,
            "heads": 2,
            "layers": 1,
        },
    }
    model = CLIP(**config)
    with torch.no_grad():
        model.token_embedding.weight.mul_(50)
        for name, weight in model.transformer.named_parameters():
            if "attn" in name:  # at its default size a prompt's words would change no score
                weight.mul_(30)
    save_file(
        {name: value.half().contiguous() for name, value in model.state_dict().items()},
        folder / WEIGHTS,
    )
    preprocess = {
        "size": 32,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "interpolation": "bilinear",
        "resize_mode": "squash",
    }
    text = json.dumps({"model_cfg": config, "preprocess_cfg": preprocess})
    (folder / "open_clip_config.json").write_text(text)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def clip_folder(tmp_path: Path) -> Path:
    return save_clip(tmp_path)


def test_clip_scores_are_a_hundred_times_the_cosine_and_never_negative(clip_folder: Path) -> None:
    import open_clip
    import torch

    scorer = ClipScorer(clip_folder)
    model, prepare = open_clip.create_model_from_pretrained(f"local-dir:{clip_folder}")
    words = tokenizer()
    prompts = ["a red cat", "the blue moon", "dog", "", "moon the dog a blue cat"]
    values = scorer.score([picture()] * len(prompts), prompts)
    for prompt, value in zip(prompts, values, strict=True):
        ids = words(prompt, padding="max_length", max_length=CONTEXT, return_tensors="pt").input_ids
        with torch.no_grad():
            seen = model.eval().encode_image(prepare(picture())[None], normalize=True)
            said = model.encode_text(ids, normalize=True)
        assert value == pytest.approx(max(0.0, 100 * float((seen * said).sum())), abs=1e-3)
    assert min(values) >= 0
    assert len(set(values)) > 2
    assert max(values) > 0


def test_a_reading_does_not_depend_on_what_is_read_beside_it(clip_folder: Path) -> None:
    scorer = ClipScorer(clip_folder)
    alone = scorer.score([picture("blue")], ["a cat"])
    beside = scorer.score([picture(), picture("blue", 128)], ["dog", "a cat"])
    assert scorer.score([picture("blue")], ["a cat"]) == alone
    assert beside[1] == pytest.approx(alone[0], abs=1e-2)


def test_a_prompt_longer_than_the_context_is_cut_not_refused(clip_folder: Path) -> None:
    (value,) = ClipScorer(clip_folder).score([picture()], ["a red cat " * 500])
    assert 0 <= value <= 100


def test_a_scorer_that_knows_few_words_reads_them_instead_of_the_prompt(clip_folder: Path) -> None:
    worded = ClipScorer(clip_folder, wording=lambda prompt: prompt.replace("🐱", "a red cat"))
    plain = ClipScorer(clip_folder)
    assert worded.score([picture()], ["🐱"]) == plain.score([picture()], ["a red cat"])
    assert worded.id == plain.id


def test_a_scorers_id_carries_the_digest_of_its_weights(clip_folder: Path) -> None:
    scorer = ClipScorer(clip_folder)
    assert scorer.id == f"starter-clip:{file_digest(clip_folder / WEIGHTS)}"
    assert scorer.id.startswith("starter-clip:sha256:")
    assert (scorer.metric, scorer.higher_is_better) == ("clip", True)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize("file", [WEIGHTS, "open_clip_config.json", "tokenizer.json"])
@pytest.mark.parametrize("damage", [cut, Path.unlink], ids=["cut", "gone"])
def test_a_damaged_clip_scorer_is_refused_in_one_line(
    clip_folder: Path, file: str, damage: Any
) -> None:
    damage(clip_folder / file)
    with pytest.raises(WeightsError) as caught:
        ClipScorer(clip_folder)
    assert str(clip_folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_clip_scorer_with_a_foreign_vocabulary_is_refused(clip_folder: Path) -> None:
    tokenizer(("<pad>", "<unk>", "<bos>", "<eos>")).save_pretrained(clip_folder)
    with pytest.raises(WeightsError, match="4 tokens"):
        ClipScorer(clip_folder)


def test_a_clip_scorer_whose_weights_are_not_numbers_gives_no_score(clip_folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(clip_folder / WEIGHTS)
    save_file(
        {name: value * float("nan") for name, value in weights.items()}, clip_folder / WEIGHTS
    )
    scorer = ClipScorer(clip_folder)
    with pytest.raises(GenerationError, match=r"starter-clip:sha256:\w+ gave nan"):
        scorer.score([picture()], ["a cat"])


@pytest.fixture
def nima_folder(tmp_path: Path) -> Path:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def nima_of(folder: Path, head: Callable[[Any], Any]) -> NimaScorer:
    """The scorer with a stand-in for the pack's head: the same call, without its weights."""
    return NimaScorer(folder, lambda folder, device: head)  # type: ignore[arg-type,return-value]


def test_nima_is_the_mean_of_the_marks(nima_folder: Path) -> None:
    import torch

    marks = torch.tensor([[0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0.5]])
    scorer = nima_of(nima_folder, lambda pixels: marks)
    assert scorer.score([picture()], ["whatever"]) == [7.5]
    assert scorer.id == f"starter-nima:{file_digest(nima_folder / 'model.safetensors')}"


def test_nima_hands_its_head_pixels_between_0_and_1(
    nima_folder: Path,
) -> None:
    import torch

    seen: list[Any] = []

    def head(pixels: Any) -> Any:
        seen.append(pixels)
        return torch.full((1, 10), 0.1)

    assert nima_of(nima_folder, head).score([picture("red", 8)], [""]) == [pytest.approx(5.5)]
    assert seen[0].shape == (1, 3, 8, 8)
    assert seen[0][0, :, 0, 0].tolist() == [1.0, 0.0, 0.0]


def test_a_nima_score_that_is_not_a_number_is_no_score(
    nima_folder: Path,
) -> None:
    import torch

    scorer = nima_of(nima_folder, lambda pixels: torch.full((1, 10), float("nan")))
    with pytest.raises(GenerationError, match="starter-nima"):
        scorer.score([picture()], [""])


def test_a_damaged_nima_scorer_is_refused_in_one_line(
    nima_folder: Path,
) -> None:
    from safetensors.torch import load_file

    def load(folder: Path, device: str) -> Any:
        return load_file(folder / "model.safetensors")

    with pytest.raises(WeightsError) as caught:
        NimaScorer(nima_folder, load)
    assert "\n" not in str(caught.value)
    (nima_folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        NimaScorer(nima_folder, load)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_only_numbers_are_scores(value: float) -> None:
    with pytest.raises(GenerationError):
        check_finite(value, "x")
    assert check_finite(0.0, "x") == 0.0


CONSTANTS = MixedConstants(nima_min=3.0, nima_max=7.0, clip_min=10.0, clip_max=30.0)
numbers = st.floats(-1e3, 1e3, allow_nan=False)


def test_mixed_is_the_sum_of_the_two_shares() -> None:
    assert mixed(3.0, 10.0, CONSTANTS) == 0.0
    assert mixed(7.0, 30.0, CONSTANTS) == 2.0
    assert mixed(5.0, 15.0, CONSTANTS) == 0.75


def test_mixed_is_not_clipped_beyond_what_it_was_fitted_on() -> None:
    assert mixed(8.0, 30.0, CONSTANTS) == 2.25
    assert mixed(2.0, 10.0, CONSTANTS) == -0.25


@given(st.lists(numbers, min_size=2), st.lists(numbers, min_size=2))
def test_on_the_scores_it_was_fitted_on_mixed_is_between_0_and_2(
    nima: list[float], clip: list[float]
) -> None:
    if max(nima) == min(nima) or max(clip) == min(clip):
        with pytest.raises(UsageError):
            MixedConstants.fit(nima, clip)
        return
    constants = MixedConstants.fit(nima, clip)
    for pair in zip(nima, clip, strict=False):
        assert -1e-9 <= mixed(*pair, constants) <= 2 + 1e-9


def test_a_mixed_scale_cannot_be_fitted_on_nothing() -> None:
    with pytest.raises(UsageError):
        MixedConstants.fit([], [1.0, 2.0])


def test_a_mixed_scale_is_another_one_when_anything_in_it_is() -> None:
    scale = MixedScale("nima:1", "clip:1", CONSTANTS)
    others = [
        MixedScale("nima:2", "clip:1", CONSTANTS),
        MixedScale("nima:1", "clip:2", CONSTANTS),
        MixedScale("nima:1", "clip:1", MixedConstants(3.0, 7.5, 10.0, 30.0)),
    ]
    assert scale.id == MixedScale("nima:1", "clip:1", MixedConstants(3, 7, 10, 30)).id
    assert len({scale.id, *(other.id for other in others)}) == 4
    assert scale.score(5.0, 15.0) == 0.75


def test_the_room_of_quality_is_light_to_enter() -> None:
    import subprocess

    code = (
        "import sys, cems_tui.scoring.clip, cems_tui.scoring.nima, cems_tui.domain.score;"
        "import cems_tui.generation.families.registry, cems_tui.generation.residency;"
        "import cems_tui.generation.cost_model, cems_tui.locks;"
        "print(*(m for m in ('torch', 'numpy', 'diffusers', 'open_clip') if m in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
