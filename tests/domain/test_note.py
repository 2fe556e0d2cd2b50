"""Notes: what they are about is kept, whoever wrote them, and each kind is said once."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.note import Note, NoteKind, one_of_each_kind
from tests.store.records import decision

notes = st.builds(Note, st.sampled_from(get_args(NoteKind)), st.text(max_size=20))


@given(notes)
def test_a_note_comes_back_as_it_was(note: Note) -> None:
    assert Note.from_json(json.loads(json.dumps(note.to_json()))) == note


def test_a_note_of_an_older_program_is_a_plain_text() -> None:
    row = decision().to_json() | {"notes": ["the prompt is long", {"kind": "size", "text": "x"}]}
    assert RoutingDecision.from_json(row).notes == (
        Note("other", "the prompt is long"),
        Note("size", "x"),
    )


def test_a_kind_of_a_newer_program_is_some_other() -> None:
    assert Note.from_json({"kind": "weather", "text": "rain"}) == Note("other", "rain")
    assert Note.from_json({"kind": ["size"], "text": "rain"}) == Note("other", "rain")


@pytest.mark.parametrize("row", [7, None, {}, {"kind": "size"}, {"kind": "size", "text": 3}, [1]])
def test_what_is_no_note_is_refused(row: object) -> None:
    with pytest.raises(ValueError, match="a note is"):
        Note.from_json(row)


@given(st.lists(notes, max_size=12))
def test_every_kind_is_said_once_and_nothing_is_lost(said: list[Note]) -> None:
    told = one_of_each_kind(said)
    kinds = [note.kind for note in told if note.kind != "other"]
    assert len(kinds) == len(set(kinds))
    assert one_of_each_kind(told) == told
    for note in said:
        assert any(note.kind == one.kind and note.text in one.text for one in told)


def test_notes_that_came_later_stand_behind_and_repeat_no_kind() -> None:
    made = decision(notes=(Note("size", "big"),))
    later = made.also_noting([Note("size", "huge"), Note("cut_prompt", "cut")])
    assert later.notes == (Note("size", "big"), Note("cut_prompt", "cut"))
