"""What other tools would interpret is told by name; ordinary writing is not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.foreign_syntax import foreign_settings, foreign_syntax, foreign_syntax_notes


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a (red:1.3) car", ["(red:1.3)"]),
        ("a (red : 0.8) car", ["(red : 0.8)"]),
        ("a (red:2) car", ["(red:2)"]),
        ("a (very (old:1.2) car:1.1)", ["(old:1.2)"]),
        ("(best quality:1.2), __hair/color__", ["(best quality:1.2)", "__hair/color__"]),
        ("(赤い:1.2) 車", ["(赤い:1.2)"]),
        ("(area 51:1.2)", ["(area 51:1.2)"]),
        ("[blue:0.5] car", ["[blue:0.5]"]),
        ("[red:blue:0.5] car", ["[red:blue:0.5]"]),
        ("[red::0.5] car", ["[red::0.5]"]),
        ("((masterpiece)), [[blurry]]", ["((masterpiece))", "[[blurry]]"]),
        ("(red car)++ and (dog)1.3", ["(red car)++", "(dog)1.3"]),
        ("red++ car", ["red++"]),
        ("[cat|dog] in {red|blue}", ["[cat|dog]", "{red|blue}"]),
        ("{2$$red|blue|green} {{best}} {cat}", ["{2$$red|blue|green}", "{{best}}", "{cat}"]),
        ("a car <lora:detail:0.8> <LyCO:x:1>", ["<lora:detail:0.8>", "<LyCO:x:1>"]),
        ("a car, embedding:easynegative", ["embedding:easynegative"]),
        ("a __color__ car", ["__color__"]),
        ("a cat AND a dog", ["AND"]),
        ("a cat, BREAK, a dog", ["BREAK"]),
    ],
)
def test_syntax_of_other_tools_is_found_as_it_stands(prompt: str, found: list[str]) -> None:
    assert list(foreign_syntax(prompt)) == found
    assert foreign_settings(prompt) == ()


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a cat --ar 16:9 --v 6", ["--ar 16:9", "--v 6"]),
        ("--seed 4", ["--seed 4"]),
        ("a cat. Steps: 20, Sampler: DPM++ 2M, Seed: 4", ["Steps: 20, Sampler: DPM++"]),
        (
            "a cat\nNegative prompt: ugly\nSteps: 20, CFG scale: 7.5",
            ["Negative prompt: ugly", "Steps: 20, CFG scale: 7.5"],
        ),
    ],
)
def test_settings_that_were_pasted_with_a_prompt_are_found(prompt: str, found: list[str]) -> None:
    assert list(foreign_settings(prompt)) == found
    assert foreign_syntax(prompt) == ()


@pytest.mark.parametrize(
    "prompt",
    [
        "a cat (black), a big [old] house",
        "a smile :) and (: and (o: and (^_^) and hi ;-)",
        "a clock (at 3:15), a (16:9) picture, (John 3:16), (1:2)",
        "a house (see note: 3), a woman (age: 25), (ISO:100), Blade Runner (2049)",
        "A CAT AND A DOG",
        'a sign saying "STOP AND GO"',
        "STOP the car AND",
        "the ____ in the hat, snake_case and __",
        "C++ code, a cat -- a dog, black--white, arrow --> right",
        '{"scene": "a cat"}',
        "a cat <3, (c) 2024",
        "steps: 3 of them, a negative prompt",
        "salt & pepper, rock and roll, a |b| c",
        "猫と犬（赤い）",
    ],
)
def test_ordinary_writing_is_no_syntax(prompt: str) -> None:
    assert foreign_syntax_notes(prompt) == ()


def test_one_note_names_all_of_prompt_and_negative() -> None:
    [note] = foreign_syntax_notes("a (red:1.3) car --ar 1:1", "(bad hands:1.4)")
    assert note.kind == "foreign_syntax"
    assert note.text == (
        "“(red:1.3)”, “(bad hands:1.4)”: weights, tags, wildcards and other syntax of other tools "
        "are not interpreted but drawn as plain words; “--ar 1:1”: settings inside a prompt are "
        "drawn as plain words; say them with --seed, --size, --negative and --function"
    )
    [long] = foreign_syntax_notes(" ".join(f"({'red' * 30}{i}:1.{i})" for i in range(9)))
    assert "and 6 more" in long.text
    assert len(long.text) < 300


@given(st.text(st.sampled_from('(a:1.2)[]{}|<lora>__+-" ANDBREAK\n\t,'), max_size=120))
def test_what_is_found_stands_in_the_prompt(prompt: str) -> None:
    for piece in (*foreign_syntax(prompt), *foreign_settings(prompt)):
        assert piece in prompt


@pytest.mark.parametrize("evil", ["(", "[", "{", "(a:", "[:", "[a|", "__a", "<lora:", "steps: 1,"])
def test_no_prompt_takes_long_to_look_through(evil: str) -> None:
    began = time.process_time()
    foreign_syntax_notes(evil * (10_000 // len(evil)))
    assert time.process_time() - began < 1
