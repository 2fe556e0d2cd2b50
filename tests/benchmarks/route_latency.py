"""How long a routing decision takes in process: estimate, λ of the dial, decision."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from cems_tui.routing.checkpoint import Checkpoint, load_checkpoint
from cems_tui.routing.decision import Offer, Policy
from cems_tui.routing.router import route

BAR_MS = 1.0
"""Milliseconds of the median prompt; a prompt box that re-routes on every key must not notice."""

WARM_UP = 20


def run(checkpoint_folder: Path, name: str, prompts: Sequence[str]) -> dict[str, Any]:
    """Median and 95th percentile milliseconds a prompt, with the interval of the median."""
    checkpoint = load_checkpoint(checkpoint_folder, name)
    offers = [_offer(function, place) for place, function in enumerate(checkpoint.functions)]
    prices = {offer.function: offer.cost_usd for offer in offers}
    for prompt in prompts[:WARM_UP]:
        _decide(checkpoint, offers, prices, prompt)
    times = np.array([_milliseconds(checkpoint, offers, prices, prompt) for prompt in prompts])
    empty = np.array([_milliseconds(None, offers, prices, prompt) for prompt in prompts])
    median = float(np.median(times))
    return {
        "name": "route_latency",
        "peer": "the bar: p50 of one decision, milliseconds",
        "bar": BAR_MS,
        "value": median,
        "p50": median,
        "p95": float(np.percentile(times, 95)),
        "ci95": _interval_of_median(times),
        "control": {"decision without a router, p50 ms": float(np.median(empty))},
        "status": "holds" if median <= BAR_MS else "short",
    }


def _milliseconds(
    checkpoint: Checkpoint | None,
    offers: Sequence[Offer],
    prices: dict[str, float | None],
    prompt: str,
) -> float:
    start = perf_counter()
    _decide(checkpoint, offers, prices, prompt)
    return (perf_counter() - start) * 1e3


def _decide(
    checkpoint: Checkpoint | None,
    offers: Sequence[Offer],
    prices: dict[str, float | None],
    prompt: str,
) -> None:
    estimates = checkpoint.estimate(prompt) if checkpoint else None
    value = checkpoint.lambda_at(0.5, prices) if checkpoint else 0.0
    route(prompt, offers, estimates, Policy.tradeoff(0.5), value)


def _offer(function: str, place: int) -> Offer:
    return Offer(
        function=function,
        cost_usd=1e-6 * (1 + place),
        cost_source="estimated",
        load_cost_usd=None,
        seconds=0.1,
        memory_bytes=None,
        load_seconds=None,
        installed=True,
        resident=False,
        fits=True,
        allowed=True,
    )


def _interval_of_median(times: np.ndarray) -> list[float]:
    random = np.random.default_rng(0)
    medians = [np.median(random.choice(times, times.size)) for _ in range(500)]
    return [float(value) for value in np.percentile(medians, [2.5, 97.5])]


if __name__ == "__main__":
    folder, router, prompt_file = sys.argv[1:4]
    print(run(Path(folder), router, Path(prompt_file).read_text(encoding="utf-8").splitlines()))
