"""Prompts of another source: a router is never worse there than the best single function."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.routing.estimators.letters_router import (
    FEW_SOURCES,
    MANY_SOURCES,
    Familiarity,
    caution_for,
    split_parts,
    trusted,
)
from cems_tui.routing.evaluation.judge import judge
from cems_tui.routing.features.letters import FeatureConfig, grams
from cems_tui.routing.features.space import FeatureSpace
from cems_tui.routing.training.blend import HeldOut, apply_blend, choose_blend
from cems_tui.score_tables.formats import read_table
from cems_tui.score_tables.table import ScoreTable
from tests.routing.fakes import SHARED_DATA, grammar_prompts, table_with_signal, train


@pytest.fixture(scope="module")
def cems() -> ScoreTable:
    path = SHARED_DATA / "cems_train.parquet"
    if not path.exists():
        pytest.skip("cems_train.parquet is not on this machine")
    pytest.importorskip("pyarrow")
    return read_table(path)


def of_sources(table: ScoreTable, sources: Collection[str], count: int) -> ScoreTable:
    own = np.any([table.group.says(source) for source in sources], axis=0)
    ids = list(dict.fromkeys(table.prompt_id.places[own].tolist()))
    kept = np.random.default_rng(5).permutation(ids)[:count]
    return table.take(np.isin(table.prompt_id.places, kept))


@pytest.mark.parametrize("metric", ["clip", "nima"])
@pytest.mark.parametrize(
    ("inside", "outside"), [(("DIFF",), ("PP", "DRAW")), (("PP", "DRAW"), ("DIFF",))]
)
def test_on_the_prompts_of_another_source_the_router_is_not_worse(
    cems: ScoreTable, inside: tuple[str, ...], outside: tuple[str, ...], metric: str
) -> None:
    own, others = of_sources(cems, inside, 900), of_sources(cems, outside, 700)
    router = train(own, metric=metric, name="shifted", kind="ridge")
    assert judge(router, others, metric=metric)["verdict"] != "worse"


def test_far_more_prompts_of_another_source_are_out_of_distribution(cems: ScoreTable) -> None:
    own, others = of_sources(cems, ("PP", "DRAW"), 900), of_sources(cems, ("DIFF",), 300)
    router = train(own, metric="clip", name="shifted", kind="ridge")

    def strange(table: ScoreTable) -> float:
        return float(
            np.mean([not router.estimate(p).in_distribution for p in table.prompts.values()])
        )

    assert strange(others) > 0.2 > strange(own)


def test_one_source_or_none_that_is_named_calls_for_more_caution_than_many() -> None:
    assert caution_for(["", "", ""]) == caution_for(["a", "b", "a"]) == FEW_SOURCES
    assert caution_for(["a", "b", "c"]) == MANY_SOURCES
    assert FEW_SOURCES.share < MANY_SOURCES.share


def test_trust_falls_with_novelty_and_never_rises() -> None:
    believed = trusted(np.linspace(0.0, 1.0, 50), np.zeros(50), 1.0)
    assert believed[0] == 1.0
    assert believed[-1] == 0.0
    assert (np.diff(believed) < 0).all()


@given(power=st.floats(0.1, 2.0), novelty=st.floats(0.0, 1.0))
def test_unknown_words_draw_to_the_means_without_a_cliff(power: float, novelty: float) -> None:
    unknown = np.linspace(0.0, 1.0, 201)
    believed = trusted(np.full(201, novelty), unknown, power)
    assert believed[-1] == 0.0
    assert (np.diff(believed) <= 0).all()
    assert np.abs(np.diff(believed)).max() <= 0.0101


def test_a_prompt_of_unknown_words_is_more_novel_than_one_of_known_words() -> None:
    config = FeatureConfig()
    said = [grams(one, config) for one in grammar_prompts(300)]
    space = FeatureSpace.learn(said, config)
    known = Familiarity.learn([space.read(one, own=True) for one in said], FEW_SOURCES)
    novelties = [
        known.novelty(space.read(grams(prompt, config)))
        for prompt in ("a red ball on the grass", "a red zeppelin on the grass", "zeppelin wreck")
    ]
    assert novelties == sorted(novelties)
    assert known.trust(novelties[-1], space.read(grams("zeppelin wreck", config))) == 0.0


def test_a_contrast_without_signal_is_left_at_the_means_and_the_others_are_not() -> None:
    random = np.random.default_rng(0)
    said, noise = random.normal(size=(600, 2)), random.normal(size=(600, 2))
    true = np.zeros((600, 3))
    true[:, 0] += 3.0 * said[:, 0] + noise[:, 0]  # can be told
    true[:, 2] += noise[:, 1]  # cannot
    parts = split_parts(true)
    predicted = split_parts(np.stack([3.0 * said[:, 0], 0 * said[:, 0], 0.5 * said[:, 1]], axis=1))
    rows = np.arange(600)
    held = HeldOut(
        np.stack([predicted] * 6), None, np.zeros_like(parts), np.ones(600, dtype=np.float32)
    )
    blend = choose_blend(held, parts, rows, 0.8)
    first, second = blend.parts[1:]
    assert first.ridge == pytest.approx(0.8, abs=0.1)
    assert second.ridge < 0.05
    estimates = apply_blend(held, blend, rows)
    assert np.corrcoef(estimates[:, 0] - estimates[:, 1], said[:, 0])[0, 1] > 0.98


def test_a_card_says_what_its_intervals_hold_and_how_often_they_did() -> None:
    table = table_with_signal(200)
    one = train(table, metric="quality", name="one", kind="ridge").card
    three = train(table, metric="quality", name="three", kind="ridge", pictures=3).card
    single = ScoreTable.of(
        {(row.prompt_id, row.function): row for row in reversed(table.rows)}.values()
    )
    alone = train(single, metric="quality", name="alone", kind="ridge").card
    assert "one picture, the spread of its repeats included" in one.interval
    assert "taken to be one picture's" in alone.interval
    assert "mean score of 3 pictures" in three.interval
    coverage = one.evaluation["coverage"]
    assert coverage["ci95"][0] <= 0.92
    assert coverage["ci95"][1] >= 0.88
