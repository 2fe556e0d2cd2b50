"""Notes are for people: each once a command, and only as many as can be read."""

from __future__ import annotations

import pytest

from cems_tui.cli.notes import NoteTeller, one_word_prompts
from cems_tui.domain.note import Note, NoteKind


def told(capsys: pytest.CaptureFixture[str], notes: list[tuple[NoteKind, str]]) -> list[str]:
    """The lines on stderr after a command with those notes."""
    tell = NoteTeller()
    for kind, text in notes:
        tell(Note(kind, text))
    tell.close()
    return capsys.readouterr().err.splitlines()


def test_a_text_is_told_once_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, [("load", "it loads"), ("load", "it loads"), ("price", "it is dear")]) == [
        "note: it loads",
        "note: it is dear",
    ]


def test_many_notes_of_a_kind_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, [("unknown_words", f"word {i}") for i in range(50)])
    assert lines == [
        "note: word 0",
        "note: word 1",
        "note: word 2",
        "note: 47 more notes of these kinds: unknown words (--json)",
    ]


def test_foreign_syntax_is_told_once_whatever_is_quoted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = told(capsys, [("foreign_syntax", "“(a:1)”"), ("foreign_syntax", "“(b:1)”")])
    assert lines == [
        "note: “(a:1)”",
        "note: 1 more note of these kinds: foreign syntax (--json)",
    ]


def test_a_prompt_without_quotes_is_said_to_be_one() -> None:
    said = one_word_prompts(["a", "cat", "on", "a", "tree"])
    assert said is not None
    assert '"a cat on a tree"' in said
    assert "5 prompts" in said
    assert one_word_prompts(["a cat", "a dog"]) is None
    assert one_word_prompts(["cat"]) is None
    assert one_word_prompts(["a cat", "dog"]) is None
