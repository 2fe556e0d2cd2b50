"""Offers, estimates and score tables with the shapes of real ones."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cems_tui.domain.decision import Offer, QualityEstimate
from cems_tui.domain.estimate import PromptEstimate
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.training import train as training
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.score_tables.formats import Row, ScoreTable


def train(table: ScoreTable, *, metric: str, name: str, **more: Any) -> Checkpoint:
    """The router of an order of those words."""
    return training.train(TrainingOrder(table, metric, name, **more))


SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
"""Public score tables on the developer's machine; never part of the project."""


def offer(
    function: str,
    cost_usd: float | None = 1e-5,
    load_cost_usd: float | None = 0.0,
    *,
    fits: bool | None = True,
    allowed: bool = True,
    installed: bool = True,
) -> Offer:
    return Offer(
        function=function,
        cost_usd=cost_usd,
        cost_source=None if cost_usd is None else "measured",
        load_cost_usd=load_cost_usd,
        seconds=0.1,
        memory_bytes=31_000_000,
        load_seconds=0.5,
        installed=installed,
        resident=load_cost_usd == 0.0,
        fits=fits,
        allowed=allowed,
    )


def expecting(qualities: Mapping[str, float], *, familiar: bool = True) -> PromptEstimate:
    estimates = {name: QualityEstimate(q, (q - 0.1, q + 0.1)) for name, q in qualities.items()}
    return PromptEstimate(estimates, familiar, 0.2)


COLOURS = ("red", "blue", "green", "yellow", "purple", "white")
SHAPES = ("ball", "box", "cone", "ring", "star", "cup", "tree", "fish")
PLACES = ("on the grass", "in the snow", "under a cloud", "beside a lamp", "on a table")


def grammar_prompts(count: int, seed: int = 0) -> list[str]:
    """Distinct prompts of a little grammar: simple and crowded scenes."""
    draw = random.Random(seed)
    prompts: dict[str, None] = {}
    while len(prompts) < count:
        things = [
            f"a {draw.choice(COLOURS)} {draw.choice(SHAPES)}" for _ in range(draw.randint(1, 3))
        ]
        prompts[f"{' and '.join(things)} {draw.choice(PLACES)}"] = None
    return list(prompts)


def table_with_signal(count: int = 300, seed: int = 0, repeats: int = 2) -> ScoreTable:
    """`cheap@1` is as good as `dear@20` unless the scene is crowded or has a fish."""
    draw = random.Random(seed)
    rows = []
    for number, prompt in enumerate(grammar_prompts(count, seed)):
        hard = prompt.count(" and ") + 1.5 * ("fish" in prompt)
        for function, quality, cost in (
            ("cheap@1", 6.0 - hard, 1e-6),
            ("dear@20", 6.2 - 0.3 * hard, 1e-5),
            ("odd@4", 4.5 + 2.0 * ("snow" in prompt), 4e-6),
        ):
            for repeat in range(repeats):
                rows.append(
                    Row(
                        prompt_id=f"p{number}",
                        prompt=prompt,
                        function=function,
                        metric="quality",
                        score=quality + draw.gauss(0.0, 0.4),
                        cost_usd=cost,
                        seed=str(repeat),
                        group="grammar",
                    )
                )
    return ScoreTable.of(rows)


def table_of_noise(count: int = 120, seed: int = 0) -> ScoreTable:
    """Three functions whose differences have nothing to do with the prompt."""
    draw = random.Random(seed)
    return ScoreTable.of(
        Row(
            prompt_id=f"p{number}",
            prompt=prompt,
            function=function,
            metric="quality",
            score=mean + draw.gauss(0.0, 1.0),
            cost_usd=cost,
        )
        for number, prompt in enumerate(grammar_prompts(count, seed))
        for function, mean, cost in (("a@1", 3.0, 1e-6), ("b@4", 3.1, 3e-6), ("c@20", 3.2, 9e-6))
    )
