"""A router on disk: what is written is what is read, and nothing damaged is ever used."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from cems_tui.errors import UsageError, WeightsError
from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.checkpoints.checkpoint import (
    Checkpoint,
    FunctionFacts,
    check_compatible,
    choose_router,
    list_checkpoints,
    load_card,
    load_checkpoint,
    save_checkpoint,
)
from tests.routing.fakes import table_with_signal, train

FACTS = {
    "cheap@1": FunctionFacts("sha256:aa", 1, 0.0),
    "dear@20": FunctionFacts("sha256:bb", 20, 3.0),
    "odd@4": FunctionFacts(None, 4, None),
}


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    return train(
        table_with_signal(120),
        metric="quality",
        name="mine",
        functions_facts=FACTS,
        scorers={"quality": "eye:sha256:cc"},
        keep_prompts=True,
    )


@pytest.fixture
def folder(trained: Checkpoint, tmp_path: Path) -> Path:
    save_checkpoint(tmp_path, trained)
    return tmp_path


def test_what_is_saved_estimates_the_same_when_loaded(folder: Path, trained: Checkpoint) -> None:
    loaded = load_checkpoint(folder, "mine")
    assert loaded.card == trained.card
    for prompt in ("a red ball on the grass", "zxqv blorp", "a fish and a cup in the snow"):
        one, two = trained.estimate(prompt), loaded.estimate(prompt)
        assert one.in_distribution == two.in_distribution
        assert one.nearest == two.nearest
        for name in trained.functions:
            assert two.estimates[name].quality == pytest.approx(
                one.estimates[name].quality, abs=5e-3
            )
    prices = {"cheap@1": 1e-6, "dear@20": 1e-5}
    assert loaded.lambda_at(0.5, prices) == trained.lambda_at(0.5, prices)


def test_nothing_but_the_two_files_is_left_behind(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["mine.json", "mine.safetensors"]


class Killed(BaseException):
    """What nothing catches, as with a kill."""


def test_a_router_is_whole_at_every_step_of_its_replacement(
    folder: Path, trained: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = (folder / "mine.json").read_text()
    card = replace(trained.card, metric="other")
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    new, steps = set(), 0
    while True:
        for path in folder.iterdir():
            path.unlink()
        for name, data in kept.items():
            (folder / name).write_bytes(data)
        left = steps
        rename = Path.replace

        def killed_at(self: Path, target: Path, rename: Any = rename) -> Path:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            renamed: Path = rename(self, target)
            return renamed

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", killed_at)
            try:
                save_checkpoint(folder, replace(trained, card=card))
            except Killed:
                finished = False
            else:
                finished = True
        loaded = load_checkpoint(folder, "mine")
        new.add(loaded.card.metric)
        assert loaded.card.metric == (
            "other" if (folder / "mine.json").read_text() != old else trained.card.metric
        )
        assert [c.metric for _, c in list_checkpoints([folder])] == [loaded.card.metric]
        if finished:
            break
        steps += 1
    assert steps == 3
    assert new == {trained.card.metric, "other"}
    assert sorted(path.name for path in folder.iterdir()) == ["mine.json", "mine.safetensors"]


def test_routers_that_are_written_at_once_under_one_name_leave_one_whole(
    tmp_path: Path, trained: Checkpoint
) -> None:
    cards = [replace(trained.card, metric=f"metric {n}") for n in range(8)]
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda c: save_checkpoint(tmp_path, replace(trained, card=c)), cards))
    assert load_checkpoint(tmp_path, "mine").card in cards
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.json", "mine.safetensors"]


def test_the_card_says_in_plain_json_what_the_router_is(folder: Path) -> None:
    card = json.loads((folder / "mine.json").read_text())
    assert next(iter(card)) == "summary"
    assert "120 prompts" in card["summary"]
    assert card["functions"]["dear@20"] == {"weights": "sha256:bb", "steps": 20, "guidance": 3.0}
    assert card["scorers"] == {"quality": "eye:sha256:cc"}
    assert card["sha256"].startswith("sha256:")
    assert card["verdict"] == card["evaluation"]["verdict"]


def test_loading_takes_little_of_the_processor(folder: Path) -> None:
    load_checkpoint(folder, "mine")
    times = []
    for _ in range(20):
        start = process_time()
        load_checkpoint(folder, "mine")
        times.append(process_time() - start)
    assert min(times) < 0.01


def test_a_changed_byte_in_the_weights_is_refused(folder: Path) -> None:
    path = folder / "mine.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(WeightsError, match="not the file its card was written for") as caught:
        load_checkpoint(folder, "mine")
    assert caught.value.exit_code == 3
    assert caught.value.hint


@pytest.mark.parametrize("missing", ["mine.json", "mine.safetensors"])
def test_a_missing_file_is_an_error_with_a_hint(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(WeightsError, match="mine") as caught:
        load_checkpoint(folder, "mine")
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 2}', '{"format": "x"}', '{"format": 2, "mixed": 3}']
)
def test_a_card_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "mine.json").write_text(text)
    with pytest.raises(WeightsError, match="not the card"):
        load_checkpoint(folder, "mine")


def test_a_card_of_a_newer_program_asks_for_an_update(folder: Path) -> None:
    changed(folder, format=99)
    with pytest.raises(WeightsError, match="newer") as caught:
        load_checkpoint(folder, "mine")
    assert "Update" in caught.value.hint


def test_a_card_of_a_format_nobody_reads_any_more_asks_for_a_new_training(folder: Path) -> None:
    changed(folder, format=1)
    with pytest.raises(WeightsError, match="older") as caught:
        load_checkpoint(folder, "mine")
    assert "router train" in caught.value.hint


def test_a_card_that_disagrees_with_the_shapes_is_refused(folder: Path) -> None:
    functions = json.loads((folder / "mine.json").read_text())["functions"]
    functions["another@9"] = {"weights": None, "steps": None, "guidance": None}
    changed(folder, functions=functions)
    with pytest.raises(WeightsError, match="shape"):
        load_checkpoint(folder, "mine")


@pytest.mark.parametrize(
    "renamed", [{"cheap@1": "other@1"}, {"cheap@1": "dear@20", "dear@20": "cheap@1"}]
)
def test_a_card_that_names_other_functions_than_its_weights_is_refused(
    folder: Path, renamed: dict[str, str]
) -> None:
    functions = json.loads((folder / "mine.json").read_text())["functions"]
    changed(folder, functions={renamed.get(name, name): one for name, one in functions.items()})
    with pytest.raises(WeightsError, match="other functions") as caught:
        load_checkpoint(folder, "mine")
    assert caught.value.hint


def test_a_card_of_another_metric_than_its_weights_is_refused(folder: Path) -> None:
    changed(folder, metric="beauty")
    with pytest.raises(WeightsError, match="metric"):
        load_checkpoint(folder, "mine")


@pytest.mark.parametrize(
    "values",
    [
        {"evaluation": {"verdict": "ties", "quality_vs_best_single": "much"}},
        {"evaluation": {"verdict": "the very best"}},
        {"prices": {"cheap@1": "little"}},
        {"scale": {"slope": "x", **dict.fromkeys(("intercept", "widen", "correlation"), 1.0)}},
        {"settings": {"novelty": float("nan")}},
    ],
)
def test_a_card_whose_figures_are_no_numbers_is_refused_and_not_listed(
    folder: Path, values: dict[str, object]
) -> None:
    changed(folder, **values)
    with pytest.raises(WeightsError, match="not the card"):
        load_checkpoint(folder, "mine")
    assert list_checkpoints([folder]) == []


def test_a_count_that_is_none_is_refused_and_not_listed(folder: Path) -> None:
    training = json.loads((folder / "mine.json").read_text())["training"]
    changed(folder, training={**training, "prompts": "many"})
    with pytest.raises(WeightsError, match="not the card"):
        load_checkpoint(folder, "mine")
    assert list_checkpoints([folder]) == []


def test_a_card_under_another_name_is_refused(folder: Path) -> None:
    for ending in ("json", "safetensors"):
        (folder / f"mine.{ending}").rename(folder / f"other.{ending}")
    with pytest.raises(WeightsError, match="another router"):
        load_checkpoint(folder, "other")


@pytest.mark.parametrize("name", ["../mine", "", ".hidden", "a/b", "a\\b"])
def test_a_name_that_leaves_the_folder_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(UsageError):
        load_checkpoint(folder, name)


def changed(folder: Path, **values: object) -> None:
    path = folder / "mine.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_the_list_holds_routers_and_leaves_other_files_alone(folder: Path, tmp_path: Path) -> None:
    (folder / "notes.json").write_text("{}")
    (folder / "broken.json").write_text("{")
    (folder / "broken.safetensors").write_bytes(b"")
    assert [(where, card.name) for where, card in list_checkpoints([folder, tmp_path / "no"])] == [
        (folder, "mine")
    ]


def test_functions_other_than_those_trained_on_are_refused(trained: Checkpoint) -> None:
    assert (
        check_compatible(trained.card, {"cheap@1": FACTS["cheap@1"], "new@3": FunctionFacts()})
        == {}
    )
    for changed_facts in (
        FunctionFacts("sha256:zz", 1, 0.0),
        FunctionFacts("sha256:aa", 2, 0.0),
        FunctionFacts("sha256:aa", 1, 7.5),
    ):
        with pytest.raises(WeightsError, match="cheap@1"):
            check_compatible(trained.card, {"cheap@1": changed_facts})


def test_what_is_not_known_is_not_compared_and_said(trained: Checkpoint) -> None:
    notes = check_compatible(trained.card, {"odd@4": FunctionFacts("sha256:dd", 4, 1.0)})
    assert notes == {"odd@4": "odd@4: weights, guidance not verified against mine"}


def card_of(base: Card, name: str, functions: list[str], created: str) -> Card:
    return replace(
        base, name=name, functions={f: FunctionFacts() for f in functions}, created=created
    )


def test_the_router_in_use_comes_first_then_who_knows_most_then_the_oldest(
    folder: Path,
) -> None:
    base = load_card(folder, "mine")
    few = card_of(base, "few", ["a@1"], "2026-03-01")
    old = card_of(base, "old", ["a@1", "b@2"], "2026-01-01")
    new = card_of(base, "new", ["a@1", "b@2", "z@9"], "2026-02-01")
    known = [few, old, new]
    assert choose_router(known, "few", ["a@1", "b@2"]) is few
    assert choose_router(known, None, ["a@1", "b@2"]) is old
    assert choose_router(known, None, ["a@1", "b@2", "z@9"]) is new
    assert choose_router(known, "gone", ["a@1"]) is old
    assert choose_router(known, None, ["q@1"]) is None
    assert choose_router([], None, ["a@1"]) is None
