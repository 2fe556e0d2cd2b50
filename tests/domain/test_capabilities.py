"""What a function can follow of a request: rules over every kind of function and request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.capabilities import (
    UNKNOWN,
    Capabilities,
    Wanted,
    least_tokens,
    nearest_side,
    obstacle,
    obstacles,
    told_together,
)

MULTIPLES = st.sampled_from((8, 16, 32))
ABLE = st.builds(
    Capabilities,
    guidance=st.sampled_from((None, "free", "positive", "embedded", "none")),
    size_multiple=st.none() | MULTIPLES,
    longest_side=st.none() | st.integers(1, 64).map(lambda n: n * 32),
    prompt_tokens=st.none() | st.integers(1, 40),
)
WANTED = st.builds(
    Wanted,
    width=st.integers(1, 2048),
    height=st.integers(1, 2048),
    guidance=st.sampled_from((0.0, 1.0, 1.1, 7.5)),
    negative=st.booleans(),
)
NAMES = st.text("abc", min_size=1, max_size=3)
FUNCTIONS = st.dictionaries(NAMES, st.tuples(ABLE, WANTED), max_size=5)
PROMPTS = st.lists(st.sampled_from(("a", "red", "car", "été", "猫", "--", "🚗")), max_size=50).map(
    " ".join
)


@given(WANTED)
def test_what_is_unknown_of_a_function_refuses_no_size(wanted: Wanted) -> None:
    stands = obstacle(UNKNOWN, wanted)
    assert stands is None or stands.kind == "negative"


@given(ABLE, WANTED)
def test_every_obstacle_is_one_of_what_was_asked(able: Capabilities, wanted: Wanted) -> None:
    stands = obstacle(able, wanted)
    sides = (wanted.width, wanted.height)
    if stands is None:
        if able.size_multiple is not None:
            assert all(side % able.size_multiple == 0 for side in sides)
        assert able.longest_side is None or max(sides) <= able.longest_side
        assert not wanted.negative or (wanted.guidance > 1 and able.guidance in (None, "free"))
    elif stands.kind == "size":
        assert f"{wanted.width}x{wanted.height}" in stands.words
    else:
        assert stands.kind in ("guidance", "negative")
        assert wanted.negative or able.guidance == "none"


@given(FUNCTIONS, PROMPTS)
def test_a_long_prompt_never_leaves_nobody_to_draw_it(
    functions: dict[str, tuple[Capabilities, Wanted]], prompt: str
) -> None:
    able = {name for name, (one, wanted) in functions.items() if obstacle(one, wanted) is None}
    found = obstacles(functions, prompt, pinned=False)
    assert bool(able) == bool(set(functions) - set(found))
    assert {n for n, stands in found.items() if stands.kind == "length"} < able or not able


@given(FUNCTIONS, PROMPTS)
def test_a_pinned_function_draws_what_it_reads_of_a_prompt(
    functions: dict[str, tuple[Capabilities, Wanted]], prompt: str
) -> None:
    found = obstacles(functions, prompt, pinned=True)
    assert all(stands.kind != "length" for stands in found.values())


def test_who_reads_less_of_a_prompt_stands_back_for_who_reads_all_of_it() -> None:
    wanted = Wanted(64, 64, 1.0, negative=False)
    short, long = Capabilities(prompt_tokens=4), Capabilities(prompt_tokens=300)
    functions = {"short@1": (short, wanted), "long@1": (long, wanted)}
    assert not obstacles(functions, "a red car today", pinned=False)
    found = obstacles(functions, "a red car and a dog", pinned=False)
    assert {name: stands.kind for name, stands in found.items()} == {"short@1": "length"}
    assert "4 tokens" in found["short@1"].words
    assert not obstacles({"short@1": (short, wanted)}, "a red car and a dog", pinned=False)


@given(PROMPTS)
def test_a_prompt_has_at_least_a_token_a_word(prompt: str) -> None:
    assert least_tokens(prompt) <= len(prompt.split())


@given(st.integers(1, 5000), MULTIPLES)
def test_the_side_that_is_suggested_can_be_drawn(side: int, multiple: int) -> None:
    near = nearest_side(side, multiple)
    assert near % multiple == 0
    assert near >= multiple
    assert abs(near - side) < multiple


def test_functions_of_one_reason_are_told_in_one_sentence() -> None:
    told = told_together([("a", "cannot"), ("b", "will not"), ("c", "cannot")])
    assert told == ["a, c: cannot", "b: will not"]
