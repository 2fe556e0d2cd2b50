"""A mixed scale names its constants, and two scales never share a label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.score import (
    MixedConstants,
    MixedScale,
    Score,
    mixed_constants_of,
    mixed_words,
)
from cems_tui.views.scales import constants_lines, labels
from tests.store.records import generation

WIDE = MixedScale("nima:sha256:1", "clip:sha256:2", MixedConstants(2.5, 9.5, 10.0, 95.0))
NARROW = MixedScale("nima:sha256:1", "clip:sha256:2", MixedConstants(4.0, 8.0, 20.0, 80.0))


def test_the_id_of_a_mixed_scale_names_its_constants() -> None:
    assert WIDE.id.startswith("mixed(2.5,9.5,10,95):sha256:")
    assert mixed_constants_of(WIDE.id) == WIDE.constants
    assert mixed_words(WIDE.id) == "(nima − 2.5) ÷ 7 + (clip − 10) ÷ 85"


def test_what_is_no_mixed_scale_names_none() -> None:
    for scorer in (None, "", "starter-nima:sha256:00", "mixed(1,2):sha256:" + "0" * 64):
        assert mixed_constants_of(scorer) is None
    assert mixed_constants_of("mixed(9,2,3,4):sha256:" + "0" * 64) is None


def test_one_instrument_of_a_metric_goes_by_the_metric() -> None:
    assert labels([("mixed", WIDE.id), ("nima", "a:1")]) == {
        ("mixed", WIDE.id): "mixed",
        ("nima", "a:1"): "nima",
    }


def test_two_mixed_scales_are_told_apart_and_say_what_they_are() -> None:
    called = labels([("mixed", WIDE.id), ("mixed", NARROW.id)])
    assert len(set(called.values())) == 2
    assert all(one.startswith("mixed·") for one in called.values())
    assert len(list(constants_lines(called))) == 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["nima", "clip"]),
            st.none() | st.text("0123", min_size=1, max_size=7).map(lambda end: f"s:sha256:{end}"),
        ),
        max_size=12,
    )
)
def test_two_scales_never_share_a_label(scales: list[tuple[str, str | None]]) -> None:
    called = labels(scales)
    assert len(set(called.values())) == len(called)


def test_a_score_is_set_beside_what_was_expected_only_on_the_same_scale(tmp_path: Path) -> None:
    made = replace(
        generation("s", tmp_path),
        scores=(Score("mixed", 1.2, WIDE.id), Score("nima", 7.0, "nima:sha256:1")),
    )
    same = replace(made, decision=replace(made.decision, scorer=WIDE.id))
    other = replace(made, decision=replace(made.decision, scorer=NARROW.id))
    assert same.foreseen_score == made.scores[0]
    assert other.foreseen_score is None
