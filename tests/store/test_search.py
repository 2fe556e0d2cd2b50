"""Searching prompts: any text is words, none is a command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cems_tui.store.database import Store, open_store
from cems_tui.store.search import UNSPACED, piece, unspaced_piece
from tests.store.records import generation

FOLDER = Path("/pictures")
PROMPTS = (
    "a red car",
    'a red "cat" (1girl:1.2)',
    "blue boats sailing, NOT red",
    "一辆红色的汽车",
    "🚗 drives; DROP TABLE generations; --",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(tmp_path_factory.mktemp("search") / "cems.db") as opened:
        session = opened.session()
        for index, prompt in enumerate(PROMPTS):
            opened.add_generation(
                generation(
                    session,
                    Path("/p"),
                    prompt=prompt,
                    negative="ugly" if index == 0 else "",
                    created=f"2026-01-01T00:00:0{index}",
                )
            )
        yield opened


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("car", [0]),
        ("CAR red", [0]),
        ('red "cat', [1]),
        ('"red car"', [0]),
        ('"', [1]),
        ('""', []),
        ('"""', []),
        ("sail", [2]),
        ("boa", [2]),
        ("ugly", [0]),
        ("NOT red", [2]),
        ("red NEAR car", []),
        ("prompt:red", []),
        ("(1girl:1.2)", [1]),
        ("红色", [3]),
        ("🚗", [4]),
        ("--", [4]),
        ("'; DROP TABLE generations; --", [4]),
        ("a*", [1, 0]),
        ("red\ncar", [0]),
        ("red\0car", [0]),
        ("   ", [4, 3, 2, 1, 0]),
        ("\udcff", []),
        ("nothing like it", []),
    ],
)
def test_a_search_finds_the_prompts_with_those_words(
    store: Store, search: str, expected: list[int]
) -> None:
    found = [made.prompt for made in store.generations(search=search)]
    assert found == [PROMPTS[index] for index in expected]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("猫", ["赤い猫と青い車", "カフェの猫", "猫 と 犬", "a cat 猫"]),
        ("猫 車", ["赤い猫と青い車"]),
        ("猫 cats", ["a cat 猫"]),
        ("カフェ", ["カフェの猫"]),
        ("แมว", ["รถและแมว"]),
        ("고양이", ["빨간 고양이가"]),
        ("猫 鳥", []),
        ('"青い車"', ["赤い猫と青い車"]),
        ('"猫 と"', ["猫 と 犬"]),
        ('猫 "a cat"', ["a cat 猫"]),
    ],
)
def test_words_of_a_script_without_spaces_are_found_wherever_they_stand(
    tmp_path: Path, search: str, expected: list[str]
) -> None:
    prompts = ("赤い猫と青い車", "カフェの猫", "猫 と 犬", "a cat 猫", "รถและแมว", "빨간 고양이가")
    with open_store(tmp_path / "cems.db") as store:
        session = store.session()
        for prompt in prompts:
            store.add_generation(generation(session, tmp_path, prompt=prompt))
        found = {made.prompt for made in store.generations(search=search)}
    assert found == set(expected)


_MIXED = st.text('猫犬車のแ고aA \0\n"', max_size=8)


@given(st.lists(_MIXED, min_size=1, max_size=6), _MIXED, st.data())
@settings(max_examples=60, deadline=None)
def test_the_index_of_pairs_finds_what_a_look_at_every_prompt_finds(
    tmp_path_factory: pytest.TempPathFactory, prompts: list[str], other: str, data: st.DataObject
) -> None:
    word = data.draw(
        st.sampled_from(prompts + [prompt[1:4] for prompt in prompts] + [other]).filter(
            UNSPACED.search
        )
        | st.sampled_from("猫犬車の")
    )
    with open_store(tmp_path_factory.mktemp("home") / "cems.db") as store:
        session = store.session()
        made = [
            generation(session, FOLDER, prompt=prompt, negative=prompts[0][:2] if at % 2 else "")
            for at, prompt in enumerate(prompts)
        ]
        for one in made:
            store.add_generation(one)
        for _ in range(2):
            for number in range(2):
                found, scanned = (
                    store._connection.rows(
                        f"SELECT id FROM generations WHERE {condition.sql} ORDER BY id",
                        condition.arguments,
                    )
                    for condition in (unspaced_piece(word), piece(word))
                )
                assert [row["id"] for row in found] == [row["id"] for row in scanned]
                word = word[:2] if number == 0 and UNSPACED.search(word[:2]) else word
            store.forget([made[0].id])
        store.forget([one.id for one in made])
        assert not store._connection.rows("SELECT * FROM unspaced_pairs"), "of no prompt a piece"


@given(st.text(max_size=40) | st.text('"*^():{}-+ \n\0\tANDORNOT', max_size=40))
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_search_is_an_error(store: Store, search: str) -> None:
    store.generations(search=search)
    assert len(store.generations()) == len(PROMPTS)


def test_a_search_is_narrowed_by_session_and_page(store: Store) -> None:
    newest = store.generations(search="red", limit=1)
    assert newest[0].prompt == PROMPTS[2]
    older = store.generations(search="red", before=newest[0].id)
    assert [made.prompt for made in older] == [PROMPTS[1], PROMPTS[0]]
