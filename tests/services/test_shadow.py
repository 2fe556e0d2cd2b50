"""Past prompts drawn again: within the budget, for every lot, and out of anybody's way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from cems_tui.domain.request import Request
from cems_tui.errors import BudgetReached, GenerationError, Interrupted, UnknownName
from cems_tui.services.loop.shadow import IDLE_SECONDS, IdleShadow, Limits, ShadowWork, today
from cems_tui.settings import Shadowed
from cems_tui.store.database import Store, open_store
from tests.store.records import candidate, decision, generation
from tests.store.test_shadows import THREE, mixed, routed

MANY = Limits(pictures=100)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cems.db") as opened:
        yield opened


class Planner:
    """Prices every function alike; those named are not there any more."""

    def __init__(self, *gone: str, **figures: Any) -> None:
        self._gone = gone
        self._figures = figures
        self.catalog = SimpleNamespace(installed=lambda: [SimpleNamespace(name=n) for n in THREE])

    def decide(self, request: Request, *rest: object, installed_only: bool) -> Any:
        name = str(request.policy.value)
        if name in self._gone:
            raise UnknownName(f"there is no {name}")
        return decision(request.prompt, choice=name, candidates=(candidate(name, **self._figures),))


class Drawing:
    """Records what it is asked for, or fails as it is told."""

    def __init__(self, store: Store, *errors: Exception) -> None:
        self._store = store
        self._errors = list(errors)
        self.drawn: list[str] = []

    def resident(self) -> frozenset[str]:
        return frozenset({"starter-base"})

    def run(self, request: Request, emit: object, stop: Callable[[], bool]) -> Any:
        if stop():
            raise Interrupted("stopped")
        if self._errors:
            raise self._errors.pop(0)
        name = str(request.policy.value)
        said = replace(decision(request.prompt, choice=name), policy=request.policy, scorer="m:1")
        made = generation(
            request.session or self._store.session("shadow"),
            Path("/pictures"),
            id=request.id,
            prompt=request.prompt,
            function=name,
            executed=name,
            scores=mixed(1.1),
            decision=said,
        )
        self._store.add_generation(made)
        self.drawn.append(request.id)
        return made


def work(store: Store, *gone: str, **figures: Any) -> ShadowWork:
    return ShadowWork(store, Planner(*gone, **figures), Random(1))  # type: ignore[arg-type]


def test_the_prompt_is_drawn_with_another_function_at_the_same_size(store: Store) -> None:
    routed(store, 1)
    found = work(store).next(MANY, frozenset())
    assert found is not None
    lot, request = found
    assert (request.id, request.prompt) == (lot.id, lot.prompt)
    assert (request.width, request.height, request.seed) == (64, 64, None)
    assert request.policy.value == lot.function != "starter-base@20"


@pytest.mark.parametrize(
    ("left", "figures", "why"),
    [
        (Limits(pictures=0), {}, "are drawn"),
        (Limits(cost_usd=1e-9), {}, "would take"),
        (Limits(seconds=0.1), {}, "would take"),
        (Limits(cost_usd=1.0), {"cost_usd": None}, "price of .* is unknown"),
        (Limits(seconds=1.0), {"seconds": None}, "time of .* is unknown"),
    ],
)
def test_what_exceeds_the_budget_waits_and_is_not_passed_over(
    store: Store, left: Limits, figures: dict[str, Any], why: str
) -> None:
    routed(store, 3)
    with pytest.raises(BudgetReached, match=why):
        work(store, **figures).next(left, frozenset())
    waits = store.shadows.open()
    found = work(store).next(MANY, frozenset())
    assert found is not None
    assert waits is None or found[0] == waits


def test_a_lot_on_a_function_that_is_gone_ends_and_the_next_is_drawn(store: Store) -> None:
    routed(store, 20)
    found = work(store, "starter-turbo@1").next(MANY, frozenset())
    assert found is not None
    assert found[0].function == "starter-small@4"


def test_limits_are_of_a_day_and_less_what_was_spent(store: Store) -> None:
    assert not Limits.of_day(Shadowed()).any
    routed(store, 2)
    daily = Limits.of_day(Shadowed(on=True, pictures_per_day=1, seconds_per_day=60))
    session = Drawing(store)
    idle = IdleShadow(lambda: Shadowed(on=True, pictures_per_day=1), chance=Random(1))
    assert idle.draw(store, Planner(), session, lambda: False)  # type: ignore[arg-type]
    left = daily.less(store.shadows.spent(today()))
    assert (left.pictures, left.seconds, left.cost_usd) == (0, pytest.approx(59.58), None)
    assert not idle.draw(store, Planner(), session, lambda: False)  # type: ignore[arg-type]
    assert len(session.drawn) == 1


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_idle_time_is_drawn_in_only_when_it_is_on_and_nobody_asked_lately(store: Store) -> None:
    routed(store, 3)
    settings, clock, session = Shadowed(pictures_per_day=9), Clock(), Drawing(store)
    idle = IdleShadow(lambda: settings, clock, Random(1))

    def draw(stop: bool = False) -> bool:
        return idle.draw(store, Planner(), session, lambda: stop)  # type: ignore[arg-type]

    assert not draw()
    clock.now += 61
    settings = Shadowed(on=True, pictures_per_day=9)
    assert draw()
    idle.asked()
    assert not draw()
    clock.now += IDLE_SECONDS
    assert draw(stop=True)  # somebody asks for something just now
    assert len(session.drawn) == 1
    open_lot = store.shadows.open()
    clock.now += IDLE_SECONDS
    assert draw()
    assert open_lot is not None
    assert session.drawn[1] == open_lot.id
    assert {one.session for one in store.generations("session:shadow")} == {store.session("shadow")}


def test_what_cannot_be_drawn_is_recorded_and_its_lot_has_ended(store: Store) -> None:
    routed(store, 1)
    idle = IdleShadow(lambda: Shadowed(on=True, pictures_per_day=9), Clock(), Random(1))
    session = Drawing(store, GenerationError("the weights are damaged"))
    assert idle.draw(store, Planner(), session, lambda: False)  # type: ignore[arg-type]
    assert store.shadows.open() is None
    assert store.stats(session="shadow").failures == 1
