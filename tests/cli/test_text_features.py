"""Routers that read the sentence encoder, at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cems_tui import paths
from cems_tui.routing.checkpoints.codecs import KINDS, features_for
from cems_tui.score_tables.formats import write_table
from tests.cli.inside import Inside, inside
from tests.routing.fakes import table_with_signal

__all__ = ["inside"]


@pytest.fixture
def stocked(inside: Inside) -> Inside:
    """A home with a small table, and a router of it that reads the encoder."""
    write_table(table_with_signal(60), Path("signal.csv"))
    assert inside("bench", "import", "signal.csv", "--name", "signal").code == 0
    words = ("--kind", "ridge", "--features", "text", "--name", "mine")
    ran = inside("router", "train", "--bench", "signal", *words)
    assert ran.code == 0, ran.err
    assert "sentence encoder all-minilm-l6-v2" in ran.err
    return inside


def test_every_kind_reads_text() -> None:
    assert {features_for(kind, "text") for kind in KINDS} == {"text"}


def test_a_card_says_what_is_read_and_another_encoder_is_refused(stocked: Inside) -> None:
    shown = stocked("router", "show", "mine")
    assert "(text), sha256:" in shown.out
    card = paths.current().routers / "mine.json"
    row = json.loads(card.read_text("utf-8"))
    assert row["feature_set"] == "text"
    asked = ("route", "a red ball", "--router", "mine", "--json")
    routed = stocked(*asked)
    assert routed.code == 0, routed.err
    assert routed.lines[0]["features"] == "text"
    row["encoder"]["sha256"] = "sha256:" + "0" * 64
    card.write_text(json.dumps(row), "utf-8")
    refused = stocked(*asked)
    assert refused.code == 3
    assert "is not the one the router was trained with" in refused.err
    assert not refused.out


@pytest.mark.parametrize(
    "words",
    [
        ("--features", "meaning"),
        ("--features", "text", "--encoder", "starter-base"),
        ("--features", "text", "--encoder", "nowhere"),
        ("--features", "clip", "--encoder", "all-minilm-l6-v2"),
        ("--kind", "cems", "--features", "text", "--tower", "tuned"),
    ],
)
def test_what_cannot_be_read_is_a_usage_error(inside: Inside, words: tuple[str, ...]) -> None:
    write_table(table_with_signal(40), Path("signal.csv"))
    assert inside("bench", "import", "signal.csv", "--name", "signal").code == 0
    ran = inside("router", "train", "--bench", "signal", "--name", "x", *words)
    assert ran.code == 2, ran.err
    assert not ran.out
