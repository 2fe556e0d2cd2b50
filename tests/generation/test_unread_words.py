"""What a model does not read of prompt and negative prompt is told by where it stands."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import PreTrainedTokenizerFast

from cems_tui.domain.decision import Policy
from cems_tui.domain.request import Request
from cems_tui.generation.families.anatomy import Anatomy
from cems_tui.generation.families.requests import unread
from cems_tui.generation.pipeline import Job
from cems_tui.generation.unread_words import UnreadWords
from cems_tui.paths import checkpoints
from cems_tui.profile import Profile

LONG = " ".join(["tree", "house", "dog", "boat", "star"] * 12 + ["moon"])
PLACE = re.compile(r"left out: “(.+)” \(from character (\d+) of (\d+)\)")


@pytest.fixture(scope="module")
def pipe() -> SimpleNamespace:
    """A pipeline with the tokenizer of the pack's base model."""
    folder = checkpoints() / "starter" / "starter-base" / "tokenizer"
    return SimpleNamespace(tokenizer=PreTrainedTokenizerFast.from_pretrained(folder))


def job(prompt: str, negative: str = "") -> Job:
    return Job(prompt=prompt, negative=negative, seed=1, steps=4, guidance=2.5, width=64, height=64)


@pytest.mark.parametrize("kind", ["cut_prompt", "cut_negative"])
def test_the_words_that_are_not_read_are_told_with_their_place(
    pipe: SimpleNamespace, kind: str
) -> None:
    asked = job(LONG) if kind == "cut_prompt" else job("a red car", LONG)
    [note] = unread(pipe, Anatomy(), asked)
    assert note.kind == kind
    assert ("negative prompt" in note.text) == (kind == "cut_negative")
    found = PLACE.search(note.text)
    assert found is not None, note.text
    words, start, length = found[1], int(found[2]), int(found[3])
    assert length == len(LONG)
    assert LONG[start - 1 :].startswith(words.rstrip("…"))
    assert words.split()[0] in {"tree", "house", "dog", "boat", "star"}, "a whole word begins it"
    read = pipe.tokenizer(LONG[: start - 1])["input_ids"]
    assert len(read) <= pipe.tokenizer.model_max_length


@pytest.mark.parametrize("prompt", [LONG, "a red car", "x" * 200, "猫 " * 60, "a red\ncar " * 20])
def test_before_it_is_drawn_the_same_is_told_as_while_it_is(
    pipe: SimpleNamespace, prompt: str
) -> None:
    function = Profile.current().catalog()["starter-base@4"]
    request = Request(id="01A", prompt=prompt, policy=Policy.pinned(function.name), negative=LONG)
    told = UnreadWords().notes(request, function)
    assert tuple(told) == unread(pipe, Anatomy(), job(prompt, LONG))


def test_of_a_model_whose_tokenizer_is_not_one_file_nothing_is_told_before(tmp_path: Path) -> None:
    function = Profile.current().catalog()["starter-base@4"]
    request = Request(id="01A", prompt=LONG, policy=Policy.pinned(function.name))
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{}")
    for folder in (None, tmp_path / "nowhere", tmp_path):
        other = replace(function, model=replace(function.model, path=folder))
        assert UnreadWords().notes(request, other) == ([] if folder else ())


def test_both_are_told_where_both_are_cut(pipe: SimpleNamespace) -> None:
    assert [note.kind for note in unread(pipe, Anatomy(), job(LONG, LONG))] == [
        "cut_prompt",
        "cut_negative",
    ]


def test_nothing_is_told_of_what_is_read_whole(pipe: SimpleNamespace) -> None:
    assert unread(pipe, Anatomy(), job("a red car", "a blue car")) == ()
