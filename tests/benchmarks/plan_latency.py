"""What `cems route` does for a prompt, in process and without torch: price, estimate, decide."""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
from time import perf_counter
from typing import Any

from tests.benchmarks.row import RESAMPLES, row

BAR_MS = 2.0
PROMPTS = 500
WARM_UP = 20


def run() -> dict[str, Any]:
    """Milliseconds a prompt on the starter router: median, its 95 % interval, 95th percentile."""
    os.environ["CEMS_HOME"] = tempfile.mkdtemp(prefix="cems-benchmark-")
    from cems_tui.cli.options import PictureOptions, RoutingOptions, requests_of
    from cems_tui.profile import Profile
    from cems_tui.starter.benchmark_prompts import benchmark_prompts

    with Profile.current().planner() as planner:
        lines = [_line(prompt) for prompt, _ in benchmark_prompts(PROMPTS, "latency")]
        taken = []
        for line in lines[:WARM_UP] + lines:
            began = perf_counter()
            for request in requests_of(
                [line], RoutingOptions(), PictureOptions(), planner.settings, planner.check_pinned
            ):
                planner.decide(request, frozenset(), installed_only=False)
            taken.append((perf_counter() - began) * 1000)
    times = taken[WARM_UP:]
    chance = random.Random(0)
    medians = sorted(
        statistics.median(chance.choices(times, k=len(times))) for _ in range(RESAMPLES // 4)
    )
    return row(
        "route a prompt in process, p50 ms",
        "—",
        BAR_MS,
        statistics.median(times),
        ci95=(medians[12], medians[-13]),
        p95=statistics.quantiles(times, n=20)[-1],
        torch_imported="torch" in sys.modules,
    )


def _line(prompt: str) -> Any:
    from cems_tui.bench.prompts import PromptLine

    return PromptLine(prompt=prompt)
