"""How far the predicted seconds of all functions are off after 1, 3 and 10 pictures drawn here.

Every function of the pack is drawn in one process. Histories are then put together of these
pictures in random orders, each model's first its cold one, as a user's would be; what the cost
model foresees after so many is set against the median of the other pictures of each function.
Seconds are those that were not spent waiting for a processor, where the kernel tells of that.
"""

from __future__ import annotations

import math
import os
import random
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from cems_tui.cancel import never
from cems_tui.domain.decision import Policy
from cems_tui.domain.function import GenerationFunction
from cems_tui.domain.request import Request, new_id
from cems_tui.generation.cost_model import CostModel, Observation
from cems_tui.generation.machine_speed import references_of
from cems_tui.profile import Profile, observed
from tests.benchmarks.row import row

PICTURES = 7
"""Of each function; the first of each model is cold."""

HISTORIES = 100
BARS = {1: None, 3: 0.15, 10: 0.15}


def run() -> list[dict[str, Any]]:
    """Median relative error, one row a length of history."""
    functions, drawn = _drawn()
    return [_row(functions, drawn, length, bar) for length, bar in BARS.items()]


def _row(
    functions: list[GenerationFunction],
    drawn: dict[str, list[Observation]],
    length: int,
    bar: float | None,
) -> dict[str, Any]:
    chance = random.Random(length)
    errors, held, worst = [], 0, []
    for _ in range(HISTORIES):
        history, left = _history(drawn, length, chance)
        model = CostModel(history, references=references_of(functions))
        of_one = []
        for function in functions:
            expected = model.predict(function)
            assert expected.seconds is not None
            assert expected.seconds_interval is not None
            known = [one.undisturbed_seconds for one in left[function.name]]
            of_one.append(abs(math.log(expected.seconds / median(known))))
            low, high = expected.seconds_interval
            held += low <= chance.choice(known) <= high
        errors += of_one
        worst.append(max(of_one))
    waited = [one.contention or 0.0 for runs in drawn.values() for one in runs]
    return row(
        f"error of predicted seconds after {length} pictures, median",
        "what the others of each function took",
        bar,
        math.expm1(median(errors)),
        worst_function=math.expm1(median(worst)),
        interval_holds=held / (HISTORIES * len(functions)),
        waited_for_a_processor=median(waited),
    )


def _history(
    drawn: dict[str, list[Observation]], length: int, chance: random.Random
) -> tuple[list[Observation], dict[str, list[Observation]]]:
    """Pictures in the order of a user, and those that are left of each function, at rest."""
    left = {name: [one for one in runs if one.settled] for name, runs in drawn.items()}
    cold = {one.model: one for runs in drawn.values() for one in runs if not one.settled}
    for runs in left.values():
        chance.shuffle(runs)
    history: list[Observation] = []
    for _ in range(length):
        name = chance.choice(sorted(drawn))
        model = name.partition("@")[0]
        if model in cold:
            history.append(cold.pop(model))
        elif len(left[name]) > 1:
            history.append(left[name].pop())
    return history, left


def _drawn() -> tuple[list[GenerationFunction], dict[str, list[Observation]]]:
    with (
        TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, {"CEMS_HOME": str(Path(folder) / "home")}),
    ):
        profile = Profile.current()
        drawn: dict[str, list[Observation]] = {}
        with profile.engine() as engine:
            functions = engine.planner.catalog.installed()
            for turn in range(PICTURES):
                for function in functions:
                    request = Request(
                        new_id(), "a red car", Policy.pinned(function.name), seed=turn, score=False
                    )
                    made = engine.session.run(request, lambda event: None, never)
                    found = observed(made)
                    assert found is not None
                    drawn.setdefault(function.name, []).append(found)
        return functions, drawn
