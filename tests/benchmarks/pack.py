"""The pack's size, and the seconds a picture of each of its functions takes on this machine."""

from __future__ import annotations

import statistics
import time
from typing import Any

from tests.benchmarks.row import row

PICTURES = 7
PROMPT = "a cat to the left of a red car at night"
MAX_MEGABYTES = 40


def size() -> dict[str, Any]:
    """Megabytes of everything in `checkpoints/starter`."""
    from cems_tui import paths

    folder = paths.checkpoints() / "starter"
    total = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return row("pack size, MB", "—", MAX_MEGABYTES, total / 1e6)


def seconds() -> list[dict[str, Any]]:
    """Seconds a picture from a resident pipeline, one row a function, no score and no PNG."""
    from cems_tui.catalog.catalog import builtin
    from cems_tui.domain.decision import Policy
    from cems_tui.domain.request import Request
    from cems_tui.profile import Profile
    from cems_tui.services.session import job_of

    rows, profile = [], Profile.current()
    for model in (m for m in builtin().models().values() if m.installed):
        functions = builtin().of_model(model.name)
        pipeline = profile.pipeline(functions[0])
        for function in functions:
            request = Request("benchmark", PROMPT, Policy.pinned(function.name), seed=1)
            job = job_of(request, function)
            taken = []
            for _ in range(PICTURES + 1):
                began = time.perf_counter()
                pipeline.generate(job, lambda step, steps: None, lambda: False)
                taken.append(time.perf_counter() - began)
            spread = (min(taken[1:]), max(taken[1:]))
            rows.append(
                row(
                    f"seconds a picture, {function.name}",
                    "—",
                    None,
                    statistics.median(taken[1:]),
                    ci95=spread,
                    spread="minimum and maximum",
                )
            )
        pipeline.close()
    return rows
