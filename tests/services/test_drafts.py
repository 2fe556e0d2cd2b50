"""Several pictures for one: what is drawn, what is kept, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cems_tui.domain.decision import Policy
from cems_tui.domain.generation import Generation
from cems_tui.domain.request import Event, Generated, Noted, Request, new_id
from cems_tui.domain.score import Score
from cems_tui.errors import BudgetReached
from cems_tui.services.loop.drafts import Tries
from cems_tui.store.database import Store, open_store
from tests.store.records import candidate, decision, generation

CARD = decision(
    choice="base@20",
    scorer="m:1",
    candidates=(
        candidate("base@20", quality=1.8, cost_usd=2e-5),
        candidate("turbo@1", quality=1.5, cost_usd=1e-6),
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cems.db") as opened:
        yield opened


class Planner:
    def decide(self, request: Request, *rest: object, installed_only: bool) -> Any:
        return CARD


class Drawing:
    """Pictures that score what they are told to, one after the other."""

    def __init__(self, store: Store, *scores: float | None) -> None:
        self._store = store
        self._scores = list(scores)
        self.made: list[Generation] = []

    def resident(self) -> frozenset[str]:
        return frozenset()

    def run(self, request: Request, emit: Callable[[Event], None], stop: object) -> Generation:
        name, value = str(request.policy.value), self._scores.pop(0)
        made = generation(
            self._store.session("s"),
            Path("/pictures"),
            id=request.id,
            prompt=request.prompt,
            function=name,
            executed=name,
            seed=request.seed if request.seed is not None else 5,
            cost_usd=1e-6,
            scores=() if value is None else (Score("mixed", value, "m:1"),),
            decision=replace(CARD, policy=request.policy),
        )
        self._store.add_generation(made)
        self.made.append(made)
        emit(Generated(request.id, made))
        return made


def drawn(
    store: Store, session: Drawing, *, only_kept: bool = False, **options: Any
) -> tuple[Generation, list[Event]]:
    seed = options.pop("seed", None)
    chosen = {"escalate": False, "tries": None, "budget_usd": None} | options
    events: list[Event] = []
    tries = Tries(**chosen, planner=Planner(), store=store)  # type: ignore[arg-type]
    asked = Request(new_id(), "a red car", Policy.balanced(), seed=seed)
    kept = tries.draw(session, asked, events.append, lambda: False, only_kept=only_kept)
    return kept, events


def notes(events: list[Event]) -> str:
    return "\n".join(event.note.text for event in events if isinstance(event, Noted))


def test_a_draft_that_scores_as_expected_is_kept(store: Store) -> None:
    session = Drawing(store, 1.81)
    kept, events = drawn(store, session, escalate=True)
    assert [one.executed for one in session.made] == ["turbo@1"]
    assert kept == session.made[0]
    assert "scored 1.810, 1.800 is expected of base@20: it is kept" in notes(events)


def test_a_draft_that_falls_short_is_drawn_again_with_its_seed_and_both_are_paid(
    store: Store,
) -> None:
    session = Drawing(store, 1.4, 1.7)
    kept, events = drawn(store, session, escalate=True)
    assert [one.executed for one in session.made] == ["turbo@1", "base@20"]
    assert session.made[0].seed == session.made[1].seed
    assert kept.executed == "base@20"
    assert "all 2 pictures cost $2e-06" in notes(events)
    assert store.stats().cost_usd == pytest.approx(2e-6)


def test_the_draft_stays_where_the_dear_one_scored_less(store: Store) -> None:
    kept, _ = drawn(store, Drawing(store, 1.4, 1.3), escalate=True)
    assert kept.executed == "turbo@1"


def test_a_draft_without_a_score_is_kept_and_that_is_said(store: Store) -> None:
    kept, events = drawn(store, Drawing(store, None), escalate=True)
    assert kept.scores == ()
    assert "was not scored" in notes(events)


def test_the_scorer_s_error_that_votes_measured_is_allowed(store: Store) -> None:
    session = store.session("votes")
    for number in range(30):
        prompt = f"vote {number}"
        pair = [
            generation(
                session,
                Path("/pictures"),
                prompt=prompt,
                function=name,
                executed=name,
                scores=(Score("mixed", value, "m:1"),),
            )
            for name, value in (("base@20", 1.5), ("turbo@1", 1.0))
        ]
        for one in pair:
            store.add_generation(one)
        store.votes.add(pair[0].id, pair[1].id, "left" if number % 4 else "right")
    drawing = Drawing(store, 1.5)  # 0.3 below what is expected
    kept, events = drawn(store, drawing, escalate=True)
    assert kept.executed == "turbo@1"
    assert "by which the scorer errs: it is kept" in notes(events)


def test_the_best_of_so_many_seeds_is_kept_and_alone_told_where_that_is_asked(
    store: Store,
) -> None:
    session = Drawing(store, 1.5, 1.9, 1.6)
    kept, events = drawn(store, session, tries=3, only_kept=True)
    assert kept == session.made[1]
    assert [event.generation for event in events if isinstance(event, Generated)] == [kept]
    assert "1.900 of 1.500 to 1.900" in notes(events)


def test_seeds_follow_one_another_where_one_is_given(store: Store) -> None:
    session = Drawing(store, 1.0, 1.1)
    drawn(store, session, tries=2, seed=7)
    assert [one.seed for one in session.made] == [7, 8]


def test_a_budget_that_buys_nothing_stops(store: Store) -> None:
    with pytest.raises(BudgetReached, match="draws 9 pictures for"):
        drawn(store, Drawing(store), tries=9, budget_usd=1e-6)


def test_the_spread_from_seed_to_seed_is_measured_off_the_history(store: Store) -> None:
    session = store.session("s")
    assert store.seed_spreads("mixed", "m:1") == {}
    for number in range(10):
        for value in (1.0, 1.2):
            store.add_generation(
                generation(
                    session,
                    Path("/pictures"),
                    prompt=f"car {number}",
                    scores=(Score("mixed", value + number, "m:1"),),
                )
            )
    assert store.seed_spreads("mixed", "m:1") == {"starter-base@20": pytest.approx(0.02**0.5)}
    assert store.seed_spreads("mixed", "other") == {}
