"""What is recorded of a picture comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cems_tui.domain.decision import Policy
from cems_tui.domain.generation import Seconds
from cems_tui.domain.request import new_id
from cems_tui.domain.score import Score
from cems_tui.errors import GenerationError, StorageError, UnknownName, UsageError
from cems_tui.store.database import Store, open_store
from tests.store.records import candidate, decision, generation

FOLDER = Path("/pictures")
ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cems.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(tmp_path_factory.mktemp("shared") / "cems.db") as opened:
        yield opened


def test_a_picture_comes_back_whole(store: Store) -> None:
    made = generation(store.session(), FOLDER)
    store.add_generation(made)
    assert store.generation(made.id) == made


def test_what_is_unknown_comes_back_unknown(store: Store) -> None:
    made = generation(
        store.session(),
        FOLDER,
        seconds=Seconds(None, None, None, None, None, 1.0),
        peak_memory_bytes=None,
        cost_usd=None,
        cost_source=None,
        load_cost_usd=None,
        scores=(),
        score_error="the scorer's weights are missing",
        fallback="out of memory",
        executed="starter-turbo@1",
        decision=decision(
            router=None,
            metric=None,
            policy=Policy.pinned("starter-base@20"),
            lambda_per_usd=None,
            encode_ms=None,
            route_ms=None,
            in_distribution=None,
            candidates=(candidate(fits=None, interval=None),),
            notes=(),
        ),
    )
    store.add_generation(made)
    assert store.generation(made.id) == made


@given(
    prompt=ANY_TEXT,
    negative=ANY_TEXT,
    seed=st.integers(0, 2**64 - 1),
    cost=st.none() | st.floats(0, 1e6),
    value=st.floats(allow_nan=False, allow_infinity=False),
    policy=st.sampled_from([Policy("tradeoff", 1), Policy("lambda", 0.1), Policy.pinned("a@1")]),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_and_figure_comes_back_exactly(
    shared: Store,
    prompt: str,
    negative: str,
    seed: int,
    cost: float | None,
    value: float,
    policy: Policy,
) -> None:
    made = generation(
        shared.session("any"),
        FOLDER,
        prompt=prompt,
        negative=negative,
        seed=seed,
        cost_usd=cost,
        scores=(Score("m", value, "s"),),
        decision=decision(prompt, policy=policy),
    )
    shared.add_generation(made)
    assert shared.generation(made.id) == made


@pytest.mark.parametrize(
    "prompt", ["nul \x00 inside", "\x00", "\x1b[31mred", "[/markup]", "\u202egnirts", "🚗" * 9]
)
def test_control_characters_are_stored_as_given(store: Store, prompt: str) -> None:
    made = generation(store.session(), FOLDER, prompt=prompt)
    store.add_generation(made)
    assert store.generation(made.id).prompt == prompt
    assert [found.id for found in store.generations(search=prompt)] == [made.id]


def test_a_figure_that_is_not_finite_is_refused_and_nothing_is_written(store: Store) -> None:
    made = generation(store.session(), FOLDER, scores=(Score("nima", float("nan"), "s"),))
    with pytest.raises(GenerationError, match="nan"):
        store.add_generation(made)
    assert store.generations() == []


def test_a_picture_of_an_unknown_session_is_refused_and_nothing_is_written(store: Store) -> None:
    with pytest.raises(UnknownName):
        store.add_generation(generation("01NOBODY", FOLDER))
    assert store.generations() == []


def test_a_failing_part_takes_the_whole_picture_back(store: Store) -> None:
    made = generation(store.session(), FOLDER, scores=(Score("nima", 5.0, None),))  # type: ignore[arg-type]
    with pytest.raises(StorageError):
        store.add_generation(made)
    assert store.generations() == []
    store.add_generation(replace(made, scores=()))
    assert store.generation(made.id).decision == made.decision


def test_the_same_picture_twice_is_one(store: Store) -> None:
    made = generation(store.session(), FOLDER)
    store.add_generation(made)
    store.add_generation(made)
    assert len(store.generations()) == 1


def test_another_picture_of_the_same_id_is_refused(store: Store) -> None:
    made = generation(store.session(), FOLDER)
    store.add_generation(made)
    with pytest.raises(StorageError, match=made.id):
        store.add_generation(replace(made, seed=2))
    assert store.generation(made.id).seed == made.seed


def test_the_beginning_of_an_id_is_enough_when_it_is_the_only_one(store: Store) -> None:
    session = store.session()
    first = generation(session, FOLDER, id="01AAAAAAAAAAAAAAAAAAAAAAAA")
    second = generation(session, FOLDER, id="01AABBBBBBBBBBBBBBBBBBBBBB")
    store.add_generation(first)
    store.add_generation(second)
    assert store.generation("01aab") == second
    with pytest.raises(UsageError, match=f"{first.id}, {second.id}"):
        store.generation("01AA")
    for unknown in ("01Z", "", "%", "_", "01' OR '1'='1"):
        with pytest.raises(UnknownName):
            store.generation(unknown)


def test_a_picture_is_found_by_its_file(store: Store, tmp_path: Path) -> None:
    made = generation(store.session(), tmp_path)
    store.add_generation(made)
    assert store.generation_by_image(made.image) == made
    with pytest.raises(UnknownName):
        store.generation_by_image(tmp_path / "other.png")


def test_pictures_come_newest_first_and_in_pages(store: Store) -> None:
    session = store.session()
    made = [generation(session, FOLDER, created=f"2026-01-0{day}T00:00:00") for day in (3, 1, 2)]
    for one in made:
        store.add_generation(one)
    newest_first = [made[0], made[2], made[1]]
    assert store.generations() == newest_first
    assert store.generations(limit=2) == newest_first[:2]
    assert store.generations(before=newest_first[1].id) == newest_first[2:]
    assert store.generations(limit=0) == []


def test_only_the_pictures_of_a_session_are_given(store: Store) -> None:
    mine, other = store.session("mine"), store.session()
    made = generation(mine, FOLDER)
    store.add_generation(made)
    store.add_generation(generation(other, FOLDER))
    assert store.generations(session="mine") == [made]
    assert store.generations(session=mine) == [made]
    with pytest.raises(UnknownName, match="mime") as raised:
        store.generations(session="mime")
    assert "mine" in raised.value.hint


def test_a_named_session_is_continued_and_an_unnamed_one_is_new(store: Store) -> None:
    assert store.session("work", kind="app") == store.session("work", command="cems generate")
    assert store.session() != store.session()
    with pytest.raises(UsageError):
        store.session("  ")


def test_marks_are_kept_and_hidden_pictures_come_back(store: Store) -> None:
    made = generation(store.session(), FOLDER)
    store.add_generation(made)
    store.rate(made.id, 4)
    store.star(made.id)
    said = store.marks([made.id, "nobody"])
    assert (said[made.id].rating, said[made.id].starred, len(said)) == (4, True, 1)
    with pytest.raises(UsageError):
        store.rate(made.id, 6)
    with pytest.raises(UnknownName):
        store.star(new_id())
    store.hide(made.id)
    assert store.generations() == []
    assert store.has(made.id)
    assert store.stats().pictures == 1
    store.hide(made.id, hidden=False)
    assert store.generations() == [made]


def test_everything_is_exported_page_by_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cems_tui.store.database.EXPORT_PAGE", 2)
    session = store.session()
    made = [generation(session, FOLDER) for _ in range(5)]
    for one in made:
        store.add_generation(one)
    store.rate(made[0].id, 5)
    rows = list(store.export_rows())
    assert [row["id"] for row in rows] == [one.id for one in reversed(made)]
    assert rows[-1] == made[0].to_json() | {"rating": 5, "starred": False}


def test_a_backup_holds_everything_and_never_overwrites(store: Store, tmp_path: Path) -> None:
    made = generation(store.session(), FOLDER)
    store.add_generation(made)
    store.backup(tmp_path / "copy.db")
    with open_store(tmp_path / "copy.db", read_only=True) as copy:
        assert copy.generations(search="car") == [made]
    with pytest.raises(UsageError):
        store.backup(tmp_path / "copy.db")
    with pytest.raises(StorageError):
        store.backup(tmp_path / "missing" / "copy.db")


def test_the_newest_runs_of_each_function_teach_the_cost_model(store: Store) -> None:
    session = store.session()
    for total in (1, 2, 3):
        store.add_generation(
            generation(session, FOLDER, seconds=Seconds(None, 0.1, total, 0.2, None, total))
        )
    store.add_generation(generation(session, FOLDER, executed="starter-turbo@1"))
    seen = store.observations(limit_per_function=2)
    assert [(o.function, o.denoise_seconds) for o in seen] == [
        ("starter-base@20", 2.0),
        ("starter-base@20", 3.0),
        ("starter-turbo@1", 0.35),
    ]
    assert seen[0].load_seconds is None
    assert seen[0].memory_bytes == 31_000_000


def test_the_load_of_a_model_is_remembered_however_many_pictures_follow(store: Store) -> None:
    session = store.session()
    loaded = Seconds(2.5, 0.01, 0.35, 0.02, 0.04, 2.9)
    store.add_generation(generation(session, FOLDER, seconds=loaded, load_bytes=16_000_000))
    for _ in range(5):
        store.add_generation(generation(session, FOLDER))
    seen = store.observations(limit_per_function=2)
    assert [(one.load_seconds, one.load_bytes) for one in seen if one.load_seconds] == [
        (2.5, 16_000_000)
    ]
