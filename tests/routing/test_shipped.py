"""The shipped routers for the models of CEMS: small, quick, and nobody's prompts inside."""

from __future__ import annotations

from functools import cache
from time import process_time

import numpy as np
import pytest
from safetensors.numpy import load_file

from cems_tui.paths import checkpoints
from cems_tui.profile import Profile
from cems_tui.routing.checkpoints.card import choose_router
from cems_tui.routing.checkpoints.checkpoint import Checkpoint, load_checkpoint
from cems_tui.routing.features.text_towers import SENTENCE_ENCODER
from tests.experiments.cems_routers import ABOUT, METRICS, main

FOLDER = checkpoints() / "routers"
FUNCTIONS = ("sdxl-turbo@4", "sd-turbo@1", "amused-512@12", "sd-taesd@25")
NAMES = tuple(f"cems-{metric}" for metric in METRICS)


@pytest.fixture(params=NAMES)
def router(request: pytest.FixtureRequest) -> Checkpoint:
    return shipped(str(request.param))


@cache
def shipped(name: str) -> Checkpoint:
    return load_checkpoint(FOLDER, name, Profile.current().towers())


def test_it_says_first_what_it_is(router: Checkpoint) -> None:
    assert router.card.summary.startswith(ABOUT)
    assert set(router.functions) == set(FUNCTIONS)
    assert router.card.evaluation["split"] == "folds"
    assert router.card.verdict == "beats best single"
    assert set(router.card.evaluation["groups"]) == {"DIFF", "PP", "DRAW"}


def test_it_holds_no_prompt_and_no_score_of_one(router: Checkpoint) -> None:
    path = FOLDER / f"{router.name}.safetensors"
    tensors = load_file(path)
    prompts = router.card.training.prompts
    assert path.stat().st_size <= 4_000_000
    assert prompts == 7974
    assert not {"prompts", "parts", "index.rows"} & set(tensors)
    assert tensors["encoded.centres"].dtype == np.int8
    assert len(tensors["encoded.centres"]) < prompts / 2
    for name, tensor in tensors.items():
        assert prompts not in tensor.shape, name
    assert router.estimate("a corgi").nearest == ()


def test_its_intervals_held_nine_of_ten_held_out_scores(router: Checkpoint) -> None:
    assert 0.88 <= router.card.evaluation["coverage"]["value"] <= 0.92
    assert "mean score of 3 pictures" in router.card.interval


def test_it_reads_the_encoder_that_ships(router: Checkpoint) -> None:
    assert router.card.feature_set == "text"
    assert router.card.encoder is not None
    assert router.card.encoder.id == SENTENCE_ENCODER
    assert router.answers_at_once


def test_letters_alone_answer_within_two_milliseconds_of_processor_time(
    router: Checkpoint,
) -> None:
    router.estimate("a warm start", at_once=True)
    times = []
    for place in range(400):
        prompt = f"a portrait of a fox in armour number {place}, oil painting, detailed"
        start = process_time()
        router.estimate(prompt, at_once=True)
        times.append(process_time() - start)
    assert min(times) < 2e-3  # processor seconds of the least disturbed one: load does not enter


def test_the_encoder_beats_letters_alone(router: Checkpoint) -> None:
    both, alone = router.card.evaluation, router.card.evaluation["instant"]
    assert both["area_recovered"]["value"] > alone["area_recovered"]["value"]
    assert both["qnc"] < alone["qnc"]


def test_different_prompts_go_to_different_models() -> None:
    router = shipped("cems-clip")
    prompts = (
        "a cat",
        "portrait of a knight, greg rutkowski, artstation, 8 k, intricate",
        "text that says hello",
        "a beautiful landscape, octane render, trending on artstation",
        "two dogs on the left of three cats",
    )
    assert all(router.estimate(prompt).in_distribution for prompt in prompts)
    differences = [
        router.estimate(p).estimates["sdxl-turbo@4"].quality  # type: ignore[operator]
        - router.estimate(p).estimates["sd-turbo@1"].quality
        for p in prompts
    ]
    assert np.std(differences) > 0.1


def test_they_are_on_the_shelf_and_leave_the_starters_functions_alone() -> None:
    cards = Profile.current().shelf().cards()
    assert set(NAMES) <= {card.name for card in cards}
    asked = choose_router(cards, None, ("starter-base@20", "starter-small@8"))
    assert asked is not None
    assert asked.name == "starter"
    real = choose_router(cards, None, FUNCTIONS)
    assert real is not None
    assert real.name in NAMES


def test_wrong_words_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["only-one"]) == 2
    assert "usage" in capsys.readouterr().err
