"""What is said of a prompt is the same wherever it is asked: route, the bill, JSON, people."""

from __future__ import annotations

import json

import pytest

from tests.cli.inside import Inside, inside

__all__ = ["inside"]

CASES = {
    "🐱 near a lake": {"emoji", "unknown_words", "out_of_distribution"},
    "sunset": {"no_noun", "out_of_distribution"},
    "five cats": {"count", "out_of_distribution"},
    "ein Hund neben einem roten Haus": {"language", "no_noun", "out_of_distribution"},
    "a cat to the left of a red car at night": set(),
}


@pytest.mark.parametrize("prompt", CASES)
def test_route_and_the_bill_say_the_same_of_a_prompt(inside: Inside, prompt: str) -> None:
    routed = json.loads(inside("route", "--json", prompt).out)
    billed = json.loads(inside("generate", "--dry-run", "--json", prompt).out)
    assert routed["prompt"] == prompt
    assert {note["kind"] for note in routed["notes"]} == CASES[prompt]
    assert routed["notes"] == billed["notes"]
    told = inside("route", prompt)
    assert [line for line in told.err.splitlines() if line.startswith("note: ")] == [
        f"note: {note['text']}" for note in routed["notes"]
    ]


def test_a_size_that_was_not_taught_is_told_before_anything_is_drawn(inside: Inside) -> None:
    ran = inside("generate", "--dry-run", "--json", "--size", "128x128", "a cat")
    assert [note["kind"] for note in json.loads(ran.out)["notes"]] == ["size"]


def test_outside_the_vocabulary_the_cheapest_is_picked_unless_scores_say_otherwise(
    inside: Inside,
) -> None:
    row = json.loads(inside("route", "--json", "an elephant").out)
    assert row["in_distribution"] is False
    assert row["choice"] == "starter-turbo@1"
    for candidate in row["candidates"]:
        low, high = candidate["interval"]
        assert 0.0 <= low <= candidate["quality"] <= high <= 2.0
        assert candidate["quality"] < 1.3
