"""What a picture takes beside the generate step: its scores, and its PNG with its row."""

from __future__ import annotations

import os
import statistics
import tempfile
from time import perf_counter
from typing import Any

from tests.benchmarks.row import row

PICTURES = 20
FUNCTION = "starter-base@20"
PROMPT = "a red apple left of a cat"


def run() -> list[dict[str, Any]]:
    """Seconds of scoring and of PNG and row together; medians, with minimum and maximum."""
    os.environ["CEMS_HOME"] = tempfile.mkdtemp(prefix="cems-benchmark-")
    from cems_tui.domain.decision import Policy
    from cems_tui.domain.request import Request
    from cems_tui.profile import Profile

    scoring, recording = [], []
    with Profile.current().engine() as engine:
        for seed in range(PICTURES + 1):
            request = Request(engine.planner.new_id(), PROMPT, Policy.pinned(FUNCTION), seed=seed)
            began = perf_counter()
            generation = engine.session.run(request, lambda event: None, lambda: False)
            recording.append(perf_counter() - began - generation.seconds.total)
            scoring.append(generation.seconds.score or 0.0)
    return [
        _row("seconds of the scores", scoring[1:]),
        _row("seconds of PNG and row", recording[1:]),
    ]


def _row(name: str, taken: list[float]) -> dict[str, Any]:
    return row(
        name,
        "—",
        None,
        statistics.median(taken),
        ci95=(min(taken), max(taken)),
        spread="minimum and maximum",
    )
