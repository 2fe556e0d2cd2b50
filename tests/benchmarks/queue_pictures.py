"""The queue's order with real pictures: the pack's four sets of weights, a budget for two.

The same sixty pictures are drawn as they came and in the queue's order, in one process, each on
an empty device, twice in turns. Loads are counted, seconds are the processor's; prices that were
told before each picture are set against what was recorded, loads included.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any
from unittest import mock

from cems_tui.cancel import never
from cems_tui.domain.decision import Policy
from cems_tui.domain.generation import Generation
from cems_tui.domain.request import Request, new_id
from cems_tui.generation.device import BUDGET_VARIABLE
from cems_tui.profile import Engine, Profile
from cems_tui.services.queue.foresight import foreseen
from cems_tui.services.queue.outlook import waiting_of
from cems_tui.services.queue.turn_order import Order, Turns
from cems_tui.store.queue import JobPlace
from tests.benchmarks.row import row

PICTURES = 60
FUNCTIONS = ("starter-turbo@1", "starter-small@4", "starter-base@4", "starter-amused@12")
ROUNDS: tuple[Order, ...] = ("fifo", "family", "family", "fifo")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One pass over the pictures."""

    order: Order
    loads: int
    processor_seconds: float
    errors: tuple[float, float]
    """Of the told prices, with and without what loading costs: US dollars, summed."""


def run() -> list[dict[str, Any]]:
    passes = _passes()
    of = {order: [one for one in passes if one.order == order] for order in ("fifo", "family")}

    def share(figure: str) -> float:
        mine = sum(getattr(one, figure) for one in of["family"])
        return float(mine / sum(getattr(one, figure) for one in of["fifo"]))

    control = of["fifo"][0].processor_seconds / of["fifo"][1].processor_seconds
    loads = [one.loads for one in of["family"]]
    priced = [one.errors for one in passes[1:]]
    return [
        row(
            f"loads of {PICTURES} pictures, four sets of weights, room for two",
            "as they came",
            0.2,
            share("loads"),
            loads=loads,
            sets=len(FUNCTIONS),
        ),
        row(
            f"processor seconds of {PICTURES} pictures, four sets of weights, room for two",
            "as they came",
            0.8,
            share("processor_seconds"),
            control=control,
        ),
        row(
            "error of told prices of a queue",
            "the same without the load",
            0.5,
            sum(one[0] for one in priced) / sum(one[1] for one in priced),
        ),
    ]


def _passes() -> list[Drawn]:
    with (
        TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, {"CEMS_HOME": str(Path(folder) / "home")}),
    ):
        profile = Profile.current()
        os.environ[BUDGET_VARIABLE] = str(_two_largest(profile) / 1e6)
        chance = random.Random(60)
        names = [chance.choice(FUNCTIONS) for _ in range(PICTURES)]
        with profile.engine() as engine:
            _draw(engine, "fifo", FUNCTIONS)  # imports, and something to foresee by
            return [_draw(engine, order, names) for order in ROUNDS]


def _two_largest(profile: Profile) -> int:
    """Bytes that the two largest of the four hold together."""
    catalog = profile.catalog()
    held = [profile._held_bytes(catalog.function(name)) for name in FUNCTIONS]
    assert None not in held, "the pack's sizes are read off its files"
    return sum(sorted(size for size in held if size is not None)[-2:]) + 1


def _draw(engine: Engine, order: Order, names: Sequence[str]) -> Drawn:
    for model in engine.session.resident():
        engine.session._residency.free(model)
    requests = [
        Request(new_id(), "a red car", Policy.pinned(name), seed=place, score=False)
        for place, name in enumerate(names)
    ]
    told = [foreseen(engine.planner, request) for request in requests]
    places = [JobPlace.of(place, "", "batch", seen) for place, seen in enumerate(told)]
    turns = Turns(order)
    made: list[Generation] = []
    with_load = without = 0.0
    began = process_time()
    while (turn := turns.next(waiting_of(places), engine.session.resident())) is not None:
        places = [place for place in places if place.number != turn.number]
        request = requests[turn.number]
        resident = engine.session.resident()
        decision = engine.planner.decide(request, resident, installed_only=True)
        generation = engine.session.run(request, lambda event: None, never)
        made.append(generation)
        chosen = decision.chosen
        assert chosen is not None
        paid = (generation.cost_usd or 0.0) + (generation.load_cost_usd or 0.0)
        with_load += abs((chosen.cost_usd or 0.0) + (chosen.load_cost_usd or 0.0) - paid)
        without += abs((chosen.cost_usd or 0.0) - paid)
    return Drawn(
        order,
        sum(1 for one in made if one.seconds.load),
        process_time() - began,
        (with_load, without),
    )
