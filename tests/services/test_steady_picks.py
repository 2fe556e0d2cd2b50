"""What the machine was busy with while pictures were drawn does not decide what is drawn next."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from cems_tui.domain.decision import Policy
from cems_tui.domain.function import Catalog
from cems_tui.domain.request import Request, new_id
from cems_tui.generation.cost_model import CostModel, Observation
from cems_tui.generation.families.registry import held_weights
from cems_tui.generation.machine_speed import load_references_of, references_of
from cems_tui.profile import Profile
from cems_tui.services.planner import Planner
from cems_tui.starter.benchmark_prompts import benchmark_prompts

PROMPTS = 48
DRAWN = 10
MOST_CHANGED = 2
COLD = 2.0
WAITED = 0.7
"""Of a picture's time, for a processor that others had."""


def picks(planner: Planner) -> list[str | None]:
    requests = [
        Request(new_id(), prompt, Policy("balanced", None), load_cost=True)
        for prompt, _ in benchmark_prompts(PROMPTS)
    ]
    return [planner.decide(one, frozenset(), installed_only=True).choice for one in requests]


def after(catalog: Catalog, runs: Sequence[Observation]) -> CostModel:
    told = list(catalog.values())
    return CostModel(
        runs,
        references=references_of(told),
        load_references=load_references_of(told),
        weights=held_weights,
    )


def drawn(
    catalog: Catalog, names: Sequence[str | None], drawing: float, loading: float
) -> list[Observation]:
    """Pictures beside other work, each model loaded once, so many times slower than told."""
    chance, loaded, runs = random.Random(1), set[str](), []
    for name in names:
        function = catalog.function(str(name))
        cold = function.model.name not in loaded
        loaded.add(function.model.name)
        seconds, load = function.expected.seconds, function.expected.load_seconds
        assert seconds is not None
        assert load is not None
        slower = chance.lognormvariate(0.0, 0.15) / (1.0 - WAITED)
        runs.append(
            Observation(
                function.name,
                function.width,
                function.height,
                0.0,
                seconds * drawing * (COLD if cold else 1.0) * slower,
                0.0,
                load * loading * slower if cold else 0.0,
                contention=WAITED,
            )
        )
    return runs


@pytest.mark.parametrize("pictures", [1, DRAWN])
@pytest.mark.parametrize(("drawing", "loading"), [(1.4, 0.8), (2.0, 0.8), (2.0, 1.25)])
def test_a_busy_hour_that_slows_drawing_more_than_loading_changes_hardly_a_pick(
    drawing: float, loading: float, pictures: int
) -> None:
    with Profile.current().planner() as planner:
        planner.relearn(after(planner.catalog, []))
        fresh = picks(planner)
        planner.relearn(
            after(planner.catalog, drawn(planner.catalog, fresh[:pictures], drawing, loading))
        )
        busy = picks(planner)
    assert len(set(fresh)) > 2
    assert sum(one != other for one, other in zip(fresh, busy, strict=True)) <= MOST_CHANGED
