"""The shipped pack: whole, loadable, and able to draw what it says it can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PACK = Path(__file__).parents[2] / "checkpoints" / "starter"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (PACK / "manifest.json").exists(), reason="no pack in this tree"),
]

PROMPTS = ("a pizza", "a red heart", "a frog", "a yellow star", "a penguin", "a purple balloon")


@pytest.fixture(scope="module")
def pipeline() -> Any:
    from cems_tui.starter.recipe.networks.architectures import load_pipeline

    return load_pipeline(PACK / "starter-base")


@pytest.fixture(scope="module")
def pictures(pipeline: Any) -> Any:
    """(prompts, 3, 64, 64) in 0..1."""
    import torch

    seeds = [torch.Generator().manual_seed(seed) for seed in range(len(PROMPTS))]
    made = pipeline(
        list(PROMPTS),
        num_inference_steps=12,
        guidance_scale=2.5,
        generator=seeds,
        output_type="np",
    ).images
    return torch.from_numpy(made).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def similarity(pictures: Any) -> Any:
    """(pictures, prompts) cosines of the judge, loaded through open_clip."""
    import open_clip
    import torch
    from tokenizers import Tokenizer

    folder = PACK / "scorers" / "clip"
    model = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding(length=model.context_length)
    tokens = torch.tensor([encoded.ids for encoded in tokenizer.encode_batch(list(PROMPTS))])
    with torch.no_grad():
        seen = model.encode_image(pictures * 2 - 1, normalize=True)
        return seen @ model.encode_text(tokens, normalize=True).T


def test_every_file_of_the_pack_is_as_listed() -> None:
    from cems_tui.starter.manifest import verify

    manifest = verify(PACK)
    assert "starter-base" in manifest.pipelines
    assert sum(entry.bytes for entry in manifest.files.values()) <= 40_000_000


def test_every_pipeline_loads_with_its_whole_vocabulary() -> None:
    from cems_tui.starter.manifest import read_manifest
    from cems_tui.starter.recipe.networks.architectures import load_pipeline
    from cems_tui.starter.vocabulary import WORDS

    for name in read_manifest(PACK).pipelines:
        pipeline = load_pipeline(PACK / name)
        vocabulary = pipeline.tokenizer.get_vocab()
        assert set(WORDS) <= set(vocabulary)
        assert len(vocabulary) == pipeline.text_encoder.config.vocab_size


def test_pictures_fit_their_own_prompt_best(similarity: Any) -> None:
    best = similarity.argmax(1).tolist()
    assert best == list(range(len(PROMPTS))), similarity


def test_the_judge_prefers_true_captions_to_wrong_nouns_and_colours() -> None:
    from cems_tui.starter.recipe.checks.measure import cases, real_pictures
    from cems_tui.starter.recipe.networks.clip_scorer import load_clip
    from tests.experiments.scorer_test import caption_test

    asked = cases(40, "a test")
    told = caption_test(load_clip(PACK / "scorers" / "clip"), asked, real_pictures(asked))
    assert told["one object"]["noun"].right >= 38
    assert told["two objects"]["noun"].right >= 34
    assert told["one object"]["colour"].value == 1.0


def test_drawn_pictures_are_marked_above_noise(pictures: Any) -> None:
    import torch

    from cems_tui.scoring.nima_head import load_nima, mean_mark

    head = load_nima(PACK / "scorers" / "nima")
    random = torch.rand(pictures.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert mean_mark(head(pictures)).mean() > mean_mark(head(random)).mean() + 1
