"""A prompt as numbers: the same in every process, quick, and sane for any text."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from time import thread_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.routing.features.letters import FeatureConfig, grams, opening
from cems_tui.routing.features.space import FeatureSpace, Sparse
from cems_tui.routing.training.splits import grouped_folds, near_duplicates
from tests.routing.fakes import grammar_prompts

CONFIG = FeatureConfig()
FADING = replace(CONFIG, fade=20.0, fade_floor=0.1, pairs_weight=0.6)


def test_every_process_hashes_alike() -> None:
    code = (
        "from cems_tui.routing.features.letters import *\n"
        "g = grams('Ein roter Bär, 日本', FeatureConfig())\n"
        "print(g.words.tolist(), g.characters.tolist(), g.counts.tolist())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


@given(prompt=st.text(max_size=300))
def test_any_text_has_finite_features_of_unit_length_words(prompt: str) -> None:
    space = FeatureSpace.learn([grams(p, CONFIG) for p in grammar_prompts(20)], CONFIG)
    reading = space.read(grams(prompt, CONFIG))
    assert np.isfinite(reading.features.values).all()
    assert (reading.features.indices < space.size).all()
    assert 0.0 <= reading.unknown_share <= 1.0
    length = float(np.square(reading.words.values).sum())
    assert length == pytest.approx(1.0, abs=1e-4) or length == 0.0


@pytest.mark.parametrize(
    "prompt",
    ["a red ball " * 900, "日本語の絵" * 2000, "🎨" * 10_000, "x" * 10_000, "\x1b[31m a b"],
)
def test_a_very_long_prompt_is_read_within_bounds(prompt: str) -> None:
    said = grams(prompt[:10_000], CONFIG)
    assert said.words.size <= CONFIG.max_words
    assert said.characters.size <= 3 * CONFIG.max_characters
    assert np.isfinite(said.counts).all()


def test_reading_a_prompt_takes_under_a_millisecond() -> None:
    prompts = grammar_prompts(200)
    space = FeatureSpace.learn([grams(p, CONFIG) for p in prompts], CONFIG)
    times = []
    for prompt in prompts:
        start = thread_time()
        space.read(grams(prompt, CONFIG))
        times.append(thread_time() - start)
    assert np.median(times) < 1e-3


def test_words_count_whatever_their_case_and_order_within_the_vector() -> None:
    space = FeatureSpace.learn([grams(p, CONFIG) for p in grammar_prompts(50)], CONFIG)
    one = space.read(grams("a RED ball", CONFIG)).words
    other = space.read(grams("ball a red", CONFIG)).words
    assert np.array_equal(one.indices, other.indices)
    assert np.allclose(one.values, other.values)


def test_an_unknown_word_is_counted_against_the_prompt() -> None:
    space = FeatureSpace.learn([grams(p, CONFIG) for p in grammar_prompts(50)], CONFIG)
    known = space.read(grams("a red ball on the grass", CONFIG))
    half = space.read(grams("a red zyxgorp on the grass", CONFIG))
    assert known.unknown_share == 0.0
    assert half.unknown_share == pytest.approx(1 / 4)  # red, zyxgorp, on, grass


def test_prompts_that_begin_alike_or_share_half_their_words_are_near_duplicates() -> None:
    assert opening("A Red ball, on the grass: two") == "a red ball on the grass"
    prompts = [
        "a castle on a hill by the sea, oil painting",
        "oil painting of a castle on a hill by the sea at night",  # most words shared
        "a castle on a hill by the sea, oil painting" + ", many more words",
        "three dogs in a row on green grass",
        "three dogs in a row on blue ice under every star there is tonight",  # begins alike
        "a violin",
        "!!!",
        "???",
    ]
    group = near_duplicates(prompts).tolist()
    assert group[0] == group[1] == group[2]
    assert group[3] == group[4]
    assert len({group[0], group[3], *group[5:]}) == 5


@given(count=st.integers(1, 120), seed=st.integers(0, 5))
def test_near_duplicates_share_a_fold_and_never_fill_the_table(count: int, seed: int) -> None:
    prompts = [f"{p}, version {n}" for p in grammar_prompts(count, seed) for n in range(3)]
    group = near_duplicates(prompts)
    folds = grouped_folds(prompts, [""] * len(prompts), 5, seed=1)
    assert all(len(set(folds[group == number].tolist())) == 1 for number in np.unique(group))
    openings = [opening(prompt) for prompt in prompts]
    together = max(openings.count(one) for one in openings)
    assert np.bincount(group).max() <= max(together, 3, len(prompts) // 10)


def test_every_source_is_dealt_evenly_over_the_folds() -> None:
    prompts = grammar_prompts(100)
    sources = ["many"] * 80 + ["few"] * 20
    folds = grouped_folds(prompts, sources, 5, seed=3)
    few = np.bincount(folds[80:], minlength=5)
    assert few.max() - few.min() <= 2


def _square_of_words(config: FeatureConfig, prompt: str) -> float:
    space = FeatureSpace.learn([grams(p, config) for p in grammar_prompts(50)], config)
    features = space.read(grams(prompt, config)).features
    ours = features.indices < space.words.keys.size
    return float(np.square(features.values[ours]).sum())


def test_words_and_pairs_are_one_vector_or_two() -> None:
    assert _square_of_words(CONFIG, "a red ball") == pytest.approx(1.0, abs=1e-4)
    assert _square_of_words(FADING, "a red ball") == pytest.approx(1.0 + 0.6**2, abs=1e-4)
    assert _square_of_words(FADING, "ball") == pytest.approx(1.0, abs=1e-4)


def test_a_word_says_less_the_later_it_stands_where_words_fade() -> None:
    prompts = grammar_prompts(50)

    def word(config: FeatureConfig, prompt: str) -> float:
        space = FeatureSpace.learn([grams(p, config) for p in prompts], config)
        place = int(np.searchsorted(space.words.keys, grams("red", config).words[0]))
        features = space.read(grams(prompt, config)).features
        return float(features.values[features.indices == place].sum())

    early, late = "red unheard ball a", "ball a unheard red"
    assert word(FADING, early) > word(FADING, late) > 0.0
    assert word(CONFIG, early) == pytest.approx(word(CONFIG, late))


@given(prompt=st.text(max_size=300))
def test_every_character_ngram_knows_its_word(prompt: str) -> None:
    said = grams(prompt, CONFIG)
    assert said.characters_places.shape == said.characters.shape
    assert ((said.characters_places >= 0) & (said.characters_places <= said.words.size)).all()


def test_any_text_is_read_where_words_fade() -> None:
    space = FeatureSpace.learn([grams(p, FADING) for p in grammar_prompts(20)], FADING)
    for prompt in ("", "ball", "a red ball " * 900, "日本語の絵", "\x1b[31m a b"):
        features = space.read(grams(prompt, FADING)).features
        assert np.isfinite(features.values).all()
        assert np.unique(features.indices).size == features.indices.size


def test_a_place_that_two_vectors_share_is_there_once() -> None:
    one = Sparse(np.array([1, 5], np.int32), np.array([0.5, 1.0], np.float32))
    other = Sparse(np.array([5, 7], np.int32), np.array([2.0, 4.0], np.float32))
    total = one.plus(other, 0.5)
    assert total.indices.tolist() == [1, 5, 7]
    assert total.values.tolist() == [0.5, 2.0, 2.0]


def test_a_card_from_before_words_could_fade_reads_them_all_alike() -> None:
    row = CONFIG.to_json()
    for name in ("fade", "fade_floor", "pairs_weight"):
        del row[name]
    assert FeatureConfig.from_json(row) == CONFIG
    assert FeatureConfig.from_json(FADING.to_json()) == FADING
