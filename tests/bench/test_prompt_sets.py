"""Prompts from a file or stdin: all are good or none is taken."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.bench.prompts import PromptLine, parse_prompts, read_prompts
from cems_tui.errors import UsageError


def test_each_line_is_a_prompt_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes(b"a red car\n\n   \n  two spaces before\r\nlast, without an ending")
    assert [(line.prompt, line.line) for line in read_prompts(file)] == [
        ("a red car", 1),
        ("  two spaces before", 4),
        ("last, without an ending", 5),
    ]


def test_a_line_may_say_more_than_its_prompt() -> None:
    said = {
        "prompt": "a cat",
        "function": "starter-turbo@1",
        "seed": 7,
        "size": "64x32",
        "negative": "ugly",
        "tradeoff": 1,
        "group": "animals",
    }
    assert parse_prompts(json.dumps(said).encode(), "f") == [
        PromptLine("a cat", "starter-turbo@1", 7, 64, 32, "ugly", 1.0, "animals", 1)
    ]
    assert parse_prompts(b' {"prompt": "a", "seed": null}', "f") == [PromptLine("a", line=1)]


def test_the_mark_of_utf_8_is_no_part_of_the_first_prompt() -> None:
    assert parse_prompts(b"\xef\xbb\xbfa car\n", "f")[0].prompt == "a car"


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), min_size=1))
def test_any_text_is_a_prompt_exactly_as_given(prompts: list[str]) -> None:
    good = [p for p in prompts if p.strip() and "\n" not in p and not p.endswith("\r")]
    good = [p for p in good if not p.lstrip().startswith(("{", "[", "--")) and p[0] != "\ufeff"]
    if good:
        found = parse_prompts("\n".join(good).encode(), "f")
        assert [line.prompt for line in found] == good


@pytest.mark.parametrize(
    "first",
    [
        "prompt",
        "Prompt\r",
        "prompt,seed",
        "prompt_id;prompt;function;metric;score\r",
        '"id","prompt","negative"',
        "Prompt\tCategory\tChallenge\tNote",
        '[{"prompt": "a cat"}]',
        "[",
        "--seed 4",
        "  --steps 20 a cat",
    ],
)
def test_what_is_no_prompt_but_the_head_of_a_table_or_an_option_is_refused(first: str) -> None:
    with pytest.raises(UsageError, match=r"f, line 2: .*(head of a table|option|JSON array)"):
        parse_prompts(f"\n{first}\na red car\n".encode(), "f")


@pytest.mark.parametrize(
    "prompt",
    [
        "a prompt, in a book",
        "prompt: a cat",
        "cat, dog, seed",
        "- a cat",
        "-- a cat --",
        "[cat|dog] in a box",
        "{red|blue} car",
        "{{red}} car",
        "{2$$red|blue} car",
    ],
)
def test_what_only_looks_like_a_table_or_an_object_is_a_prompt(prompt: str) -> None:
    assert [line.prompt for line in parse_prompts(f"{prompt}\n".encode(), "f")] == [prompt]


def test_the_head_of_a_table_is_looked_for_in_the_first_line_only() -> None:
    assert len(parse_prompts(b"a cat\nprompt\n", "f")) == 2


@pytest.mark.parametrize("broken", [b"{}", b"{broken", b"{prompt: a}", b"{'prompt': 'a'}"])
def test_an_object_that_is_none_is_refused(broken: bytes) -> None:
    with pytest.raises(UsageError, match="f, line 1"):
        parse_prompts(broken, "f")


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(str.strip))
def test_any_text_is_a_prompt_in_json_too(prompt: str) -> None:
    assert parse_prompts(json.dumps({"prompt": prompt}).encode(), "f")[0].prompt == prompt


@pytest.mark.parametrize(
    "bad",
    [
        b"caf\xe9",
        b"{not json}",
        b'{"prompt": "a"',
        b'{"prompt": ""}',
        b'{"prompt": 3}',
        b'{"seed": 3}',
        b'{"prompt": "a", "sede": 3}',
        b'{"prompt": "a", "seed": -2}',
        b'{"prompt": "a", "seed": 18446744073709551616}',
        b'{"prompt": "a", "seed": 1.5}',
        b'{"prompt": "a", "seed": true}',
        b'{"prompt": "a", "size": "64"}',
        b'{"prompt": "a", "size": "0x64"}',
        b'{"prompt": "a", "size": [64, 64]}',
        b'{"prompt": "a", "negative": 3}',
        b'{"prompt": "a", "negative": "\\ud800"}',
        b'{"prompt": "a", "tradeoff": 1.1}',
        b'{"prompt": "a", "tradeoff": NaN}',
        b'{"prompt": "a", "tradeoff": "0.5"}',
        b'{"prompt": "a", "tradeoff": true}',
        b'{"prompt": "a", "function": ""}',
        b'{"prompt": "a", "function": 1}',
        b'{"prompt": "\\ud800"}',
        b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}",
        b'{"a":' * 5000,
        b"x" * 10_001,
    ],
)
def test_one_bad_line_refuses_all_and_is_named(bad: bytes) -> None:
    with pytest.raises(UsageError, match="file, line 3: ") as raised:
        parse_prompts(b"a car\n\n" + bad + b"\na cat", "file")
    assert raised.value.exit_code == 2
    assert len(str(raised.value)) < 6000


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_the_encodings_of_editors_are_known_by_their_marks(encoding: str) -> None:
    lines = parse_prompts('ein Käfer\r\n{"prompt": "赤い車"}\r\n'.encode(encoding), "file")
    assert [line.prompt for line in lines] == ["ein Käfer", "赤い車"]


def test_half_a_letter_of_utf_16_is_refused() -> None:
    with pytest.raises(UsageError, match="file is not valid UTF-16"):
        parse_prompts("a car".encode("utf-16")[:-1], "file")


@pytest.mark.parametrize("seed", [-1, 0, 693194942663826797, 2**64 - 1])
def test_seeds_of_other_tools_are_taken(seed: int) -> None:
    line = json.dumps({"prompt": "a car", "seed": seed}).encode()
    assert parse_prompts(line, "file")[0].seed == seed


@pytest.mark.parametrize("empty", [b"", b"\n\n", b"  \r\n\t"])
def test_no_prompt_at_all_is_refused(empty: bytes) -> None:
    with pytest.raises(UsageError, match="no prompt"):
        parse_prompts(empty, "f")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.txt", tmp_path, Path("nul\0name")):
        with pytest.raises(UsageError):
            read_prompts(path)


def test_stdin_is_read_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO("ein Schloß\n".encode()), "ascii")
    )
    assert read_prompts("-")[0].prompt == "ein Schloß"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9\n")))
    with pytest.raises(UsageError, match="stdin, line 1"):
        read_prompts(Path("-"))
