"""Pictures as the engine would report them, for tests of what happens to them afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cems_tui.domain.decision import (
    Candidate,
    DialMeaning,
    Difference,
    Policy,
    RoutingDecision,
)
from cems_tui.domain.generation import Generation, Seconds, now
from cems_tui.domain.note import Note
from cems_tui.domain.request import new_id
from cems_tui.domain.score import Score

SCORES = (
    Score("nima", 5.125, "starter-nima:sha256:aa"),
    Score("clip", 31.5, "starter-clip:sha256:bb"),
    Score("lpips", 0.25, "lpips:sha256:cc", higher_is_better=False),
)


def candidate(function: str = "starter-base@20", **changes: Any) -> Candidate:
    """A candidate that could be chosen."""
    values: dict[str, Any] = {
        "rank": 1,
        "quality": 1.31,
        "interval": (1.24, 1.38),
        "quality_source": "router",
        "probability": None,
        "cost_usd": 6.8e-6,
        "cost_source": "measured",
        "priced": True,
        "load_cost_usd": 0.0,
        "seconds": 0.41,
        "memory_bytes": 31_000_000,
        "load_seconds": 0.0,
        "utility": 1.3,
        "installed": True,
        "resident": True,
        "fits": True,
        "allowed": True,
    }
    return Candidate(function, **(values | changes))


UNKNOWN = candidate(
    "tiny@20",
    rank=3,
    quality=None,
    interval=None,
    quality_source="unknown",
    cost_usd=None,
    cost_source=None,
    priced=False,
    load_cost_usd=None,
    seconds=None,
    memory_bytes=None,
    load_seconds=None,
    utility=None,
    resident=False,
    fits=None,
    allowed=False,
)


def decision(prompt: str = "a red car", **changes: Any) -> RoutingDecision:
    """A decision between a dear, a cheap and an unknown function."""
    values: dict[str, Any] = {
        "prompt": prompt,
        "choice": "starter-base@20",
        "router": "starter",
        "metric": "mixed",
        "policy": Policy.tradeoff(0.5),
        "lambda_per_usd": 812.0,
        "reason": "best utility",
        "encode_ms": 1.2,
        "route_ms": 0.1,
        "in_distribution": True,
        "candidates": (
            candidate(),
            candidate(
                "starter-turbo@1",
                rank=2,
                cost_usd=0.9e-6,
                cost_source="estimated",
                difference=Difference("starter-base@20", -0.07, (-0.12, -0.01), 0.035),
            ),
            UNKNOWN,
        ),
        "dial": DialMeaning(0.26, 0.98, None),
        "notes": (Note("other", "a note"),),
    }
    return RoutingDecision(**(values | changes))


def generation(session: str, folder: Path, **changes: Any) -> Generation:
    """A picture of a red car, priced and scored."""
    generation_id = changes.pop("id", None) or new_id()
    prompt = changes.pop("prompt", "a red car")
    values: dict[str, Any] = {
        "negative": "",
        "function": "starter-base@20",
        "executed": "starter-base@20",
        "fallback": None,
        "image": folder / f"{generation_id}.png",
        "seed": 1234,
        "width": 64,
        "height": 64,
        "steps": 20,
        "guidance": 3.0,
        "sampler": "DDIM",
        "model": "starter-base",
        "seconds": Seconds(0.0, 0.01, 0.35, 0.02, 0.04, 0.42),
        "peak_memory_bytes": 31_000_000,
        "energy_wh": None,
        "cost_usd": 6.3e-6,
        "cost_source": "measured",
        "load_cost_usd": 0.0,
        "scores": SCORES,
        "decision": decision(prompt),
        "created": now(),
    }
    return Generation(id=generation_id, session=session, prompt=prompt, **(values | changes))
