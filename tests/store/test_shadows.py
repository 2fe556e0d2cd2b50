"""Lots: routed pictures are drawn again with what was not chosen, by chances that are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from cems_tui.domain.decision import Policy
from cems_tui.domain.score import Score
from cems_tui.services.loop.shadow import today
from cems_tui.store.database import Store, open_store
from cems_tui.store.shadows import SESSION, Shadow
from cems_tui.views.figures import DOLLARS
from cems_tui.views.worth import regret_lines
from tests.store.records import candidate, decision, generation

THREE = ("starter-base@20", "starter-turbo@1", "starter-small@4")
ABLE = tuple(candidate(name, rank=rank) for rank, name in enumerate(THREE, 1))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cems.db") as opened:
        yield opened


def mixed(value: float) -> tuple[Score, ...]:
    return (Score("mixed", value, "m:1"),)


def routed(store: Store, count: int, **changes: object) -> list[str]:
    """Pictures of prompts of their own, routed to the dear function and scored 1."""
    session = store.session("evening")
    found = []
    for number in range(count):
        prompt = f"car number {number} of {changes}"
        said = decision(prompt, candidates=ABLE, scorer="m:1")
        values = {"prompt": prompt, "decision": said, "scores": mixed(1.0)} | changes
        one = generation(session, Path("/pictures"), **values)
        store.add_generation(one)
        found.append(one.id)
    return found


def follow(store: Store, lot: Shadow, score: float) -> None:
    """The picture of a lot, as a session records it."""
    said = decision(lot.prompt, candidates=ABLE, choice=lot.function, scorer="m:1")
    store.add_generation(
        generation(
            store.session(SESSION),
            Path("/pictures"),
            id=lot.id,
            prompt=lot.prompt,
            function=lot.function,
            executed=lot.function,
            scores=mixed(score),
            cost_usd=1.3e-6,
            decision=replace(said, policy=Policy.pinned(lot.function)),
        )
    )
    store.shadows.end(lot.id)


def test_a_lot_falls_on_each_picture_once_and_never_on_what_was_chosen(store: Store) -> None:
    pictures = routed(store, 12)
    chance, found = Random(1), list[Shadow]()
    while (lot := store.shadows.draw(THREE, chance)) is not None:
        found.append(lot)
    assert sorted(lot.picture for lot in found) == sorted(pictures)
    functions = Counter(lot.function for lot in found)
    assert set(functions) == {"starter-turbo@1", "starter-small@4"}
    chances = [lot.propensity for lot in found]
    assert chances == pytest.approx([1 / (2 * left) for left in range(12, 0, -1)])


def test_only_what_was_routed_scored_and_kept_is_drawn_again(store: Store) -> None:
    routed(store, 1, scores=())
    routed(store, 1, negative="fog")
    routed(store, 1, executed="starter-turbo@1")
    store.hide(routed(store, 1)[0])
    assert store.shadows.waiting(THREE) == 0
    assert store.shadows.draw(THREE, Random(1)) is None
    [kept] = routed(store, 1, seed=7)
    assert store.shadows.waiting(["starter-base@20"]) == 0  # nothing else can draw it
    lot = store.shadows.draw(THREE, Random(1))
    assert lot is not None
    assert lot.picture == kept


def test_a_lot_that_was_not_followed_is_the_next(store: Store) -> None:
    routed(store, 3)
    first = store.shadows.draw(THREE, Random(1))
    assert first is not None
    assert store.shadows.open() == first
    follow(store, first, 1.0)
    assert store.shadows.open() is None


def test_regret_is_measured_and_searched_for_and_goes_with_its_pictures(
    store: Store,
) -> None:
    pictures = routed(store, 40)
    chance = Random(3)
    while (lot := store.shadows.draw(THREE, chance)) is not None:
        follow(store, lot, 1.2 if lot.function == "starter-turbo@1" else 0.9)
    [found] = store.measured_regret()
    assert (found.metric, found.pictures, found.lots, found.missing) == ("mixed", 40, 40, 0)
    assert found.best == "starter-turbo@1"
    assert found.value == pytest.approx(0.2)
    gains = {one.function: one.gained for one in found.instead}
    assert gains == pytest.approx({"starter-turbo@1": 0.2, "starter-small@4": -0.1})
    assert len(store.generations("regret:>0.15")) == sum(
        one.lots for one in found.instead if one.function == "starter-turbo@1"
    )
    assert store.measured_regret(search="function:starter-base router:nobody") == []
    words = list(regret_lines([found], DOLLARS))
    assert words[0].startswith("0.200 [0.200, 0.200] mixed a picture given up at most")
    assert "starter-turbo@1 instead, where it was not taken: +0.200" in words[1]
    store.forget(pictures[:2])
    [fewer] = store.measured_regret(search="cost:>0")
    assert (fewer.pictures, fewer.lots) == (38, 38)


def test_what_a_day_of_lots_took_is_added_up(store: Store) -> None:
    routed(store, 2)
    nothing = store.shadows.spent(today())
    assert (nothing.pictures, nothing.cost_usd, nothing.seconds) == (0, 0.0, 0.0)
    lot = store.shadows.draw(THREE, Random(1))
    assert lot is not None
    follow(store, lot, 1.0)
    spent = store.shadows.spent(today())
    assert (spent.pictures, spent.cost_usd, spent.seconds) == (1, 1.3e-6, 0.42)
    assert spent.since(spent).pictures == 0
